"""Which somas of two frames may be one cell, and what each such link costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import Calibration

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

ROUNDING = 1e-9
"""Share by which the search reaches farther than the cost, which alone decides what is within reach."""
COLUMNS_APART = 3.0
"""Distance of two pairs of frames in the search for neighbours, in reaches: more than one, so that they never mix."""


@dataclass(frozen=True)
class Weights:
    """Weights of overlap, shape and intensity, relative to a displacement of maximum length, which costs 1."""

    overlap: float
    shape: float
    intensity: float

    @property
    def no_link(self) -> float:
        """A cost just above that of any link within reach."""
        return float(np.float32(1.0 + self.overlap + self.shape + self.intensity + 1e-6))


class Somas:
    """The somas of a movie as arrays, by frame.

    Attributes:
        place: (n,) number of the soma's frame among those that count.
        time: (n,) its time in usual frame intervals.
        yx_um: (n, 2) centre.
    """

    def __init__(self, detections: pd.DataFrame, calibration: Calibration, place: Indices) -> None:
        """Take detections sorted by frame, and the number of the frame of each among those that count."""
        self.place = place
        self.time = np.asarray(calibration.in_intervals(detections["frame"]), np.float64)
        self.yx_um = detections[["y_px", "x_px"]].to_numpy(np.float64) * calibration.pixel_size_um
        self._time_of = np.full(int(place[-1]) + 1 if len(place) else 0, np.nan)
        self._time_of[place] = self.time
        self._area = np.log2(np.maximum(detections["area_px"].to_numpy(np.float64), 1))
        self._long = np.log2(np.maximum(detections["major_axis_px"].to_numpy(np.float64), 1))
        intensity = detections["mean_intensity"].to_numpy(np.float64)
        self._intensity = np.log2(np.where(intensity > 0, intensity, np.nan))
        self._low = detections[["top_px", "left_px"]].to_numpy(np.float64)
        self._high = detections[["bottom_px", "right_px"]].to_numpy(np.float64)

    def within_reach(
        self, earlier: Indices, later: Indices, *, apart: int, max_step_um: float
    ) -> tuple[Indices, Indices, Floats]:
        """Pairs of somas that many frames apart which one cell may reach, and their squared distance.

        The distance is in units of the reach, the longest step times the square root of the time in between. The work
        is that of a k-d tree: it grows with the number of somas and of pairs found.

        Args:
            earlier, later: numbers of the somas to pair, ascending.
            apart: number of frames from one to the other, of those that count.
            max_step_um: longest displacement in one usual frame interval.

        Returns:
            The two somas of each pair, by number, and (d / reach)², at most 1.
        """
        from scipy.spatial import KDTree

        wait = self._time_of[apart:] - self._time_of[:-apart]
        earlier = earlier[self.place[earlier] < len(wait)]
        later = later[self.place[later] >= apart]
        earlier = earlier[np.isfinite(wait[self.place[earlier]])]
        later = later[np.isfinite(wait[self.place[later] - apart])]
        if not (len(earlier) and len(later)):
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        reach_um = max_step_um * np.sqrt(wait)
        trees = [
            KDTree(np.column_stack([COLUMNS_APART * start, self.yx_um[somas] / reach_um[start][:, None]]))
            for somas, start in ((earlier, self.place[earlier]), (later, self.place[later] - apart))
        ]
        found = trees[0].sparse_distance_matrix(trees[1], 1 + ROUNDING, output_type="ndarray")
        a, b = earlier[found["i"]], later[found["j"]]
        order = np.lexsort((b, a))
        a, b = a[order], b[order]
        d_um = self.yx_um[b] - self.yx_um[a]
        near = (d_um**2).sum(axis=1) / (max_step_um**2 * (self.time[b] - self.time[a]))
        kept = near <= 1
        return a[kept], b[kept], near[kept]

    def cost(self, a: Indices, b: Indices, near: Floats, weights: Weights) -> Floats:
        """What links cost, see :func:`somanet.tracking.linking.link_cells`.

        Rounded to 7 digits, so that links which cost the same are no different because of rounding.

        Args:
            a, b: numbers of the earlier and the later soma of each pair.
            near: their squared distance in units of the reach.
            weights: what differences count.
        """
        total = near.copy()
        if weights.overlap:
            sides = np.minimum(self._high[a], self._high[b]) - np.maximum(self._low[a], self._low[b])
            shared = np.maximum(sides, 0).prod(axis=1)
            both = (self._high[a] - self._low[a]).prod(axis=1) + (self._high[b] - self._low[b]).prod(axis=1)
            total += weights.overlap * (1 - shared / (both - shared))
        if weights.shape:
            change = (self._area[b] - self._area[a]) ** 2 + (self._long[b] - self._long[a]) ** 2
            total += weights.shape * np.fmin(change, 1)
        if weights.intensity:
            change = (self._intensity[b] - self._intensity[a]) ** 2
            total += weights.intensity * np.where(np.isnan(change), 0, np.fmin(change, 1))
        return total.astype(np.float32).astype(np.float64)
