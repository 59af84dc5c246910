"""What a folder of results says of itself: the record with the hash of every other file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from somanet.core.files import json_object
from somanet.core.hashing import sha256_tree
from somanet.core.names import is_entry
from somanet.core.written import is_kept

MANIFEST = "manifest.json"
"""The record in every folder of results of an analysis."""
_MAY_BE_EMPTY = "masks"
"""The only folder that SomaNet leaves empty: of a crop without somas."""


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
            if sha256_tree(path) == digest and more_in(path) is None:
                found[name] = state
    return found


def more_in(path: Path) -> Path | None:
    """The first thing in a folder of results that no hash covers and SomaNet never writes, so that a person did.

    That is a hidden file, a link or an empty folder; not a hidden note of SomaNet's own, nor what file managers leave.
    """
    return next((one for one in sorted(path.rglob("*")) if _is_more(one)), None) if _is_folder(path) else None


def _is_more(path: Path) -> bool:
    if path.is_symlink():
        return True
    if path.is_dir():
        return path.name[0] == "." or (path.name != _MAY_BE_EMPTY and not any(path.iterdir()))
    return not path.is_file() or (path.name[0] == "." and is_kept(path.name))


def state_of(path: Path) -> tuple[object, ...]:
    """A state that changes whenever a file, or a file of a folder, is saved again."""
    if _is_folder(path):
        inside = sorted(path.rglob("*"))
        return tuple((p.relative_to(path), *(() if _is_folder(p) else state_of(p))) for p in inside)
    found = path.lstat()
    return found.st_size, found.st_mtime_ns


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def entry_in(path: Path, folder: Path) -> str:
    """The entry of a folder that a path is, or lies in."""
    inside = Path(os.path.realpath(path)).relative_to(os.path.realpath(folder))
    return inside.parts[0]
