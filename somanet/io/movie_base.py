"""The interface of every movie, whatever its container."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from somanet.core.calibration import FileCalibration
from somanet.core.errors import SomaNetError, first_line
from somanet.core.problems import FileProblem
from somanet.io.decoding import usable
from somanet.io.movie_layout import Layout, Wanted, choose_position, name_of_position


def whole_frames(n_frames: int) -> str:
    """What a user can do about a file that breaks off after so many frames, as a sentence."""
    if n_frames == 1:
        return "`somanet predict` takes what is whole (frame 0) with --allow-truncated."
    return f"`somanet analyze` and `predict` take what is whole (frames 0 to {n_frames - 1}) with --allow-truncated."


class Movie(Sequence[Any]):
    """An open movie of one channel, read one frame at a time; memory does not grow with its length.

    Use it as a context manager. It is a sequence of frames, but prefer ``frame(t)``.

    Attributes:
        path: the file or folder; of a series of images also a pattern, such as `folder/img_t*.tif`.
        files: the file or zarr folder; of a movie in several files all of them.
        n_frames: number of time points, at least 1.
        shape_YX: height and width of a frame in pixels.
        n_planes: focal planes that make a frame: several for a projection.
        dtype: data type of a frame, native byte order.
        file_calibration: the scale in the file's metadata.
        truncated: the file breaks off, and only the frames before the cut are available.
        unnamed: the file does not name the axis of its pages, and they were taken for time points.
        n_channels: channels or colours in the file, of which one is read.
        position: which of several movies in the file this is, by its name there: the same however it was chosen. None
            if there is only one.
        notes: what a reader of the results has to know about the file, in sentences.
    """

    path: Path
    files: tuple[Path, ...]
    n_frames: int
    shape_YX: tuple[int, int]
    dtype: np.dtype
    file_calibration: FileCalibration
    n_planes: int = 1
    truncated: bool = False
    unnamed: bool = False
    n_channels: int = 1
    notes: tuple[str, ...] = ()
    position: str | None = None
    _layout: Layout

    def _take_position(self, names: Sequence[str], wanted: Wanted) -> int:
        """The number of the wanted one of a file's movies, whose name is kept.

        Raises:
            FileProblem: as for :func:`somanet.io.movie_layout.choose_position`.
        """
        number = choose_position(names, wanted.position, str(self.path))
        if len(names) > 1:
            self.position = name_of_position(names, number)
        return number

    def _take_layout(self, layout: Layout, dtype: np.dtype) -> None:
        """Set what follows from the meaning of a file's axes and the type of its pixels.

        Raises:
            FileProblem: the pixels are no grey levels.
        """
        self._layout, self.dtype = layout, dtype.newbyteorder("=")
        self.n_frames, self.shape_YX = layout.n_frames, layout.shape_YX
        self.n_planes, self.n_channels = len(layout.planes), layout.n_channels
        self.unnamed = layout.unnamed
        if self.dtype.kind not in "uif":
            raise FileProblem(
                f"{self.path}: expected grey levels, found {self.dtype} pixels. Convert it (Fiji: Image > Type).",
                "wrong type",
            )

    def frame(self, t: int) -> np.ndarray:
        """Frame ``t`` (0 is the first) as a YX array the caller owns.

        Raises:
            IndexError: ``t`` is not in 0 … n_frames − 1.
            FileProblem: the frame is truncated, damaged, or holds infinity, or NaN away from the border.
        """
        if not 0 <= t < self.n_frames:
            raise IndexError(f"{self.path}: expected a frame from 0 to {self.n_frames - 1}, found {t}")
        try:
            frame = self._read(t)
        except SomaNetError:
            raise
        except Exception as error:  # container libraries raise their own exceptions on damaged data
            reason = first_line(error).removesuffix(".")
            raise FileProblem(
                f"{self.path}: frame {t} of {self.n_frames} cannot be decoded ({reason}). Fetch the file again."
            ) from error
        if frame.shape != self.shape_YX:
            raise FileProblem(
                f"{self.path}: frame {t} is {frame.shape}, frame 0 is {self.shape_YX}. Export the movie anew.",
                "wrong shape",
            )
        return usable(frame, f"{self.path}, frame {t}")

    def chunk_of(self, t: int) -> int:
        """The number of what frame ``t`` is stored in; frames of one chunk are decoded together."""
        return t

    @abstractmethod
    def _read(self, t: int) -> np.ndarray:
        """Decode one frame."""

    @abstractmethod
    def close(self) -> None:
        """Close the file; frames cannot be read afterwards."""

    def __len__(self) -> int:
        return self.n_frames

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.frame(t) for t in range(self.n_frames))

    def __getitem__(self, t):  # type: ignore[no-untyped-def]
        """Frame ``t``; the frames of a slice as a list."""
        return [self.frame(i) for i in range(*t.indices(self.n_frames))] if isinstance(t, slice) else self.frame(t)

    def __enter__(self) -> Movie:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def project(planes: Iterable[np.ndarray]) -> np.ndarray:
    """Maximum projection of planes YX; two of them in memory at a time."""
    each = iter(planes)
    brightest = next(each)
    for plane in each:
        brightest = np.maximum(brightest, plane)
    return brightest
