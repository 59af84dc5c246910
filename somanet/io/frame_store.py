"""Frames kept in a temporary file once they are decoded or computed, for the steps that need them again.

Reading a kept frame costs a copy; decoding one costs several times that and, from a video, much more. Memory does not
grow with the movie: the system keeps of the file in memory what it has room for.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from somanet.core.errors import explain
from somanet.io.movie_base import Movie

MOST_BYTES, MOST_OF_FREE = 4 << 30, 0.25
"""Of a movie's frames, as many are kept as fit in this and in this share of the disk's free space, as results need room
too; the rest is decoded each time that it is needed."""


class FrameFile(Sequence[Any]):
    """Frames of one shape and type in a file without a name, which disappears when it is closed or the process ends."""

    def __init__(self, folder: Path, *, compressed: bool) -> None:
        """Make the file.

        Args:
            folder: where it lies.
            compressed: for label images, of which less than 2 % remain; a camera's frames hardly shrink.
        """
        self.folder = folder
        self._file: Any = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  (until `close`)
        self._codec = _zstd() if compressed else None
        self._places: dict[int, tuple[int, int]] = {}
        self._shape: tuple[int, ...] = ()
        self._dtype = np.dtype(np.uint8)
        self.n_bytes = 0

    def __len__(self) -> int:
        """Number of frames kept."""
        return len(self._places)

    def has(self, t: int) -> bool:
        """Whether frame ``t`` is kept."""
        return t in self._places

    def keep(self, t: int, frame_YX: np.ndarray) -> None:
        """Keep a frame.

        Raises:
            OSError: the disk is full.
            ValueError: another shape or type than that of the first frame.
        """
        data = np.ascontiguousarray(frame_YX)
        if not self._places:
            self._shape, self._dtype = data.shape, data.dtype
        if (data.shape, data.dtype) != (self._shape, self._dtype):
            raise ValueError(f"expected frames of {self._shape} {self._dtype}, found {data.shape} {data.dtype}")
        content = data.data.cast("B") if self._codec is None else self._codec.encode(data)
        self._file.seek(self.n_bytes)
        if self._file.write(content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._places[t] = (self.n_bytes, len(content))
        self.n_bytes += len(content)

    def __getitem__(self, t):  # type: ignore[no-untyped-def]
        """A copy of frame ``t``."""
        if t not in self._places:
            raise IndexError(f"frame {t} is not kept")
        start, size = self._places[t]
        frame = np.empty(self._shape, self._dtype)
        self._file.seek(start)
        if self._codec is None:
            self._file.readinto(frame.data.cast("B"))
        else:
            self._codec.decode(self._file.read(size), out=frame)
        return frame

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def kept(frames: Iterable[np.ndarray], file: FrameFile) -> FrameFile:
    """Write all frames to the file, one in memory at a time, and return it.

    Raises:
        SomaNetError: the file cannot be written.
    """
    for t, frame in enumerate(frames):
        try:
            file.keep(t, frame)
        except OSError as error:
            raise explain(error, file.folder) from error
    return file


class KeptMovie(Movie):
    """A movie whose frames are decoded once (see :class:`somanet.io.movie_base.Movie`).

    ``close`` leaves it open for the next reader; :meth:`release` closes the movie and removes what was kept.
    """

    def __init__(self, movie: Movie, folder: Path, *, compressed: bool = False) -> None:
        """Take an open movie, a folder for the temporary file, and whether to compress it (labels)."""
        self._movie, self._file = movie, FrameFile(folder, compressed=compressed)
        self._most_bytes = min(MOST_BYTES, int(MOST_OF_FREE * shutil.disk_usage(folder).free))
        self.path, self.files = movie.path, movie.files
        self.n_frames, self.shape_YX, self.n_planes = movie.n_frames, movie.shape_YX, movie.n_planes
        self.n_channels, self.notes = movie.n_channels, movie.notes
        self.dtype, self.file_calibration = movie.dtype, movie.file_calibration
        self.truncated, self.unnamed, self.position = movie.truncated, movie.unnamed, movie.position

    def frame(self, t: int) -> np.ndarray:
        """Frame ``t``; see :meth:`somanet.io.movie_base.Movie.frame`."""
        return self._file[t] if self._file.has(t) else super().frame(t)

    def chunk_of(self, t: int) -> int:
        """The chunk of frame ``t`` in the movie's own file."""
        return self._movie.chunk_of(t)

    def _read(self, t: int) -> np.ndarray:
        frame = self._movie.frame(t)
        if self._file.n_bytes + frame.nbytes <= self._most_bytes:
            try:
                self._file.keep(t, frame)
            except OSError:  # the disk is full: what is kept stays
                self._most_bytes = 0
        return frame

    def close(self) -> None:
        """Leave the movie open; see :meth:`release`."""

    def release(self) -> None:
        """Close the movie and remove the temporary file."""
        self._movie.close()
        self._file.close()


@contextmanager
def keeping(movie: Movie, folder: Path, *, compressed: bool = False) -> Iterator[KeptMovie]:
    """The same movie, each frame of which is decoded once, then kept in a temporary file in this folder."""
    found = KeptMovie(movie, folder, compressed=compressed)
    try:
        yield found
    finally:
        found.release()


def _zstd() -> Any:
    from numcodecs import Zstd

    return Zstd(level=1)
