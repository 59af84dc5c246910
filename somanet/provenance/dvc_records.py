"""DVC's records of stages and data, read from its own files, and how its command is started."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from somanet.core.documents import parse_yaml
from somanet.core.errors import SomaNetError
from somanet.core.foreign import file_text
from somanet.core.limits import YAML_BYTES
from somanet.core.processes import python_command


def dvc_command(folder: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """How DVC is started: the command, and the environment in which stages run a folder's code with this Python.

    Args:
        folder: the folder whose code the stages run, whatever the caller's PYTHONPATH.
        arguments: arguments of `dvc`.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    own = {"PATH": path, "PYTHONPATH": str(folder.resolve()), "DVC_NO_ANALYTICS": "1"}
    return python_command("-m", "dvc", *arguments), {**os.environ, **own}


def dvc_digest(path: Path | str, root: Path | str) -> str | None:
    """The md5 that DVC recorded for a file or folder (a folder's ends in ``.dir``), else ``None``.

    It is looked up, not computed: first in ``<path>.dvc``, then in outputs, then in dependencies of the ``dvc.lock``
    files from the path's folder up to ``root``. A file whose size no longer matches the record has changed
    since and gives ``None``; a folder's content is not checked.
    """
    root = Path(root).resolve()
    target = Path(path) if Path(path).is_absolute() else root / path
    target = Path(os.path.normpath(target))
    for entry, base in _dvc_entries(target, root):
        recorded, md5 = entry.get("path"), entry.get("md5")
        if not isinstance(recorded, str) or not isinstance(md5, str):
            continue
        if Path(os.path.normpath(base / recorded)) != target:
            continue
        size = entry.get("size")
        if target.is_file() and isinstance(size, int) and target.stat().st_size != size:
            continue
        return md5
    return None


def _dvc_entries(target: Path, root: Path) -> Iterator[tuple[Mapping[str, Any], Path]]:
    """Recorded outputs, then dependencies, each with the folder that its path is relative to."""
    pointer = load_yaml(target.with_name(target.name + ".dvc"))
    yield from ((entry, target.parent / str(pointer.get("wdir", "."))) for entry in _entries(pointer, "outs"))
    folders = [folder for folder in target.parents if folder == root or root in folder.parents]
    locks = [stage for folder in folders for stage in locked_stages(folder)]
    for kind in ("outs", "deps"):
        yield from ((entry, stage.folder) for stage in locks for entry in stage.entries(kind))


@dataclass(frozen=True)
class LockedStage:
    """A stage's entry in ``dvc.lock``.

    Attributes:
        name: name such as ``evaluate@paper``.
        folder: the folder to which its paths are relative.
        content: ``cmd``, ``deps``, ``params``, ``outs`` as recorded.
    """

    name: str
    folder: Path
    content: Mapping[str, Any]

    def entries(self, kind: str) -> list[Mapping[str, Any]]:
        """The recorded ``deps`` or ``outs``, with ``path``, ``md5`` and ``size``."""
        return _entries(self.content, kind)


def locked_stages(folder: Path) -> list[LockedStage]:
    """The stages in a folder's ``dvc.lock``; none where there is no such file."""
    stages = load_yaml(folder / "dvc.lock").get("stages")
    if not isinstance(stages, Mapping):
        return []
    declared = load_yaml(folder / "dvc.yaml").get("stages")
    declared = declared if isinstance(declared, Mapping) else {}
    found = []
    for name, stage in stages.items():
        # The lock's paths are relative to the stage's wdir, which only dvc.yaml has; `train@a` belongs to `train`.
        about = declared.get(name) or declared.get(str(name).split("@")[0]) or {}
        about = about.get("do", about) if isinstance(about, Mapping) else {}
        wdir = about.get("wdir", ".") if isinstance(about, Mapping) else "."
        if isinstance(stage, Mapping):
            found.append(LockedStage(str(name), folder / str(wdir), stage))
    return found


def _entries(stage: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    entries = stage.get(kind)
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def load_yaml(path: Path) -> Mapping[str, Any]:
    """A YAML mapping; empty for a file that is missing or unreadable (a merge conflict, say)."""
    try:
        value = parse_yaml(file_text(path, "a file of DVC", YAML_BYTES), path)
    except SomaNetError:
        return {}
    return value if isinstance(value, Mapping) else {}
