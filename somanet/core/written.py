"""SomaNet recognises its own files by content.

The SHA-256 of each output is recorded in a hidden file beside it before the output becomes visible. The same command
may then replace it, on any computer, and a file that a person edited is not mistaken for SomaNet's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from somanet.core.file_state import stat_of, user_number
from somanet.core.hashing import is_hidden, sha256_file

WRITTEN = ".somanet.jsonl"
"""A line for each file that a command wrote into the folder: its name, or path from there, and its SHA-256."""
WRITTEN_BY = ".somanet.{}.jsonl"
"""The same of one user, by number, in a folder where another user's notes cannot be added to."""


def add_notes(folder: Path, digests: Mapping[str, str]) -> None:
    """Record files of a folder, by name or path from there, with their SHA-256."""
    fresh = {name: digest for name, digest in digests.items() if digest not in _noted(folder, name)}
    lines = "".join(f"\n{json.dumps({'file': name, 'sha256': digest})}" for name, digest in fresh.items())
    if not lines:
        return
    # One write at the end, so that two processes do not tear each other's lines; a line that a full disk cut ends here.
    for name in (WRITTEN, WRITTEN_BY.format(user_number())):
        try:
            with (folder / name).open("a", encoding="utf-8", newline="\n") as notes:
                notes.write(lines)
            return
        except PermissionError:  # another user's
            if name != WRITTEN:
                raise


def is_known(path: Path) -> bool:
    """Whether SomaNet wrote a file, or all files of a folder, and nobody has changed them since."""
    if not path.is_dir():
        return _file_is_known(path)
    files = (file for file in path.rglob("*") if not file.is_dir())
    return all(_file_is_known(file) for file in files if not is_hidden(file.relative_to(path)))


def _file_is_known(path: Path) -> bool:
    if not path.is_file() or path.is_symlink():
        return False
    place = path.absolute()
    noted = {digest for folder in place.parents for digest in _noted(folder, place.relative_to(folder).as_posix())}
    return bool(noted) and sha256_file(path) in noted


def _noted(folder: Path, name: str) -> frozenset[str]:
    """The hashes of what SomaNet wrote under a name, as a folder's notes have them."""
    found: frozenset[str] = frozenset()
    for notes in (folder / WRITTEN, folder / WRITTEN_BY.format(user_number())):
        if (state := stat_of(notes)) is not None:
            found |= _read_notes(notes, state.st_mtime_ns, state.st_size).get(name, frozenset())
    return found


@lru_cache(maxsize=64)
def _read_notes(notes: Path, _changed_ns: int, _size: int) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    try:
        lines = notes.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            row = json.loads(line)
            name, digest = str(row["file"]), str(row["sha256"])
        except (ValueError, TypeError, KeyError, RecursionError):  # cut by a full disk, or a foreign line
            continue
        found[name] = found.get(name, frozenset()) | {digest}
    return found
