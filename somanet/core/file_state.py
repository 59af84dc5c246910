"""What there is at a path, as the file system tells it; nothing here fails for a path that is impossible."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path


def user_number() -> int:
    """The user's number; 0 where there are none."""
    return os.getuid() if hasattr(os, "getuid") else 0


def real_path(path: Path) -> Path:
    """The path without links and `..`, whether or not it exists."""
    return Path(os.path.realpath(path))


def number_of(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file or folder; None if there is none."""
    state = stat_of(path)
    return None if state is None else (state.st_dev, state.st_ino)


def is_kind(kind: Callable[[int], bool], path: Path) -> bool:
    """Whether something is there whose mode is of a kind, such as ``stat.S_ISDIR``."""
    state = stat_of(path)
    return state is not None and kind(state.st_mode)


def is_stored(mode: int) -> bool:
    """Whether a mode is that of a file or a folder, rather than of a device, a pipe or a socket."""
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def stat_of(path: Path) -> os.stat_result | None:
    """None also for an impossible path, such as one with too long a name: its writer explains the problem."""
    try:
        return path.stat()
    except (OSError, ValueError):
        return None
