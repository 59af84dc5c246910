"""Writing files so that a crash leaves the old content or the new, never a part; and naming content by hash."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import math
import numbers
import os
import secrets
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from somanet.errors import SomaNetError, first_line

# How libraries that write by themselves (safetensors, torch) word what the system told them
_FAILED_WRITES = ("No space left", "StorageFull", "File too large", "FileTooLarge", "write failed", "unexpected pos")


def _explain(error: OSError, path: Path) -> SomaNetError:
    """Turn an operating-system error into a line that says what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SomaNetError(
            f"Cannot write {path}: the disk is full. Nothing was changed; free some space and run again."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return SomaNetError(
            f"Cannot write {path}: permission denied or read-only folder. Choose another place, or make it writable."
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return SomaNetError(f"Cannot write {path}: a file is in the way of a folder, or a folder of a file.")
    return SomaNetError(f"Cannot write {path}: {error.strerror or error}.")


def make_folder(path: Path) -> Path:
    """Create a folder and its parents; a refusal is a :class:`SomaNetError`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _explain(error, path) from error
    return path


def make_readable(path: Path) -> None:
    """Give a file the mode that any new file gets; safetensors hides those that it writes from colleagues (600)."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it replaces ``path``, on failure it is removed.

    The temporary name keeps the suffix, for writers that choose a format by it. Works for files and folders
    (a folder replaces an existing one).

    Raises:
        SomaNetError: the disk is full, the folder is not writable, or a name is in the way.
    """
    path = Path(path)
    make_folder(path.parent)
    temporary = path.parent / f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}"
    try:
        yield temporary
        if temporary.is_dir():
            _replace_folder(temporary, path)
        else:
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
    except OSError as error:
        raise _explain(error, path) from error
    except Exception as error:
        if not isinstance(error, SomaNetError) and any(words in str(error) for words in _FAILED_WRITES):
            raise SomaNetError(
                f"Cannot write {path}: the disk is full or the file is larger than allowed. Nothing was changed; free "
                "some space and run again."
            ) from error
        raise
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        elif temporary.exists():
            # A failed writer may still have it open: until that is closed, deleting alone would free no space.
            with suppress(OSError):
                os.truncate(temporary, 0)
            temporary.unlink(missing_ok=True)


def remove_leftovers(path: Path | str) -> None:
    """Remove what killed writers of ``path`` left beside it. Only where no other process can be writing it."""
    path = Path(path)
    code = "[0-9a-f]" * 8
    for name in (f".{escape(path.stem)}.{code}.part{escape(path.suffix)}", f".{escape(path.name)}.{code}.old"):
        for leftover in path.parent.glob(name):
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


def _replace_folder(new: Path, path: Path) -> None:
    """Put a folder in another's place; at no moment is there none, where the system can exchange two names."""
    if not path.exists():
        new.replace(path)
        return
    if _exchange(new, path):
        return  # the caller removes what now lies under the temporary name: the old folder
    aside = path.parent / f".{path.name}.{secrets.token_hex(4)}.old"
    path.replace(aside)
    try:
        new.replace(path)
    except OSError:
        aside.replace(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; whether the system and the file system can (Linux, on local disks)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):  # an old C library
        return False
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of <fcntl.h> and <linux/fs.h>
    return bool(rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically, with Unix line ends on every system."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON atomically, keys in the given order. NaN and infinity become ``null``, which JSON lacks."""
    write_text(path, json.dumps(_plain(value), indent=2) + "\n")


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


def sha256_file(path: Path | str) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_tree(path: Path | str) -> str:
    """SHA-256 of a file, or of a folder's relative names and contents in name order (hidden files left out)."""
    path = Path(path)
    if path.is_file():
        return sha256_file(path)
    digest = hashlib.sha256()
    files = [p for p in path.rglob("*") if p.is_file() and not _hidden(p.relative_to(path))]
    for file in sorted(files, key=lambda p: p.relative_to(path).as_posix()):
        digest.update(file.relative_to(path).as_posix().encode() + b"\0" + sha256_file(file).encode() + b"\n")
    return digest.hexdigest()


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


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
