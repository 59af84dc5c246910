"""The stages of a `dvc.lock`, which of them made a path, and what of their record no longer holds."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from somanet.files import json_object
from somanet.lineage.hashes import Hashes, cache_object, listed_md5
from somanet.provenance import LockedStage, load_yaml, locked_stages


@dataclass(frozen=True)
class Entry:
    """A dependency or an output, as the lock records it.

    Attributes:
        path: where it lies.
        shown: as the lock writes it, for people.
        md5: recorded; none in a lock of another kind of hash.
    """

    path: Path
    shown: str
    md5: str | None


@dataclass(frozen=True)
class Stage:
    """A stage as `dvc.lock` records it."""

    name: str
    folder: Path
    command: str
    deps: tuple[Entry, ...]
    outs: tuple[Entry, ...]
    params: Mapping[str, Mapping[str, Any]]

    def run_files(self) -> Iterator[Path]:
        """The files among its outputs that name MLflow runs; they come back from DVC's cache with the rest."""
        for out in self.outs:
            found = sorted(out.path.rglob("*.json")) if out.path.is_dir() else [out.path]
            yield from (path for path in found if path.suffix == ".json" and names_a_run(path))


def names_a_run(path: Path) -> bool:
    """Whether a JSON file is an `mlflow_run.json`, under whatever name."""
    return {"run_id", "experiment", "tracking_uri"} <= set(json_object(path))


def stages_around(path: Path, root: Path) -> list[Stage]:
    """The stages of the nearest `dvc.lock`, from the path's folder up to the project's, that made the path."""
    for folder in (path, *path.parents):
        stages = [_stage(locked) for locked in locked_stages(folder)]
        if makers_of(path, stages):
            return stages
        if folder == root:
            break
    return []


def _stage(locked: LockedStage) -> Stage:
    def entries(kind: str) -> tuple[Entry, ...]:
        return tuple(
            Entry(Path(os.path.normpath(locked.folder / str(one.get("path")))), str(one.get("path")), one.get("md5"))
            for one in locked.entries(kind)
        )

    params = locked.content.get("params")
    return Stage(
        locked.name,
        locked.folder,
        str(locked.content.get("cmd", "")),
        entries("deps"),
        entries("outs"),
        {file: values for file, values in params.items() if isinstance(values, Mapping)} if params else {},
    )


def makers_of(path: Path, stages: list[Stage]) -> list[Stage]:
    """The stages with an output that is the path, holds it, or lies in it."""
    return [
        stage
        for stage in stages
        if any(out.path == path or out.path in path.parents or path in out.path.parents for out in stage.outs)
    ]


def changes_of(
    stage: Stage, hashes: Hashes, *, made_elsewhere: Collection[Path], skip: Path
) -> tuple[list[str], list[str]]:
    """What of a stage's record is no longer so, and what is not here to be compared.

    Args:
        stage: as recorded.
        hashes: of the files now.
        made_elsewhere: dependencies that other stages make, which say themselves when these are not here.
        skip: an output that is compared elsewhere.
    """
    changed: list[str] = []
    absent: list[str] = []
    cached: list[str] = []
    unread: list[str] = []
    for entry, what in [*((one, "dependency") for one in stage.deps), *((one, "output") for one in stage.outs)]:
        if entry.path == skip or (what == "dependency" and entry.path in made_elsewhere and not entry.path.exists()):
            continue
        state = entry_state(entry, hashes)
        if state == "absent":
            in_cache = entry.md5 is not None and cache_object(entry.md5, hashes.root).exists()
            (cached if in_cache else absent).append(entry.shown)
        elif state == "unread":
            unread.append(entry.shown)
        elif state:
            changed.append(f"its {what} {entry.shown} is now {state}, dvc.lock has {entry.md5}")
    missing = [f"not here, but in DVC's cache (`dvc checkout` brings it): {', '.join(cached)}"] if cached else []
    missing += [f"neither here nor in DVC's cache (`dvc pull` or `dvc repro`): {', '.join(absent)}"] if absent else []
    missing += [f"not compared, as it is too large to read in passing: {', '.join(unread)}"] if unread else []
    for file, recorded in stage.params.items():
        now = load_yaml(stage.folder / file)
        for key, value in recorded.items():
            found = _lookup(now, str(key))
            if found != value:
                changed.append(f"{file}: {key} is now {_differing(value, found)}")
    return changed, missing


def entry_state(entry: Entry, hashes: Hashes) -> str:
    """`absent`, `unread`, the hash it has now if that differs from the record, or nothing if all is well."""
    if entry.md5 is None:
        return ""
    try:
        now = hashes.md5(entry.path)
    except OSError:
        return "absent"
    return "unread" if now is None else "" if now == entry.md5 else now


def recorded_md5(path: Path, stage: Stage, root: Path) -> str | None:
    """The recorded md5 of an output, or of a file in one: only DVC's cache lists the files of a folder."""
    for out in stage.outs:
        if out.path == path:
            return out.md5
        if out.path in path.parents and out.md5:
            return listed_md5(out.md5, path.relative_to(out.path).as_posix(), root)
    return None


def _lookup(values: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        if not isinstance(values, Mapping) or part not in values:
            return None
        values = values[part]
    return values


def _differing(before: Any, now: Any, prefix: str = "") -> str:
    """The first place in which two values differ."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in (*before, *(key for key in now if key not in before)):
            if before.get(key) != now.get(key):
                return _differing(before.get(key), now.get(key), f"{prefix}{key}: ")
    return f"{prefix}{now!r}, dvc.lock has {before!r}"
