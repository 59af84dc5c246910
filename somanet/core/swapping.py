"""Atomic replacement of files and folders: written under a hidden name beside the target, then renamed in one step.

The hidden name identifies the writing process: the next process that writes there removes what a dead one left behind
and leaves a live one's files alone. A folder replaces another by exchanging the two names where the system supports it
(Linux, on local disks). Elsewhere the old folder is set aside for a moment; one that a dead process set aside is put
back.
"""

from __future__ import annotations

import ctypes
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from somanet.core.processes import PROCESS_MARK, mark_is_dead, process_mark

_LONGEST_NAME = 255
"""Bytes, on every common file system."""

_HIDDEN = re.compile(
    rf"\.(?P<name>.*)\.(?P<process>{PROCESS_MARK.pattern})\.[0-9a-f]{{8}}\.(?P<kind>part|old)(?:\..*)?", re.DOTALL
)

_cleaned: set[Path] = set()
"""Folders that this process has already searched for leftovers."""


def is_temporary(name: str) -> bool:
    """Whether a name is one of those that files have while they are written."""
    return _HIDDEN.fullmatch(name) is not None


def temporary_path(path: Path) -> Path:
    """A hidden name beside ``path`` to write to; the suffix is kept, for writers that choose the format by it."""
    return _hidden_name(path, "part", path.stem, path.suffix)


def remove_leftovers(folder: Path) -> None:
    """Remove half-written files of this machine's dead processes from a folder; once per process and folder."""
    place = Path(os.path.realpath(folder))
    if place in _cleaned:
        return
    _cleaned.add(place)
    try:
        found = [(path, match) for path in place.iterdir() if (match := _HIDDEN.fullmatch(path.name))]
    except OSError:  # the write itself will report it
        return
    for path, match in found:
        if not mark_is_dead(match["process"]):
            continue
        target = place / match["name"]
        if match["kind"] == "old" and not target.exists():
            with suppress(OSError):  # another process put it back
                path.rename(target)
        else:
            remove(path)


def remove_unfinished(path: Path, mark: str) -> None:
    """Remove what a process that is known to be gone, on whichever computer, left half-written beside ``path``.

    Args:
        path: what it was to write.
        mark: its :func:`somanet.core.processes.process_mark`.
    """
    for folder in (path.parent, path):  # a folder that cannot be swapped has them inside
        with suppress(OSError):
            for part in list(folder.iterdir()):
                found = _HIDDEN.fullmatch(part.name)
                if (
                    found
                    and found["kind"] == "part"
                    and found["process"] == mark
                    and (folder == path or found["name"] == path.stem)
                ):
                    remove(part)


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """A folder for intermediate files, on the same disk as ``beside``; removed afterwards, or by the next start."""
    folder = temporary_path(beside)
    try:  # Ctrl-C may arrive between the making of a folder and the next line
        folder.mkdir(parents=True)
        yield folder
    finally:
        remove(folder)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there and the system lets us; never what is mounted in it."""
    if path.is_dir() and not path.is_symlink():
        if not holds_mounts(path):
            shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink(missing_ok=True)


def holds_mounts(folder: Path) -> bool:
    """Whether another file system is mounted on a folder or somewhere in it; bind mounts count."""
    place = os.path.realpath(folder)
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # not Linux
        # Path.is_mount is not for Windows before Python 3.12.
        return os.path.ismount(place) or any(os.path.ismount(path) for path in Path(place).rglob("*"))
    # The fifth field is the place, with spaces and the like as octal numbers.
    mounts = (re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), line.split(" ")[4]) for line in lines)
    return any(mount == place or mount.startswith(f"{place.rstrip('/')}/") for mount in mounts)


def replace_folder(new: Path, path: Path) -> Path | None:
    """Rename a folder to ``path``; returns the new place of the folder that had this name before, if there was one.

    Raises:
        OSError: the system refused; the old folder keeps its name.
    """
    if not path.exists():
        new.replace(path)
        return None
    if _exchange(new, path):
        return new
    aside = _hidden_name(path, "old", path.name, "")
    path.replace(aside)
    try:
        new.replace(path)
    except OSError:
        aside.replace(path)
        raise
    return aside


def free_name(path: Path, word: str) -> Path:
    """An unused name beside ``path`` with a word in it: `tracks.before.csv`, then `tracks.before-2.csv`."""
    for number in range(1, 1_000_000):
        other = path.with_name(f"{path.stem}.{word}{f'-{number}' if number > 1 else ''}{path.suffix}")
        if not os.path.lexists(other):
            return other
    raise FileExistsError(path)


def is_set_aside(name: str) -> bool:
    """Whether a name is that of something that was kept when it was replaced, see :func:`free_name`."""
    return re.search(r".\.before(-\d+)?(\.|$)", name) is not None


def _hidden_name(path: Path, kind: str, stem: str, suffix: str) -> Path:
    tail = f".{process_mark()}.{secrets.token_hex(4)}.{kind}{suffix}"
    room = _LONGEST_NAME - len(os.fsencode(tail)) - 1
    if kind == "part":  # a folder set aside needs its whole name to be put back
        stem = os.fsdecode(os.fsencode(stem)[:room])
    return path.parent / f".{stem}{tail}"


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; returns False where the system or file system cannot (Linux local disks can)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):  # an old C library
        return False
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of <fcntl.h> and <linux/fs.h>
    return bool(rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)
