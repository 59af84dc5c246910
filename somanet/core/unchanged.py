"""Input that changes while it is read: results of it would be of no version that there ever was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from somanet.core.errors import SomaNetError

State = tuple[int, int, int]


@contextmanager
def unchanged(*inputs: Path | None) -> Iterator[None]:
    """Refuse, at the end of a block, files that are no longer as they were at its beginning, by inode, size and time.

    In folders those count that were there at the beginning; None is ignored.

    Raises:
        SomaNetError: naming the file. Results that the block was to leave are not kept, if it lies within
            :func:`somanet.core.results.result_folder`.
    """
    before = {file: state for path in inputs if path is not None for file, state in _states(path)}
    yield
    for file, state in before.items():
        if _state(file) != state:
            raise SomaNetError(
                f"{file} was changed while it was read, so that results would be of no version of it. Is it still "
                "being written, copied or synchronised? Wait until it is complete, then run again."
            )


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
