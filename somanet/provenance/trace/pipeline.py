"""DVC's records: the stages of a `dvc.lock`, which of them made a path, and which records no longer match."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from somanet.provenance.dvc_records import LockedStage, dvc_digest, load_yaml, locked_stages
from somanet.provenance.mlflow import weights_of
from somanet.provenance.trace.hashes import Hashes, cache_object, dvc_project, listed_md5
from somanet.provenance.trace.records import DatasetNode, FileNode, NetworkNode, Node, Record, shown

CONFIG = "config.json"
DVC_MD5 = "dvc_md5"
"""Metadata key of a file: its hash as recorded by DVC."""


@dataclass(frozen=True)
class Entry:
    """A dependency or an output as recorded in the lock.

    Attributes:
        path: its location.
        shown: its path as written in the lock, for display.
        md5: the recorded hash; None in a lock with another kind of hash.
    """

    path: Path
    shown: str
    md5: str | None


@dataclass(frozen=True)
class Stage:
    """A stage as recorded in `dvc.lock`."""

    name: str
    folder: Path
    command: str
    deps: tuple[Entry, ...]
    outs: tuple[Entry, ...]
    params: Mapping[str, Mapping[str, Any]]

    def networks(self) -> Iterator[NetworkNode]:
        """The networks among the outputs, whose weights lead to the runs that trained them."""
        for out in self.outs:
            for folder in sorted({config.parent for config in out.path.rglob(CONFIG)}):
                if sha256 := weights_of(folder):
                    yield NetworkNode(sha256, called=folder.name)


@dataclass(frozen=True)
class StageNode(Node):
    """A stage in a chain.

    Attributes:
        stage: the stage as recorded.
        stages: all stages of its lock, including those before it.
    """

    what: str = field(default="stage", init=False)
    stage: Stage = field(kw_only=True)
    stages: Sequence[Stage] = field(kw_only=True)


@dataclass(frozen=True)
class PipelineReader:
    """Reader of `dvc.lock` and of `.dvc` files.

    Attributes:
        root: the project.
        hashes: hashes of its files.
        skip: the traced path, whose hash is compared at its own link rather than at its stage.
    """

    root: Path
    hashes: Hashes
    skip: Path

    def read(self, node: Node) -> Record:
        """The stages that made a file or data set; a stage with its hashes and the stages before it."""
        match node:
            case FileNode(path=path):
                return self._file(path)
            case DatasetNode(used=used) if used.uri:
                return Record(origins=self._makers(self.root / used.uri))
            case StageNode():
                return self._stage(node)
        return Record()

    def _file(self, path: Path) -> Record:
        makers = self._makers(path)
        pointer = dvc_digest(path, self.root)
        metadata = {DVC_MD5: pointer} if pointer else {}
        changed = []
        if path.exists():
            changed = [text for maker in makers if (text := self._changed(path, maker.stage))]
            if not makers and pointer and (now := self.hashes.md5(path)) not in (pointer, None):
                changed.append(f"its md5 is now {now}, DVC has {pointer}")
        return Record(metadata, makers, changed=tuple(changed))

    def _changed(self, path: Path, stage: Stage) -> str | None:
        """How the file differs from its record; its folder is compared as a whole at its stage."""
        recorded = recorded_md5(path, stage, self.root)
        now = self.hashes.md5(path) if recorded else None
        return f"its md5 is now {now}, dvc.lock has {recorded}" if now and recorded != now else None

    def _makers(self, path: Path) -> tuple[StageNode, ...]:
        stages = stages_around(path, self.root)
        return tuple(self._node(stage, stages) for stage in makers_of(path, stages))

    def _node(self, stage: Stage, stages: Sequence[Stage]) -> StageNode:
        profile = shown(stage.folder, self.root)
        name = stage.name if profile == "." else f"{stage.name} in {profile}"
        return StageNode(name, stage=stage, stages=stages)

    def _stage(self, node: StageNode) -> Record:
        stage, stages = node.stage, node.stages
        made = {dep.path: [one for one in makers_of(dep.path, stages) if one.name != stage.name] for dep in stage.deps}
        origins: list[Node] = [self._node(maker, stages) for makers in made.values() for maker in makers]
        if not origins:  # the first stage: its outputs are the raw data
            origins += [
                Node("data", out.shown, record=Record({"md5": out.md5, "at": shown(out.path, self.root)}))
                for out in stage.outs
            ]
        origins += stage.networks()
        made_elsewhere = [path for path, makers in made.items() if makers]
        changed, missing = changes_of(stage, self.hashes, made_elsewhere=made_elsewhere, skip=self.skip)
        metadata = {
            "command": stage.command,
            "deps": {entry.shown: entry.md5 for entry in stage.deps},
            "outs": {entry.shown: entry.md5 for entry in stage.outs},
            "params": {key: value for values in stage.params.values() for key, value in values.items()},
        }
        return Record(metadata, tuple(origins), missing=tuple(missing), changed=tuple(changed))


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


def makers_of(path: Path, stages: Sequence[Stage]) -> list[Stage]:
    """The stages with an output that is the path, contains it, or lies in it."""
    return [
        stage
        for stage in stages
        if any(out.path == path or out.path in path.parents or path in out.path.parents for out in stage.outs)
    ]


def changes_of(
    stage: Stage, hashes: Hashes, *, made_elsewhere: Collection[Path], skip: Path
) -> tuple[list[str], list[str]]:
    """What no longer matches a stage's record, and what is missing and cannot be compared.

    Args:
        stage: the stage as recorded.
        hashes: hashes of the present files.
        made_elsewhere: outputs of other stages, which report them themselves if they are missing.
        skip: an output that is compared elsewhere.
    """
    changed: list[str] = []
    absent: list[str] = []
    cached: list[str] = []
    unread: list[str] = []
    project = dvc_project(stage.folder / "dvc.lock", hashes.root)
    for entry, what in [*((one, "dependency") for one in stage.deps), *((one, "output") for one in stage.outs)]:
        if entry.path == skip or (what == "dependency" and entry.path in made_elsewhere and not entry.path.exists()):
            continue
        state = entry_state(entry, hashes)
        if state == "absent":
            in_cache = entry.md5 is not None and cache_object(entry.md5, project).exists()
            (cached if in_cache else absent).append(entry.shown)
        elif state == "unread":
            unread.append(entry.shown)
        elif state:
            changed.append(f"its {what} {entry.shown} is now {state}, dvc.lock has {entry.md5}")
    missing = [f"not here, but in DVC's cache (`dvc checkout` restores it): {', '.join(cached)}"] if cached else []
    missing += [f"neither here nor in DVC's cache (`dvc pull` or `dvc repro`): {', '.join(absent)}"] if absent else []
    missing += [f"not compared, as it is too large to read for this: {', '.join(unread)}"] if unread else []
    for file, recorded in stage.params.items():
        now = load_yaml(stage.folder / file)
        for key, value in recorded.items():
            found = _lookup(now, str(key))
            if found != value:
                changed.append(f"{file}: {key} is now {_differing(value, found)}")
    return changed, missing


def entry_state(entry: Entry, hashes: Hashes) -> str:
    """`absent`, `unread`, the present hash if it differs from the record, or an empty string if it matches."""
    if entry.md5 is None:
        return ""
    try:
        now = hashes.md5(entry.path)
    except OSError:
        return "absent"
    return "unread" if now is None else "" if now == entry.md5 else now


def recorded_md5(path: Path, stage: Stage, root: Path) -> str | None:
    """The recorded md5 of an output, or of a file in one, which only DVC's cache lists."""
    for out in stage.outs:
        if out.path == path:
            return out.md5
        if out.path in path.parents and out.md5:
            return listed_md5(out.md5, path.relative_to(out.path).as_posix(), dvc_project(path, root))
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
