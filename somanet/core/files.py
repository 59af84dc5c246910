"""Writing files so that a crash leaves the old content or the new, never a part; and naming content by hash."""

from __future__ import annotations

import errno
import json
import math
import numbers
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from somanet.core import guard
from somanet.core.errors import SomaNetError, first_line
from somanet.core.swapping import free_name, remove, remove_leftovers, replace_folder, temporary_path

# How libraries that write by themselves (safetensors, torch) word what the system told them
_FAILED_WRITES = ("No space left", "StorageFull", "File too large", "FileTooLarge", "write failed", "unexpected pos")


def explain(error: OSError, path: Path) -> SomaNetError:
    """Turn an operating-system error into a line that says what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SomaNetError(
            f"Cannot write {path}: the disk is full. Nothing was changed; free some space and run again."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return SomaNetError(
            f"Cannot write {path}: permission denied or read-only folder. Choose another place, or make it writable."
        )
    if error.errno == errno.ENAMETOOLONG:
        return SomaNetError(
            f"Cannot write {path}: the name is longer than the file system allows. Choose a shorter one."
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return SomaNetError(f"Cannot write {path}: a file is in the way of a folder, or a folder of a file.")
    return SomaNetError(f"Cannot write {path}: {error.strerror or error}.")


def make_folder(path: Path) -> Path:
    """Create a folder and its parents; a refusal is a :class:`SomaNetError`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain(error, path) from error
    return path


def make_readable(path: Path) -> None:
    """Give a file the mode that any new file gets; safetensors hides those that it writes from colleagues (600)."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


@contextmanager
def atomic_path(path: Path | str, *, updates: bool = False) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it replaces ``path``, on failure it is removed.

    The temporary name keeps the suffix, for writers that choose a format by it. Works for files and folders
    (a folder replaces an existing one).

    Args:
        path: what to write.
        updates: ``path`` is changed on purpose, by a command that reads it: a variant is added to a parameter file.

    Raises:
        SomaNetError: ``path`` is read by the command at work or was not written by SomaNet
            (:mod:`somanet.core.guard`), the disk is full, the folder is not writable, or a name is in the way.
    """
    path = Path(path)
    if not updates:
        guard.check_write(path)
    make_folder(path.parent)
    remove_leftovers(path.parent)
    temporary = temporary_path(path)
    try:
        yield temporary
        if temporary.is_dir():
            guard.note_writing(temporary, path)
            _replace_folder(temporary, path)
        else:
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            guard.note_writing(temporary, path)
            _keep_unknown(path)
            temporary.replace(path)
    except OSError as error:
        raise explain(error, path) from error
    except Exception as error:
        if not isinstance(error, SomaNetError) and any(words in str(error) for words in _FAILED_WRITES):
            raise SomaNetError(
                f"Cannot write {path}: the disk is full or the file is larger than allowed. Nothing was changed; free "
                "some space and run again."
            ) from error
        raise
    finally:
        if temporary.is_dir():
            remove(temporary)
        elif temporary.exists():
            # A failed writer may still have it open: until that is closed, deleting alone would free no space.
            with suppress(OSError):
                os.truncate(temporary, 0)
            temporary.unlink(missing_ok=True)


def _keep_unknown(path: Path) -> None:
    """Keep under another name what --replace allows to be replaced and SomaNet did not write."""
    if guard.is_foreign(path):
        path.rename(guard.keep(free_name(path, "before")))


def _replace_folder(new: Path, path: Path) -> None:
    """Put a folder in another's place."""
    _keep_unknown(path)
    old = replace_folder(new, path)
    if old is not None:
        remove(old)


def write_text(path: Path | str, text: str, *, updates: bool = False) -> None:
    """Write UTF-8 text atomically, with Unix line ends on every system; ``updates`` as for :func:`atomic_path`."""
    with atomic_path(path, updates=updates) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, value: Any, *, updates: bool = False) -> None:
    """Write JSON atomically, keys in the given order. NaN and infinity become ``null``, which JSON lacks."""
    write_text(path, json.dumps(_plain(value), indent=2) + "\n", updates=updates)


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


_LARGEST_JSON_BYTES = 256 << 20
"""What SomaNet writes has kilobytes: anything larger than this is another file, and would fill the memory."""


def read_json(path: Path | str, *, expected: str, keys: Collection[str] = ()) -> dict[str, Any]:
    """The JSON object that a file holds.

    Args:
        path: the file.
        expected: what it should be, for messages: `the scores that somanet evaluate wrote`.
        keys: what the object must have.

    Raises:
        SomaNetError: the file is missing, far too large, no JSON object in UTF-8, nested too deeply, or lacks a key.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if not path.is_dir() and not path.is_file():
            raise SomaNetError(f"{path} is a device or a pipe; expected {expected}. Name a file.")
        if size > _LARGEST_JSON_BYTES:
            raise SomaNetError(
                f"{path} has {size / 1e6:.0f} MB; expected {expected}, a small file. Is it another one? Check the path."
            )
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SomaNetError(
            f"{path} not found; expected {expected}. Has the stage that writes it run? `dvc repro` runs a pipeline's."
        ) from error
    except OSError as error:
        raise SomaNetError(
            f"{path} cannot be read ({error.strerror or error}); expected {expected}. Check the path and permissions."
        ) from error
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON; brackets in brackets
        why = "nested too deeply" if isinstance(error, RecursionError) else first_line(error).removesuffix(".")
        raise SomaNetError(
            f"{path} is not JSON ({why}); expected {expected}. Was it edited or cut short? Write it again: `dvc repro` "
            "rebuilds what a pipeline made."
        ) from error
    if not isinstance(content, dict):
        raise SomaNetError(f"{path} holds a {type(content).__name__}; expected {expected}. Is it another file?")
    if lacking := [key for key in keys if key not in content]:
        raise SomaNetError(
            f"{path} lacks {', '.join(lacking)}; expected {expected}. Was it edited, or written by another version?"
        )
    return content


def json_object(path: Path | str) -> dict[str, Any]:
    """The JSON object that a file holds; empty for a file that holds none, of which nothing is expected."""
    try:
        return read_json(path, expected="a JSON object")
    except SomaNetError:
        return {}
