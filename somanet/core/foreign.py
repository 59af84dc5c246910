"""The boundary for foreign input: what any parser raises becomes one line that names the file.

Whoever opens a file that SomaNet may not have written does it through :func:`file_bytes` or :func:`check_file`, within
:func:`parsing`. Nothing is caught further inside, except to name a defect more precisely.
"""

from __future__ import annotations

import logging
import os
import stat
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from somanet.core.errors import SomaNetError, first_line
from somanet.core.file_state import is_stored
from somanet.core.limits import Limit
from somanet.core.problems import FileProblem

_LONGEST_NAME = 255
"""Bytes that common file systems allow in one name."""
_MOST_FOLDERS, _LONGEST_PATH = 256, 3500
"""Of a whole path; Linux takes 4096 bytes, of which the hidden names of unfinished files need some."""
_CHATTY = ("imagecodecs", "tifffile", "zarr", "geff", "PIL", "libav", "roifile")


@contextmanager
def parsing(source: Path | str, expected: str, *, remedy: str = "Is it damaged, or another file?") -> Iterator[None]:
    """Turn whatever the parser of a foreign file raises into one line that names the file.

    Args:
        source: the file, or the file and its place within another.
        expected: what it should be, for the message: `a movie`.
        remedy: the likely cause and the next step.

    Raises:
        FileProblem: instead of any exception but a :class:`SomaNetError`, which passes as it is.
    """
    try:
        yield
    except SomaNetError:
        raise
    except MemoryError as error:
        raise FileProblem(
            f"{source}: the memory does not suffice to read it as {expected}. {remedy} If it is sound, close other "
            "programs or use a larger computer.",
            "too large",
        ) from error
    except RecursionError as error:
        raise FileProblem(f"{source}: expected {expected}, found one nested too deeply. {remedy}") from error
    except OSError as error:
        if error.errno is None:  # a library's own error, such as PyAV's
            raise FileProblem(
                f"{source}: expected {expected}, but it cannot be read ({_reason(error)}). {remedy}"
            ) from error
        raise unreadable(source, error, expected) from error
    except Exception as error:  # every parser has its own exceptions, and damaged bytes reach most of them
        raise FileProblem(
            f"{source}: expected {expected}, but it cannot be read ({_reason(error)}). {remedy}"
        ) from error


def _reason(error: BaseException) -> str:
    words = first_line(error).removesuffix(".")
    return f"{words} is missing" if isinstance(error, KeyError) else words


def unreadable(source: Path | str, error: OSError, expected: str) -> FileProblem:
    """A system error at reading, as one line."""
    if isinstance(error, FileNotFoundError):
        return FileProblem(f"{source}: no such file; expected {expected}. Check the path.", "missing")
    if isinstance(error, IsADirectoryError):
        return FileProblem(f"{source}: expected {expected}, found a folder. Name the file.", "not an image")
    why = error.strerror or first_line(error).removesuffix(".")
    return FileProblem(f"{source} cannot be read ({why}); expected {expected}. Check the path and permissions.")


def check_name(path: Path | str) -> None:
    """Refuse a path that cannot be opened or written down anywhere: too long a name, or one that is not UTF-8.

    Raises:
        FileProblem: naming the path.
    """
    text = os.fspath(path)
    try:
        parts = [part.encode("utf-8") for part in Path(text).parts]
    except UnicodeEncodeError as error:
        raise FileProblem(
            f"{text!a}: the name is not UTF-8, so that no table or record could hold it. Rename the file."
        ) from error
    if "\0" in text:
        raise FileProblem(f"{text!a}: the name contains a NUL byte. Rename the file.", "missing")
    if len(parts) > _MOST_FOLDERS or sum(map(len, parts)) > _LONGEST_PATH:
        raise FileProblem(
            f"{text[:80]}…: expected up to {_MOST_FOLDERS} folders in each other and {_LONGEST_PATH} bytes, found "
            f"{len(parts)} and {sum(map(len, parts))}. Choose a shorter path.",
            "missing",
        )
    if any(len(part) > _LONGEST_NAME for part in parts):
        raise FileProblem(
            f"{text[:80]}…: no such file: a name of over {_LONGEST_NAME} bytes is longer than file systems allow. "
            "Check the path.",
            "missing",
        )


