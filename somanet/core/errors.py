"""The one exception that users see, and how other errors are condensed into its one line."""

from __future__ import annotations

import errno
from pathlib import Path

from somanet.core.mending import SPACE


class SomaNetError(Exception):
    """Something the user can fix, in one line.

    The message says what was expected, what was found, the likely cause and the next step. The command line
    prints it without a traceback and exits with status 1.
    """


class CannotWrite(SomaNetError):
    """An output that the system does not let be written."""


class WrongType(SomaNetError, TypeError):
    """An argument of another kind than is expected."""


class WrongValue(SomaNetError, ValueError):
    """An argument that has no sensible value."""


_LONGEST = 300


def first_line(error: BaseException) -> str:
    """The first line of an error as a sentence, for a one-line message; its type if it has no text."""
    # SQLAlchemy may put a note about its own internals before the error itself.
    lines = [line for line in str(error).strip().splitlines() if not line.startswith("(raised as a result of")]
    line = (lines or [type(error).__name__])[0][:_LONGEST]
    return line if line.endswith(".") else line + "."


def explain(error: OSError, path: Path) -> CannotWrite:
    """Turn an operating-system error into a one-line message with the next step."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CannotWrite(
            f"Cannot write {path}: the disk is full. Nothing was changed; free some space and run again. {SPACE}."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return CannotWrite(
            f"Cannot write {path}: permission denied or read-only folder. Choose another place, or make it writable."
        )
    if error.errno == errno.ENAMETOOLONG:
        return CannotWrite(
            f"Cannot write {path}: the name is longer than the file system allows. Choose a shorter one."
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return CannotWrite(
            f"Cannot write {path}: a file is in the way of a folder, or a folder in the way of a file. Choose another "
            "place, or rename it."
        )
    if error.errno == errno.EFBIG:
        return CannotWrite(
            f"Cannot write {path}: the file is larger than the file system or a limit of this shell (`ulimit -f`) "
            "allows. Raise the limit, or choose another place."
        )
    return CannotWrite(
        f"Cannot write {path}: {error.strerror or error}. Check that its disk is there and works, or choose another "
        "place."
    )
