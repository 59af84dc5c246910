"""The interface of every movie, whatever its container."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from somanet.core.calibration import FileCalibration
from somanet.core.errors import SomaNetError, first_line
from somanet.core.problems import FileProblem, StackProblem
from somanet.io.decoding import check_finite

if TYPE_CHECKING:
    from somanet.io.movie_layout import Layout

_SHOWN = 16
"""Channels or positions that a message lists."""


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
    _layout: Layout

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
            FileProblem: the frame is truncated, damaged, or holds NaN or infinity.
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
        if self.dtype.kind == "f":
            check_finite(frame, f"{self.path}, frame {t}")
        return frame

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


def numbered(names: Sequence[str]) -> str:
    """Names of channels or positions with their numbers from 0, for a message."""
    listed = ", ".join(name if name == str(i) else f"{i} ({name[:80]})" for i, name in enumerate(names[:_SHOWN]))
    return f"{listed}, …" if len(names) > _SHOWN else listed


def choose_channel(
    names: tuple[str, ...], channel: int | str | None, source: str, *, as_time: str | None = None
) -> int:
    """The index of the wanted channel.

    Args:
        names: the file's channels in order.
        channel: a name (case-insensitive; `GFP` for `2GFP`, where MetaMorph puts the channel's number before it), an
            index from 0, or None if there is only one.
        source: the file, for messages.
        as_time: the value of `--axes` that makes time points of the channels; None if they cannot be.

    Raises:
        FileProblem: several channels and no choice, or a channel that the file lacks.
    """
    listed = numbered(names)
    if channel is None:
        if len(names) == 1:
            return 0
        raise FileProblem(
            f"{source}: expected one channel, found {len(names)}: {listed}. Choose that of the somas with --channel."
            + ("" if as_time is None else f" If they are time points: --axes {as_time}"),
            "wrong shape",
        )
    by_name = {name.lower(): index for index, name in enumerate(names)}
    asked = str(channel).strip().lower()
    index = by_name.get(asked)
    if index is None and asked:
        unnumbered = [i for i, name in enumerate(names) if name.lower().lstrip("0123456789") == asked]
        index = unnumbered[0] if len(unnumbered) == 1 else None
    if index is None and asked.isdecimal():
        index = int(asked)
    if index is None or not 0 <= index < len(names):
        raise FileProblem(f"{source}: there is no channel {channel}; the file has {listed}.", "wrong shape")
    return index


def choose_planes(
    n_planes: int, z: int | str | None, source: str, *, described: str, as_time: str | None = None
) -> range:
    """Which focal planes make a frame: one, or all for a projection.

    Args:
        n_planes: the file's planes; 1 where it has no Z axis.
        z: a plane's number from 0; `max` for all of them; None if there is only one.
        source: the file, for messages.
        described: its axes, for messages.
        as_time: the value of `--axes` that makes time points of the planes; None if they cannot be.

    Raises:
        StackProblem: several planes and no choice.
        FileProblem: a plane that the file lacks.
    """
    if z is None:
        if n_planes == 1:
            return range(1)
        raise StackProblem(
            f"{source}: expected a 2-D image or movie, found a Z stack of {n_planes} planes ({described}). `somanet "
            "predict`, `analyze` and `data check` take --z max (each pixel's brightest plane) or --z 0 (one plane, "
            "counted from 0)." + ("" if as_time is None else f" If the planes are time points: --axes {as_time}")
        )
    wanted = str(z).strip().lower()
    if wanted == "max":
        return range(n_planes)
    if not wanted.isdecimal():
        raise FileProblem(f"{source}: expected --z max or a plane's number from 0, found {z!r}.", "wrong shape")
    if int(wanted) >= n_planes:
        there = f"planes 0 to {n_planes - 1}" if n_planes > 1 else "no Z axis, only plane 0"
        raise FileProblem(f"{source}: there is no plane {wanted}; the file has {there} ({described}).", "wrong shape")
    return range(int(wanted), int(wanted) + 1)


def project(planes: Iterable[np.ndarray]) -> np.ndarray:
    """Maximum projection of planes YX; two of them in memory at a time."""
    each = iter(planes)
    brightest = next(each)
    for plane in each:
        brightest = np.maximum(brightest, plane)
    return brightest