def check_kind(path: Path | str, expected: str = "a file or folder") -> None:
    """Refuse a pipe, a socket, a device or a pseudo file, on which reading may wait for ever; what is missing passes.

    A pseudo file, such as those in /proc, looks like an empty file, on a file system without any space.

    Raises:
        FileProblem: naming the path.
    """
    check_name(path)
    try:
        state = Path(path).stat()
        mode = state.st_mode
        pseudo = stat.S_ISREG(mode) and state.st_size == 0 and _has_no_space(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(path, error, expected) from error
    if pseudo:
        raise FileProblem(
            f"{path} is empty, or made up by the system as it is read (/proc); expected {expected}. Name a file on a "
            "disk."
        )
    if not is_stored(mode):
        raise FileProblem(f"{path} is a device or a pipe; expected {expected}. Name a file.")


def _has_no_space(path: Path | str) -> bool:
    return hasattr(os, "statvfs") and os.statvfs(path).f_blocks == 0


def check_home(path: Path) -> None:
    """Refuse a `~` at the beginning of a path, which the shell has left as it is, as in `--output=~/results`.

    Raises:
        FileProblem: naming what to write instead. A file or folder of that name passes, and so does `./~`.
    """
    first = path.parts[0] if path.parts else ""
    if not first.startswith("~") or os.path.lexists(first) or str(path) == os.path.expanduser(path):  # noqa: PTH111
        return
    raise FileProblem(
        f"{path}: the shell has not replaced the ~, so that it would be a folder's name. Write {path.expanduser()}; or "
        f"./{path} for that name.",
        "missing",
    )


def check_paths(*, inputs: Iterable[Path], outputs: Iterable[Path]) -> None:
    """Refuse paths that a user named and that cannot be meant: see :func:`check_home`, :func:`check_kind`.

    Args:
        inputs: what is read; what is missing passes, its reader says so.
        outputs: what is written.

    Raises:
        FileProblem: naming the first one.
    """
    read, written = list(inputs), list(outputs)
    for path in (*read, *written):
        check_home(path)
    for path in read:
        check_kind(path)
    for path in written:
        check_name(path)


def check_file(path: Path | str, expected: str, *, limit: Limit | None = None) -> int:
    """Refuse what is not a regular file, or a file that is too large; returns its size in bytes.

    Args:
        path: the file.
        expected: what it should be, for messages.
        limit: the largest size.

    Raises:
        FileProblem: missing, a folder, a pipe or device, too large, or an impossible name.
    """
    check_kind(path, expected)
    try:
        state = Path(path).stat()
    except OSError as error:
        raise unreadable(path, error, expected) from error
    if stat.S_ISDIR(state.st_mode):
        raise unreadable(path, IsADirectoryError(), expected)
    if limit is not None:
        limit.check(state.st_size, path, declared=f"expected {expected}; it")
    return state.st_size


def file_bytes(path: Path | str, expected: str, limit: Limit) -> bytes:
    """The bytes of a regular file.

    Raises:
        FileProblem: as for :func:`check_file`, or it cannot be read.
    """
    check_file(path, expected, limit=limit)
    with parsing(path, expected):
        return Path(path).read_bytes()


def file_text(path: Path | str, expected: str, limit: Limit) -> str:
    """The text of a regular file in UTF-8, with or without a byte-order mark, line ends as stored.

    Raises:
        FileProblem: as for :func:`file_bytes`, or it is not UTF-8.
    """
    data = file_bytes(path, expected, limit)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileProblem(
            f"{path}: expected {expected} in UTF-8, found other bytes ({_reason(error)}). Save it as UTF-8."
        ) from error


def quiet_libraries() -> None:
    """Keep the notes and warnings of libraries off the screen: what matters to users is an error or a `note:`."""
    warnings.filterwarnings("ignore", append=True)  # after `-W error` and the like, which still count
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
