"""Conversion of pixels to micrometres and frames to hours: only here, and without defaults."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from somanet.core.errors import SomaNetError, WrongValue

MINUTES_PER_HOUR = 60.0
LONGEST_STEP = 1.5
"""From one frame to the next in usual frame intervals; what is longer is a pause of the movie, and a gap in a track."""


def _check(name: str, value: Any) -> None:
    number = float(value) if isinstance(value, Real) and value is not True else math.nan
    if not (math.isfinite(number) and number > 0):
        raise WrongValue(f"{name} must be a positive number, found {value!r}. Check the unit and the value you gave.")


@dataclass(frozen=True)
class Calibration:
    """The physical scale of a movie.

    Attributes:
        pixel_size_um: width of one (square) pixel in micrometres.
        frame_interval_min: time from one frame to the next in minutes; the usual one where frames are uneven in time.
        times_h: of every frame, in hours since frame 0, where frames are uneven in time; None where one interval says
            it all.
    """

    pixel_size_um: float
    frame_interval_min: float
    times_h: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        _check("Pixel size (µm)", self.pixel_size_um)
        _check("Frame interval (min)", self.frame_interval_min)
        if self.times_h is not None:
            check_times(self.times_h)

    @property
    def frame_interval_h(self) -> float:
        """Time from one frame to the next in hours; the usual one where frames are uneven in time."""
        return self.frame_interval_min / MINUTES_PER_HOUR

    @property
    def pixel_area_um2(self) -> float:
        """Area of one pixel in square micrometres."""
        return self.pixel_size_um**2

    def hours(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Time of frames in hours since frame 0, an array of the same shape.

        Raises:
            SomaNetError: a frame after the last one whose time is known.
        """
        numbers = np.asarray(frames)
        if self.times_h is None:
            return np.asarray(numbers.astype(np.float64) * self.frame_interval_h, np.float64)
        if numbers.size and not (int(numbers.min()) >= 0 and int(numbers.max()) < len(self.times_h)):
            raise SomaNetError(
                f"Expected frames from 0 to {len(self.times_h) - 1}, whose times are known, found frame "
                f"{int(numbers.max())}. Are the times those of another movie?"
            )
        return np.asarray(self.times_h, np.float64)[numbers.astype(np.int64)]

    def in_intervals(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Time of frames in usual frame intervals since frame 0: the frame numbers where frames are even in time."""
        if self.times_h is None:
            return np.asarray(frames, np.float64)
        return self.hours(frames) / self.frame_interval_h


def check_times(times_h: Sequence[float]) -> None:
    """Refuse times that cannot be those of a movie's frames.

    Raises:
        SomaNetError: a time is not finite, the first is not 0, or they do not increase.
    """
    times = np.asarray(times_h, np.float64)
    wrong = ~np.isfinite(times)
    if times.size:
        wrong[0] |= times[0] != 0
        wrong[1:] |= ~(np.diff(times) > 0)
    if wrong.any():
        frame = int(wrong.argmax())
        raise SomaNetError(
            f"Expected times since frame 0 that increase from frame to frame, found {times[frame]:g} h at frame "
            f"{frame}. Check the times."
        )


def usual_interval_h(times_h: Sequence[float]) -> float:
    """The median time from one frame to the next; NaN for fewer than two frames."""
    return float(np.median(np.diff(times_h))) if len(times_h) > 1 else math.nan


def usual_interval_min(times_h: Sequence[float]) -> float:
    """The same in minutes, to seven digits: tables round times, such as 10 min to 0.16666667 h, 10.0000002 min."""
    return float(f"{usual_interval_h(times_h) * MINUTES_PER_HOUR:.7g}")


@dataclass(frozen=True)
class FileCalibration:
    """The scale in a file's metadata; ``None`` where it is missing.

    Attributes:
        pixel_size_um: width of one (square) pixel in micrometres.
        frame_interval_min: time from one frame to the next in minutes.
        times_h: of every frame, where the file says that frames are uneven in time.
        time_problem: why the file's times cannot be used, as one sentence; empty if they can.
        time_note: what the reader of results has to know about the file's times; empty if nothing.
        pixel_note: what the file says about its pixels that is no scale, as one sentence; empty if nothing.
    """

    pixel_size_um: float | None = None
    frame_interval_min: float | None = None
    times_h: tuple[float, ...] | None = None
    time_problem: str = ""
    time_note: str = ""
    pixel_note: str = ""

    @classmethod
    def given(cls, pixel_size_um: float | None, frame_interval_min: float | None) -> FileCalibration:
        """What a user says of a scale, which may be a part of it only.

        Raises:
            SomaNetError: a value is not positive.
        """
        for name, value in (("Pixel size (µm)", pixel_size_um), ("Frame interval (min)", frame_interval_min)):
            if value is not None:
                _check(name, value)
        return cls(pixel_size_um, frame_interval_min)

    def complete(self, *, pixel_size_um: float | None = None, frame_interval_min: float | None = None) -> Calibration:
        """The full scale; a value given here overrides the file's own, a frame interval also its times.

        Raises:
            SomaNetError: neither the file nor the caller gives a value, a value is not positive, or the file's times
                contradict each other and the caller gives no interval.
        """
        pixel = pixel_size_um if pixel_size_um is not None else self.pixel_size_um
        if frame_interval_min is None and self.time_problem:
            raise SomaNetError(
                f"{self.time_problem} Look into the microscope's log and give --frame-interval-min, which wins; uneven "
                "times are given to `somanet analyze` with --times."
            )
        interval = frame_interval_min if frame_interval_min is not None else self.frame_interval_min
        missing = [
            option
            for option, value in (("--pixel-size-um", pixel), ("--frame-interval-min", interval))
            if value is None
        ]
        if missing or pixel is None or interval is None:
            ignored = f" {self.pixel_note}" if pixel is None and self.pixel_note else ""
            lacking = f"{' and '.join(missing)} {'was' if len(missing) == 1 else 'were'} not given"
            raise SomaNetError(
                f"The physical scale is unknown: the file's metadata lacks it and {lacking}. Look it up in the "
                f"microscope's settings and pass it.{ignored}"
            )
        return Calibration(pixel, interval, self.times_h if frame_interval_min is None else None)
