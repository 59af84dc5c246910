"""Write files so that a crash leaves either the old content or the new, never part of it; read small JSON files."""

from __future__ import annotations

import json
import math
import numbers
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from somanet.core import guard
from somanet.core.documents import parse_json
from somanet.core.errors import SomaNetError, explain
from somanet.core.file_state import is_kind
from somanet.core.foreign import file_bytes
from somanet.core.hashing import is_hidden
from somanet.core.limits import JSON_BYTES
from somanet.core.problems import FileProblem
from somanet.core.swapping import free_name, remove, remove_leftovers, replace_folder, temporary_path

# How libraries that do their own writing (safetensors, torch) word the system's errors
_FAILED_WRITES = ("No space left", "StorageFull", "File too large", "FileTooLarge", "write failed", "unexpected pos")


def make_folder(path: Path) -> Path:
    """Create a folder and its parents; a system error becomes a :class:`SomaNetError`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain(error, path) from error
    return path


def make_readable(path: Path) -> None:
    """Give a file the mode of any new file; safetensors writes files that colleagues cannot read (600)."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


@contextmanager
def atomic_path(path: Path | str, *, updates: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it replaces ``path``, on failure it is removed.

    The temporary name keeps the suffix, for writers that choose the format by it. Works for files and folders
    (a folder replaces an existing one).

    Args:
        path: what to write.
        updates: the command reads ``path`` and changes it on purpose, such as adding a variant to a parameter file.

    Raises:
        SomaNetError: the running command reads ``path``, SomaNet did not write it (:mod:`somanet.core.guard`), the
            disk is full, the folder is not writable, or a file is in the way of a folder.
    """
    with atomic_paths(path, updates=updates) as (temporary,):
        yield temporary


@contextmanager
def atomic_paths(*paths: Path | str, updates: bool = False) -> Iterator[tuple[Path, ...]]:
    """As :func:`atomic_path` for files that belong together: the first is replaced once the last is written.

    All are checked before the block begins, and complete on the disk before the first is renamed. A refusal, or a
    failure in the block, leaves all of them as they were.
    """
    places = tuple(map(_behind_a_link, map(Path, paths)))
    if not updates:
        check_outputs(*places)
    for place in places:
        make_folder(place.parent)
        remove_leftovers(place.parent)
    parts = {temporary_path(place): place for place in places}
    try:
        yield tuple(parts)
        for temporary, place in parts.items():
            if not temporary.is_dir():
                # Windows flushes only what it may write.
                with temporary.open("rb" if os.name == "posix" else "rb+") as handle:
                    os.fsync(handle.fileno())
            guard.note_writing(temporary, place, updates=updates)
        for temporary, place in parts.items():
            if temporary.is_dir():
                _replace_folder(temporary, place)
            else:
                _keep_unknown(place)
                temporary.replace(place)
    except OSError as error:
        raise explain(error, _place_of(error, parts)) from error
    except SomaNetError as error:  # of a temporary file: the user knows the place by its own name
        words = str(error)
        for temporary, place in parts.items():
            words = words.replace(str(temporary), str(place))
        error.args = (words, *error.args[1:])
        raise
    except Exception as error:
        if any(words in str(error) for words in _FAILED_WRITES):
            raise SomaNetError(
                f"Cannot write {_place_of(error, parts)}: the disk is full or the file is larger than allowed. Nothing "
                "was changed; free some space and run again."
            ) from error
        raise
    finally:
        for temporary in parts:
            if temporary.is_dir():
                remove(temporary)
            elif temporary.exists():
                # A failed writer may still hold it open, and until it is closed deleting alone frees no space.
                with suppress(OSError):
                    os.truncate(temporary, 0)
                temporary.unlink(missing_ok=True)


def _behind_a_link(path: Path) -> Path:
    """The folder that a link leads to: the link stays."""
    return Path(os.path.realpath(path)) if is_kind(stat.S_ISDIR, path) and path.is_symlink() else path


def _place_of(error: Exception, parts: Mapping[Path, Path]) -> Path:
    """The output that an error is about, as far as it tells: the first that is not yet written, or else the first."""
    named = getattr(error, "filename", None)
    by_name = (place for part, place in parts.items() if named in (str(part), str(place)))
    unwritten = (place for part, place in parts.items() if not part.exists())
    return next(by_name, next(unwritten, next(iter(parts.values()))))


def check_outputs(*paths: Path | None) -> None:
    """Refuse all outputs of a command where one is to be refused, before the work and before the first is written.

    Args:
        paths: the files and folders that will be written; None, for one that is not wanted, is ignored.

    Raises:
        SomaNetError: as :func:`somanet.core.guard.check_write`; or one place is named for two outputs.
    """
    seen: set[str] = set()
    for path in paths:
        if path is None:
            continue
        guard.check_write(path)
        if (place := os.path.realpath(path)) in seen:
            raise SomaNetError(f"{path} is named for two outputs, of which one would be lost. Name another for one.")
        seen.add(place)


def check_replaced(path: Path, ours: Callable[[Path], bool], *, what: str) -> None:
    """Refuse to replace a folder that holds more than an older output of the same kind; hidden files do not count.

    A guarded command is held first to what it wrote, see :func:`somanet.core.guard.check_write`; with --replace, what
    is there is kept under another name.

    Args:
        path: the output.
        ours: whether an entry of the folder is part of such an output.
        what: the kind of output, for the message: `an OpenVINO network`.

    Raises:
        SomaNetError: naming what is in the way.
    """
    guard.check_write(path)
    if guard.replacing() or not path.is_dir():
        return
    others = [child.name for child in sorted(path.iterdir()) if not (is_hidden(Path(child.name)) or ours(child))]
    if others:
        raise SomaNetError(
            f"{path} contains files other than {what} ({', '.join(others[:3])}), which would be replaced. Choose a new "
            "or empty folder; or give a command --replace to allow it."
        )


def remove_output(path: Path) -> None:
    """Remove a file of an earlier run that this one lacks; what --replace lets go is kept under another name."""
    _keep_unknown(path)
    if os.path.lexists(path):
        path.unlink()
        guard.drop(path)


def _keep_unknown(path: Path) -> None:
    """Keep under another name what is not to be lost: what SomaNet did not write, or the command says so."""
    if guard.stays(path):
        path.rename(guard.keep(free_name(path, "before")))


def _replace_folder(new: Path, path: Path) -> None:
    """Put a folder in another's place, and note what of the other one has no successor."""
    _keep_unknown(path)
    written = _names_in(new)
    old = replace_folder(new, path)
    if old is not None:
        for name in sorted(_names_in(old) - written):
            guard.drop(path / name)
        remove(old)


def _names_in(folder: Path) -> set[str]:
    """The files and folders in a folder, but for hidden ones; what lies in those inside is a matter of their format."""
    return {path.name for path in folder.iterdir() if not is_hidden(Path(path.name))}


def write_text(path: Path | str, text: str, *, updates: bool = False) -> None:
    """Write UTF-8 text atomically, with Unix line endings on every system; ``updates`` as for :func:`atomic_path`."""
    with atomic_path(path, updates=updates) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, value: Any, *, updates: bool = False) -> None:
    """Write JSON atomically, keys in the given order. NaN and infinity, which JSON lacks, become ``null``."""
    write_text(path, json.dumps(plain(value), indent=2) + "\n", updates=updates)


