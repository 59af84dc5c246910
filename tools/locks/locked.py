"""A lock compared with the tree, by DVC itself, and with the lock of an earlier commit."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from somanet.provenance.code import PROFILES
from somanet.provenance.dvc_guard import LINKED
from tools.pull_request.dvc_state import dvc_output, overlap
from tools.pull_request.revisions import file_at

LOCK = "dvc.lock"
NETWORKS = "models/"
"""Where trainings leave their networks."""


@dataclass(frozen=True)
class Difference:
    """How a stage of the tree differs from its entry in the lock.

    Attributes:
        stage: its name.
        path: the dependency or output; empty for the command.
        what: in words.
        code: whether it is code of the project with another content, and nothing else.
    """

    stage: str
    path: str
    what: str
    code: bool


def projects(root: Path) -> list[Path]:
    """The project and its profiles, those with a lock."""
    return [folder for folder in (root, *sorted((root / PROFILES).glob("*"))) if (folder / LOCK).is_file()]


def is_code(path: str) -> bool:
    """Whether a dependency is code of the project."""
    return path.startswith(tuple(f"{name}/" for name in LINKED))


def differences(folder: Path) -> list[Difference]:
    """Where the tree differs from the lock.

    Stages that the lock does not name are no part of it. Outputs that are not here, as in a fresh clone, cannot be
    compared; what stages hand on is compared in the lock itself.

    Raises:
        SomaNetError: DVC cannot read the project.
    """
    status: Mapping[str, list[Any]] = json.loads(dvc_output(folder, "status", "--json") or "{}")
    locked = stages_of((folder / LOCK).read_bytes())
    made = {path: md5 for stage in locked.values() for path, md5 in md5s(stage, "outs").items()}
    known = [(stage, entries) for stage, entries in status.items() if stage in locked]
    found = [one for stage, entries in known for entry in entries for one in _of_entry(stage, entry, made)]
    for name, stage in locked.items():
        found += [
            Difference(name, path, f"{path} is another than the one that its stage left", code=False)
            for path, md5 in md5s(stage, "deps").items()
            if made.get(path, md5) != md5
        ]
    return found


def _of_entry(stage: str, entry: str | Mapping[str, Mapping[str, Any]], made: Collection[str]) -> Iterator[Difference]:
    if isinstance(entry, str):
        if entry != "always changed":
            yield Difference(stage, "", entry, code=False)
        return
    for kind, paths in entry.items():
        for path, state in paths.items():
            if isinstance(state, Mapping):
                yield Difference(stage, path, f"{path}: {', '.join(state)} changed", code=False)
            elif kind == "changed deps" and any(overlap(path, out) for out in made):
                continue
            elif state not in ("deleted", "not in cache") or is_code(path):
                own = kind == "changed deps" and is_code(path) and state == "modified"
                yield Difference(stage, path, f"{path} is {state}", code=own)


@dataclass(frozen=True)
class Move:
    """A dependency of a stage whose hash in the lock is another than at an earlier commit."""

    stage: str
    path: str
    before: str | None
    after: str | None


def moves_without_a_run(folder: Path, root: Path, commit: str) -> list[Move]:
    """What changed in the dependencies of trainings of which no output changed: no run leaves that; it needs a proof.

    Outputs of a training have the hashes of the code that it ran with. Other stages are quick: `make repro` tells.

    Args:
        folder: a project.
        root: the repository.
        commit: the earlier commit.
    """
    content = file_at(root, commit, (folder / LOCK).relative_to(root).as_posix())
    old, new = stages_of(content or b""), stages_of((folder / LOCK).read_bytes())
    found = []
    for name, stage in new.items():
        before, after = md5s(old.get(name, {}), "deps"), md5s(stage, "deps")
        outs = md5s(stage, "outs")
        if name in old and any(out.startswith(NETWORKS) for out in outs) and outs == md5s(old[name], "outs"):
            paths = [path for path in {**before, **after} if before.get(path) != after.get(path)]
            found += [Move(name, path, before.get(path), after.get(path)) for path in paths]
    return found


def stages_of(lock: bytes) -> Mapping[str, Mapping[str, Any]]:
    """The stages in the text of a lock."""
    return (yaml.safe_load(lock) or {}).get("stages") or {}


def md5s(stage: Mapping[str, Any], kind: str) -> dict[str, str | None]:
    """Path → md5 of a stage's recorded `deps` or `outs`."""
    return {str(entry["path"]): entry.get("md5") for entry in stage.get(kind) or ()}
