"""The times of frames as a table of tracks has them, where frames are uneven in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ROUNDING = 1e-6
"""Share of the usual interval by which times may differ that a program rounded."""
OFF_GRID = 0.1
"""Of a frame: nearer to their frame than this, times are multiples of the frame interval."""


@dataclass(frozen=True)
class FrameClock:
    """The frames that times belong to.

    Attributes:
        frames: the frame of each time.
        interval_h: hours per frame: the mean if times are even, else the median.
        even: whether all steps between times are multiples of the interval, within a tenth of it.
    """

    frames: NDArray[np.int64]
    interval_h: float
    even: bool


def frame_clock(times_h: NDArray[np.float64]) -> FrameClock | None:
    """Tell frames from times alone: by the usual step between times.

    Args:
        times_h: of points, in any order, also repeatedly; finite.

    Returns:
        None if there are fewer than two times, or if some lie so close together that they cannot be those of frames.
    """
    times, index = np.unique(times_h, return_inverse=True)
    if len(times) < 2:
        return None
    steps = np.diff(times)
    usual = float(np.median(steps))
    numbers = np.round(steps / usual)
    if numbers.min() < 1:
        return None
    even = bool(np.abs(steps / usual - numbers).max() <= OFF_GRID)
    interval_h = float(times[-1] - times[0]) / float(numbers.sum()) if even else usual
    frames = round(times[0] / interval_h) + np.append(0, np.cumsum(numbers))
    return FrameClock(frames.astype(np.int64)[index.ravel()], interval_h, even)


def times_in_table(points: pd.DataFrame) -> tuple[float, ...] | None:
    """The times of all frames of a table whose `t_h` are not multiples of one interval.

    Args:
        points: ``frame`` and ``t_h``, one row per point.

    Returns:
        Hours since frame 0, from frame 0 to the last of the table; those of frames without a point lie evenly between
        their neighbours'. None if the times are multiples of one interval, or cannot be those of frames: one frame at
        several times, or times that do not increase.
    """
    rows = points[["frame", "t_h"]].dropna()
    if not np.isfinite(rows.to_numpy(float)).all() or (rows["frame"] < 0).any():
        return None
    by_frame = rows.groupby("frame")["t_h"].agg(["min", "max"])
    frames, times = by_frame.index.to_numpy(np.int64), by_frame["min"].to_numpy(np.float64)
    if len(frames) and frames[0] > 0:
        frames, times = np.append(0, frames), np.append(0.0, times)
    if len(frames) < 3 or times[0] != 0 or (np.diff(times) <= 0).any():
        return None
    steps: NDArray[np.float64] = np.diff(times) / np.diff(frames)
    usual = float(np.median(steps))
    apart = (by_frame["max"] - by_frame["min"]).max()
    if apart > ROUNDING * usual or np.abs(times - frames * usual).max() <= ROUNDING * max(usual, float(times[-1])):
        return None
    return tuple(np.interp(np.arange(frames[-1] + 1), frames, times).tolist())