def plain(value: Any) -> Any:
    """A value as JSON knows it: own numbers for NumPy's, lists for tuples, None for NaN and infinity."""
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def read_json(path: Path | str, *, expected: str, keys: Collection[str] = ()) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        path: the file.
        expected: what it should be, for messages: `the scores that somanet evaluate wrote`.
        keys: keys that the object must have.

    Raises:
        SomaNetError: the file is missing, far too large, not a JSON object in UTF-8, nested too deeply, or lacks a key.
    """
    path = Path(path)
    try:
        data = file_bytes(path, expected, JSON_BYTES)
    except FileProblem as problem:
        if problem.kind != "missing":
            raise
        raise FileProblem(
            f"{path} not found; expected {expected}. Has the stage that writes it run? `dvc repro` runs the pipeline.",
            "missing",
        ) from problem
    content = parse_json(data, path, expected)
    if not isinstance(content, dict):
        raise SomaNetError(f"{path} holds a {type(content).__name__}; expected {expected}. Is it another file?")
    if lacking := [key for key in keys if key not in content]:
        raise SomaNetError(
            f"{path} lacks {', '.join(lacking)}; expected {expected}. Was it edited, or written by another version?"
        )
    return content


def json_object(path: Path | str) -> dict[str, Any]:
    """The JSON object in a file; empty if there is none, for files that need not hold one."""
    try:
        return read_json(path, expected="a JSON object")
    except SomaNetError:
        return {}
