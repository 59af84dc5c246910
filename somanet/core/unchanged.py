"""Input that changes while it is read: results of it would be of no version that there ever was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from somanet.core.errors import SomaNetError

State = tuple[int, int, int]
_OF_STORES = ("zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata")
"""Metadata of zarr stores, of both versions; one of the first three is in every store."""


@contextmanager
def unchanged(*inputs: Path | None) -> Iterator[None]:
    """Refuse, at the end of a block, files that are no longer as they were at its beginning, by inode, size and time.

    In folders those count that were there at the beginning, and of a zarr store, which is one thing, also those that
    were added: a chunk without a file reads as zeros, or as the end of a movie. None is ignored.

    Raises:
        SomaNetError: naming the file. Results that the block was to leave are not kept, if it lies within
            :func:`somanet.core.results.result_folder`.
    """
    before = {path: dict(_states(path)) for path in inputs if path is not None}
    yield
    for path, states in before.items():
        for file, state in states.items():
            if _state(file) != state:
                raise _changed(f"{file} was changed")
        if _is_store(path):
            added = (file for file, _ in _states(path) if file not in states)
            if new := next((file for file in added if not _is_aside(file.relative_to(path))), None):
                raise _changed(f"{new} was added to {path}")


def _changed(what: str) -> SomaNetError:
    return SomaNetError(
        f"{what} while it was read, so that results would be of no version of it. Is it still being written, copied or "
        "synchronised? Wait until it is complete, then run again."
    )


def _is_store(path: Path) -> bool:
    return any((path / name).is_file() for name in _OF_STORES)


def _is_aside(inside: Path) -> bool:
    """Whether a file in a store is none of it: a hidden one that is no metadata, such as what file managers leave."""
    return any(part[0] == "." and part not in _OF_STORES for part in inside.parts)


def _states(path: Path) -> Iterator[tuple[Path, State]]:
    if not path.is_dir():
        files = [path]
    else:
        files = [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
    for file in files:
        if (state := _state(file)) is not None:
            yield file, state


def _state(file: Path) -> State | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
