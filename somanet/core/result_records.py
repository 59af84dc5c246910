"""What a folder of results says of itself: the record with the hash of every other file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from somanet.core.files import json_object
from somanet.core.hashing import sha256_tree
from somanet.core.names import is_entry

MANIFEST = "manifest.json"
"""The record in every folder of results of an analysis."""


@dataclass(frozen=True)
class Kind:
    """A kind of results.

    Attributes:
        record: the JSON file that every such folder has; its `files` maps the name of each other file, or folder, to
            its SHA-256.
        what: its name in messages.
        around: the record of other results that may lie in folders inside, such as those of a cohort's movies. Such a
            folder is never swapped: another process may be writing there.
    """

    record: str
    what: str
    around: str = ""


def hashes_of(folder: Path, kind: Kind) -> dict[str, str]:
    """SHA-256 of every file and folder of results, by name, for the record; without the record itself."""
    return {
        path.name: sha256_tree(path)
        for path in sorted(folder.iterdir())
        if path.name[0] != "." and path.name != kind.record
    }


def recorded_in(output: Path, kind: Kind) -> Mapping[str, str] | None:
    """The names and hashes in a folder's record; None if there is no record, empty if it is damaged or lacks them."""
    path = output / kind.record
    if not path.is_file():
        return None
    files = json_object(path).get("files")
    return {str(name): str(digest) for name, digest in files.items()} if isinstance(files, dict) else {}


def recorded_names(output: Path, kind: Kind) -> set[str]:
    """The names in a folder's record, and that of the record."""
    return {*(recorded_in(output, kind) or {}), kind.record}


def unchanged_in(output: Path, recorded: Mapping[str, str]) -> dict[str, tuple[object, ...]]:
    """Which of the recorded files are as SomaNet wrote them, each with a state that reveals later changes."""
    found = {}
    for name, digest in recorded.items():
        path = output / name
        if is_entry(name) and path.exists():
            state = state_of(path)  # before its bytes: a change in between is one
            if sha256_tree(path) == digest:
                found[name] = state
    return found


def state_of(path: Path) -> tuple[object, ...]:
    """A state that changes whenever a file, or a file of a folder, is saved again."""
    if path.is_dir() and not path.is_symlink():
        return tuple((p.relative_to(path), *state_of(p)) for p in sorted(path.rglob("*")) if not p.is_dir())
    found = path.lstat()
    return found.st_size, found.st_mtime_ns


def entry_in(path: Path, folder: Path) -> str:
    """The entry of a folder that a path is, or lies in."""
    inside = Path(os.path.realpath(path)).relative_to(os.path.realpath(folder))
    return inside.parts[0]
