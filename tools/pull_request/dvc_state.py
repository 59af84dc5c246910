"""DVC's state: stages that have not run, scores in its cache, and its own tables of changes."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder, write_text
from somanet.provenance.dvc_records import dvc_command, locked_stages
from somanet.provenance.trace.hashes import Hashes, cache_object


def stale_stages(folder: Path) -> tuple[str, ...]:
    """The stages that `dvc repro` would run, with all that depend on them.

    Raises:
        SomaNetError: DVC cannot read the pipeline.
    """
    stale = list(json.loads(dvc_output(folder, "status", "--json") or "{}"))
    locked = locked_stages(folder)
    for _ in locked:  # each round goes one stage down
        outs = [str(out["path"]) for stage in locked if stage.name in stale for out in stage.entries("outs")]
        stale += [
            stage.name
            for stage in locked
            if stage.name not in stale
            and any(overlap(str(dep["path"]), out) for dep in stage.entries("deps") for out in outs)
        ]
    return tuple(stale)


def overlap(a: str, b: str) -> bool:
    """Whether one of two paths of a pipeline is, or contains, the other."""
    return a == b or a.startswith(f"{b}/") or b.startswith(f"{a}/")


def fetch_scores(root: Path, folder: Path) -> None:
    """Copy the networks' scores in a folder's `dvc.lock` out of the project's DVC cache, where available.

    Args:
        root: the project.
        folder: the folder to copy to.
    """
    wanted = {
        str(out["path"]): str(out.get("md5"))
        for stage in locked_stages(folder)
        for out in stage.entries("outs")
        if Path(str(out["path"])).name in ("metrics.json", "per_image.csv")
    }
    hashes = Hashes(root)
    for path, digest in wanted.items():
        cached = cache_object(digest, root)
        # DVC itself would return a damaged file without an error.
        if cached.is_file() and hashes.md5(cached) == digest:
            make_folder((folder / path).parent)
            shutil.copyfile(cached, folder / path)


@dataclass(frozen=True)
class Changed:
    """A metric or parameter that differs; None if a side lacks it."""

    file: str
    name: str
    old: Any
    new: Any


def diffs(base: Path, head: Path, *whats: Literal["metrics", "params"]) -> list[list[Changed]]:
    """The output of `dvc metrics diff` and `dvc params diff` for two folders with a pipeline's results.

    DVC compares states of one repository: here a small temporary one.

    Args:
        base, head: each with `params.yaml`, `dvc.yaml`, `dvc.lock` and `reports/`, as far as they exist.
        whats: which of the two.

    Raises:
        SomaNetError: DVC cannot read one of the folders.
    """
    with tempfile.TemporaryDirectory(prefix="somanet-") as scratch:
        both = Path(scratch)
        write_text(both / ".dvc" / "config", "[core]\n    analytics = false\n    check_update = false\n")
        _copy_results(base, both)
        _git(both, "init", "--quiet")
        _git(both, "add", "--force", ".")
        _git(both, "commit", "--quiet", "--message", "base")
        _git(both, "rm", "--quiet", "-r", "--ignore-unmatch", "params.yaml", "dvc.yaml", "dvc.lock", "reports")
        _copy_results(head, both)
        return [_changed(json.loads(dvc_output(both, what, "diff", "--json", "HEAD") or "{}")) for what in whats]


def _changed(files: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[Changed]:
    return [
        Changed(file, name, values.get("old"), values.get("new"))
        for file, names in files.items()
        for name, values in names.items()
    ]


def _copy_results(folder: Path, target: Path) -> None:
    files = [folder / name for name in ("params.yaml", "dvc.yaml", "dvc.lock")]
    for file in [*files, *sorted((folder / "reports").rglob("*.json"))]:
        if file.is_file():
            place = target / file.relative_to(folder)
            make_folder(place.parent)
            shutil.copyfile(file, place)


def _git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=somanet", "-c", "user.email=somanet@localhost")
    subprocess.run(
        ["git", *identity, "-c", "commit.gpgsign=false", "-c", "core.hooksPath=.git/none", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def dvc_output(folder: Path, *arguments: str) -> str:
    """The standard output of `dvc` in a folder.

    Raises:
        SomaNetError: with the first line of its message, if it fails.
    """
    command, environment = dvc_command(folder, *arguments)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise SomaNetError(f"`dvc {arguments[0]}` failed: {said[0].removeprefix('ERROR: ')}")
    return done.stdout
