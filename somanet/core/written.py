"""SomaNet recognises its own files by content.

The SHA-256 of each output is recorded in a hidden file beside it before the output becomes visible. The same command
may then replace it, on any computer, and a file that a person edited is not mistaken for SomaNet's.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from somanet.core.file_state import stat_of, user_number
from somanet.core.hashing import is_hidden, sha256_file
from somanet.core.limits import TABLE_BYTES

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
            with open(folder / name, "a", encoding="utf-8", newline="\n", opener=_open_own) as notes:
                notes.write(lines)
            return
        except OSError as error:  # another user's; or a link that leads elsewhere, or a pipe
            if name != WRITTEN or error.errno not in (errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO):
                raise


def _open_own(path: str, flags: int) -> int:
    """Open a file, but follow no link and wait for no pipe; a folder may come from anyone."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)


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
        state = stat_of(notes)
        if state is not None and stat.S_ISREG(state.st_mode) and state.st_size <= TABLE_BYTES.value:
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
