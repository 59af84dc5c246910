"""SomaNet recognises its own files by content.

The SHA-256 of each output is recorded in a hidden file beside it before the output becomes visible, with the command
that wrote it. The same command may then replace it, on any computer; a file that a person edited is not mistaken for
SomaNet's, nor a network for an older video.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from somanet.core.file_state import stat_of, user_number
from somanet.core.hashing import is_hidden, sha256_file
from somanet.core.limits import TABLE_BYTES

WRITTEN = ".somanet.jsonl"
"""A line for each file that a command wrote into the folder: its name, or path from there, its SHA-256, the command."""
WRITTEN_BY = ".somanet.{}.jsonl"
"""The same of one user, by number, in a folder where another user's notes cannot be added to."""


Writers = Mapping[str, frozenset[str]]
"""By SHA-256, the commands that wrote such content under a name."""


def add_notes(folder: Path, digests: Mapping[str, str], command: str) -> None:
    """Record files of a folder, by name or path from there, with their SHA-256 and the command that wrote them."""
    fresh = {name: digest for name, digest in digests.items() if command not in _noted(folder, name).get(digest, ())}
    rows = ({"file": name, "sha256": digest, "command": command} for name, digest in fresh.items())
    lines = "".join(f"\n{json.dumps(row)}" for row in rows)
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
    return all(writers_of(file) for file in _files_of(path))


def foreign_writer(path: Path, command: str) -> str | None:
    """Another command that wrote a known file, or a file of a known folder, which this command never wrote.

    Returns:
        its name, ``""`` if the note does not tell, as notes once did not; None if there is none.
    """
    for file in _files_of(path):
        writers = writers_of(file)
        if writers and command not in writers:
            return min(writers)
    return None


def _files_of(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    files = (file for file in path.rglob("*") if not file.is_dir())
    yield from (file for file in files if not is_hidden(file.relative_to(path)))


def writers_of(path: Path) -> frozenset[str]:
    """The commands that wrote what a file holds now; none if SomaNet did not, or if it was changed since."""
    if not path.is_file() or path.is_symlink():
        return frozenset()
    place = path.absolute()
    noted = [_noted(folder, place.relative_to(folder).as_posix()) for folder in place.parents]
    if not any(noted):
        return frozenset()
    digest = sha256_file(path)
    return frozenset().union(*(writers.get(digest, frozenset()) for writers in noted))


def _noted(folder: Path, name: str) -> Writers:
    """Who wrote what under a name, as a folder's notes have it."""
    found: dict[str, frozenset[str]] = {}
    for notes in (folder / WRITTEN, folder / WRITTEN_BY.format(user_number())):
        state = stat_of(notes)
        if state is not None and stat.S_ISREG(state.st_mode) and state.st_size <= TABLE_BYTES.value:
            for digest, commands in _read_notes(notes, state.st_mtime_ns, state.st_size).get(name, {}).items():
                found[digest] = found.get(digest, frozenset()) | commands
    return found


@lru_cache(maxsize=64)
def _read_notes(notes: Path, _changed_ns: int, _size: int) -> dict[str, dict[str, frozenset[str]]]:
    found: dict[str, dict[str, frozenset[str]]] = {}
    try:
        lines = notes.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            row = json.loads(line)
            name, digest, command = str(row["file"]), str(row["sha256"]), str(row.get("command", ""))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):  # cut by a full disk, or foreign
            continue
        writers = found.setdefault(name, {})
        writers[digest] = writers.get(digest, frozenset()) | {command}
    return found
