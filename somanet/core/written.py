"""SomaNet recognises its own files by content.

The SHA-256 of each output is recorded in a hidden file beside it before the output becomes visible, with the command
that wrote it. The same command may then replace it, on any computer; a file that a person edited is not mistaken for
SomaNet's, nor a network for an older video.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from somanet.core.file_state import stat_of, user_number
from somanet.core.hashing import sha256_file
from somanet.core.limits import TABLE_BYTES
from somanet.core.swapping import is_temporary

WRITTEN = ".somanet.jsonl"
"""A line for each file that a command wrote into the folder: its name, or path from there, its SHA-256, the command."""
WRITTEN_BY = ".somanet.{}.jsonl"
"""The same of one user, by number, in a folder where another user's notes cannot be added to."""


BY_THE_SYSTEM = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", ".directory"})
"""Files that file managers leave in every folder that is looked at; nobody misses them."""

Writers = Mapping[str, frozenset[str]]
"""By SHA-256, the commands that wrote such content under a name."""


def add_notes(folder: Path, digests: Mapping[str, str], commands: Iterable[str]) -> None:
    """Record files of a folder, by name or path from there, with SHA-256 and the commands whose output they are."""
    rows = [
        {"file": name, "sha256": digest, "command": command}
        for command in sorted(commands)
        for name, digest in digests.items()
        if command not in _noted(folder, name).get(digest, ())
    ]
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


@dataclass(frozen=True)
class Foreign:
    """What the running command did not write, at its output.

    Attributes:
        name: the file's path from the folder that is replaced; empty if the output is a file itself.
        writer: the other command that wrote it; empty if its note does not tell, as notes once did not; None if SomaNet
            did not write it, or if it was changed since.
        apart: it belongs to an output of its own in a folder inside, such as one network in a folder of networks.
    """

    name: str
    writer: str | None
    apart: bool = False


def foreign_in(path: Path, command: str) -> Foreign | None:
    """Something at an output that a command did not write: the file, or the first such file in a folder.

    All that a folder holds counts, hidden files and links too, but for notes and what the system makes. Only the
    folder's own notes count, since those of a folder inside are of another output.
    """
    if not path.is_dir():
        return _foreign(writers_of(path), command, "")
    for file in _entries(path):
        name = file.relative_to(path).as_posix()
        if found := _foreign(_writers(file, (path,)), command, name):
            deeper = _writers(file, [folder for folder in file.parents if folder.is_relative_to(path)])
            return Foreign(name, min(deeper), apart=True) if found.writer is None and deeper else found
    return None


def _foreign(writers: frozenset[str], command: str, name: str) -> Foreign | None:
    if command in writers:
        return None
    return Foreign(name, min(writers) if writers else None)


def _entries(folder: Path) -> Iterator[Path]:
    """Files and links in a folder, at any depth, in order; without notes and what the system makes."""
    for name, folders, files in os.walk(folder):
        place = Path(name)
        folders.sort()
        links = [one for one in folders if (place / one).is_symlink()]
        for one in sorted([*files, *links]):
            if is_kept(one):
                yield place / one


def is_notes(name: str) -> bool:
    """Whether a file has this module's notes, of whichever user."""
    return re.fullmatch(r"\.somanet(\.\d+)?\.jsonl", name) is not None


def is_kept(name: str) -> bool:
    """Whether a file of this name may be somebody's: neither these notes, nor in the making, nor by the system."""
    return not (is_notes(name) or is_temporary(name) or name in BY_THE_SYSTEM)


def writers_of(path: Path) -> frozenset[str]:
    """The commands that wrote what a file holds now; none if SomaNet did not, or if it was changed since."""
    return _writers(path, path.absolute().parents)


def _writers(path: Path, folders: Iterable[Path]) -> frozenset[str]:
    """The same by the notes of some folders around it."""
    if not path.is_file() or path.is_symlink():
        return frozenset()
    place = path.absolute()
    noted = [_noted(folder, place.relative_to(folder.absolute()).as_posix()) for folder in folders]
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
