"""Whether an output can be written or replaced, found out before the work rather than after it."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from somanet.core.errors import SomaNetError, explain
from somanet.core.file_state import is_kind, is_stored, stat_of
from somanet.core.swapping import holds_mounts


def check_writable(path: Path) -> None:
    """Refuse an output that cannot be written, before the work rather than after it.

    Args:
        path: a file, which may be replaced, or a folder, into which files are written.

    Raises:
        SomaNetError: its folder is locked or read-only, the disk is full, or a file is in the way of a folder.
    """
    place = path.absolute()
    if os.path.lexists(place) and not is_kind(stat.S_ISDIR, place):
        check_replaceable(path)
        return
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not is_kind(stat.S_ISDIR, place):
        raise SomaNetError(
            f"Cannot write {path}: a file is in the way of a folder: {place}. Choose another place, or rename it."
        )
    _check_takes_files(place, path)


def check_replaceable(path: Path) -> None:
    """Refuse a file or a folder whose place nothing else can take, before the work rather than after it.

    Raises:
        SomaNetError: as for :func:`check_writable`; it is locked itself, a disk is mounted there, or it is a device, a
            pipe or a socket, which other programs use.
    """
    place = path.absolute()
    state = stat_of(place)
    if state is None and not os.path.lexists(place):
        check_writable(path)
        return
    check_stored(path)
    _check_takes_files(place.parent, path)
    if state is None:  # a link that leads nowhere
        return
    me = os.getuid() if hasattr(os, "getuid") else 0
    others = place.parent.stat()
    sticky = others.st_mode & stat.S_ISVTX and me not in (0, state.st_uid, others.st_uid)
    # Whoever may set a file's mode may replace it; refused against its mode, it is locked (chattr +i) or read-only.
    locked = me in (0, state.st_uid) and state.st_mode & stat.S_IWUSR and not os.access(place, os.W_OK)
    if sticky or locked:
        raise explain(PermissionError(errno.EACCES, ""), path)
    if holds_mounts(place):
        inside = "a folder inside it that does not exist yet" if stat.S_ISDIR(state.st_mode) else "another place"
        raise SomaNetError(
            f"Cannot write {path}: a disk is mounted on it or in it, so that it cannot be replaced as a whole. Name "
            f"{inside}, or unmount it."
        )


def check_stored(path: Path) -> None:
    """Refuse a device, a pipe or a socket as an output: other programs use it, so that it is never replaced.

    Raises:
        SomaNetError: naming it.
    """
    state = stat_of(path)
    if state is not None and not is_stored(state.st_mode):
        raise SomaNetError(
            f"Cannot write {path}: it is a device, a pipe or a socket, which is never replaced; expected a file, a "
            "folder, or a new name. Choose another place for the output."
        )


def _check_takes_files(folder: Path, path: Path) -> None:
    """Refuse if no file can be created in a folder; tried with one that has no name, since rules differ by system."""
    if not os.access(folder, os.W_OK):
        raise explain(PermissionError(errno.EACCES, ""), path)
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise explain(error, path) from error
