"""Leaving out frames: do the corrected numbers stay where they are? Where they move, they are not to be trusted.

The same tracks at every second and third frame, from each possible first frame, are measured as the whole ones are; the
correction should give the same frequency and length. A bootstrap over cells, the same draws at every interval, says how
much the numbers move beyond chance. Frames left out cannot say what the movie's own interval hides, but the assumptions
that the correction makes there are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from somanet.migration.intervals import NOISE_ONLY, Estimate, not_estimated, reach_of, too_wide
from somanet.migration.kinematics import Floats
from somanet.migration.pooling import pooled_numbers

NAMES = ("frequency_corrected_per_h", "mean_length_corrected_um")
FACTORS = (2, 3)
FEWEST_FRAMES = 12
"""Frames that the longest track must keep, for frames to be left out."""
RESAMPLES = 200


@dataclass(frozen=True)
class Thinned:
    """Corrected numbers at one interval.

    Attributes:
        factor: each so many-eth frame is used.
        interval_h: between them.
        numbers: of :data:`NAMES`, mean of the phases, with 95 % intervals over cells.
        changes: of the same names, relative to the whole movie: 0.1 is a tenth more; intervals are paired, of the same
            cells; empty for the whole movie.
    """

    factor: int
    interval_h: float
    numbers: dict[str, Estimate]
    changes: dict[str, Estimate]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "factor": self.factor,
            "frame_interval_min": 60 * self.interval_h,
            "numbers": {name: one.as_dict() for name, one in self.numbers.items()},
        } | ({"relative_changes": {name: one.as_dict() for name, one in self.changes.items()}} if self.changes else {})


def every_nth(tracks: pd.DataFrame, factor: int, phase: int) -> pd.DataFrame:
    """Every ``factor``-th frame from frame ``phase`` on, numbered anew; tracks left with one frame are left out."""
    kept = tracks[(tracks["frame"] - phase) % factor == 0]
    kept = kept.assign(frame=(kept["frame"] - phase) // factor)
    return kept[kept.groupby("track_id")["frame"].transform("size") > 1].reset_index(drop=True)


def frame_dropping(
    tracks: pd.DataFrame,
    cells: pd.DataFrame,
    measure: Callable[[pd.DataFrame], pd.DataFrame],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[Thinned, ...]:
    """The corrected numbers at the movie's interval, twice and three times it, as far as its length allows.

    Args:
        tracks: :data:`somanet.core.schema.TRACKS`, with the drift removed.
        cells: what ``measure`` gives for them: :data:`somanet.migration.tables.MIGRATION`. Those long enough count, at
            every interval the same.
        measure: from tracks to cells, as the whole movie was measured.
        seed: of the bootstrap.
        resamples: how many.

    Returns:
        The whole movie first; empty if no cell is long enough.
    """
    used = cells.loc[cells["long_enough"] == 1].reset_index(drop=True)
    if used.empty:
        return ()
    n = len(used)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples if n > 1 else 0)
    weights = np.concatenate([np.ones((1, n)), drawn.astype(np.float64)])
    whole = pooled_numbers(used, weights)
    interval = float(used["frame_interval_h"].median())
    reach = reach_of(n)
    found = [_thinned(1, interval, whole, whole, reach)]
    longest = int(tracks.groupby("track_id")["frame"].size().max())
    for factor in FACTORS:
        if longest // factor < FEWEST_FRAMES:
            break
        phases = []
        for phase in range(factor):
            table = measure(every_nth(tracks, factor, phase)).set_index("track_id")
            shared = used["track_id"].isin(table.index).to_numpy()
            some = table.loc[used["track_id"][shared]].reset_index()
            phases.append(pooled_numbers(some, weights[:, shared]))
        mean = {name: np.mean([one[name] for one in phases], axis=0) for name in NAMES}
        found.append(_thinned(factor, factor * interval, mean, whole, reach))
    return tuple(found)


def _thinned(
    factor: int, interval_h: float, numbers: dict[str, Floats], whole: dict[str, Floats], reach: float
) -> Thinned:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = {name: np.log(numbers[name] / whole[name]) for name in NAMES}
    changes = {name: _through(math.expm1, _interval(ratio[name], reach)) for name in NAMES} if factor > 1 else {}
    with np.errstate(divide="ignore", invalid="ignore"):
        levels = {name: _through(math.exp, _interval(np.log(numbers[name]), reach)) for name in NAMES}
    return Thinned(factor, interval_h, levels, changes)


def _through(function: Callable[[float], float], of_log: Estimate) -> Estimate:
    return Estimate(function(of_log.value), function(of_log.low), function(of_log.high), of_log.problem)


def _interval(values: Floats, reach: float) -> Estimate:
    """The first logarithm with standard deviations of the others.

    None where a twentieth of those is undefined, or where the interval would be of no use.
    """
    value, drawn = float(values[0]), values[1:]
    known = drawn[np.isfinite(drawn)]
    if not math.isfinite(value):
        return not_estimated(
            math.nan, "no saltation is found at this interval, all of them are joined, or noise makes them"
        )
    if not drawn.size:
        return not_estimated(value, "one cell only")
    if known.size < 0.95 * drawn.size:
        return not_estimated(value, "it rests on too few cells")
    error = float(known.std())
    if error <= NOISE_ONLY:
        return not_estimated(value, "the cells do not differ, which says nothing about further ones")
    half = reach * error
    with np.errstate(over="ignore"):
        wide = too_wide(float(np.exp(value - half)), float(np.exp(value + half)), "positive")
    return not_estimated(value, wide) if wide else Estimate(value, value - half, value + half)
