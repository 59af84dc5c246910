"""The times of frames as a table of tracks has them, where frames are uneven in time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ROUNDING = 1e-6
"""Share of the usual interval by which times may differ that a program rounded."""


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
