"""Leaving out frames: whether the intervals of the corrected numbers, and of their change, hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from somanet.analysis.validation.tracks import coverage_of
from somanet.analysis.validation.world_tracks import simulate_world
from somanet.analysis.validation.world_truth import true_numbers
from somanet.analysis.validation.worlds import BASE, World
from somanet.core.markdown import table
from somanet.migration.cells import migration_of, noise_of
from somanet.migration.frame_dropping import NAMES, Thinned, frame_dropping
from somanet.migration.kinematics import steps_of

WORDS = dict(zip(NAMES, ("frequency", "length"), strict=True))
TRUE_NAMES = dict(zip(NAMES, ("frequency_per_h", "length_um"), strict=True))


@dataclass(frozen=True)
class Case:
    """A world whose movies are measured with frames left out."""

    name: str
    world: World


CASES = (
    Case("base", BASE),
    Case("10 cells", replace(BASE, n_cells=10)),
    Case("cells differ", replace(BASE, cell_log_sd=0.8)),
    Case("bursts", replace(BASE, pause_cv=1.5)),
)


def thinned_movie(world: World, *, seed: int) -> tuple[Thinned, ...]:
    """One movie with frames left out, as an analysis does it."""
    tracks, _ = simulate_world(world, seed=seed)
    noise = noise_of(steps_of(tracks), seed=seed)

    def measure(some: pd.DataFrame) -> pd.DataFrame:
        return migration_of(some, drift="none", noise=noise).cells

    return frame_dropping(tracks, measure(tracks), measure, seed=seed)


def score_thinned(case: Case, *, replicates: int, seed: int = 0) -> pd.DataFrame:
    """Coverage at each interval: of the number, of its true value; of its change, of the mean change of all movies.

    Returns:
        One row per number and factor: ``change``, the mean one, ``held_change`` and ``held_truth`` (NaN at the movie's
        own interval, and where there are no intervals), ``movies``.
    """
    true = true_numbers(case.world)
    movies = [thinned_movie(case.world, seed=seed + i) for i in range(replicates)]
    rows = []
    for place in range(min(map(len, movies))):
        for name in NAMES:
            level = np.array([[getattr(one[place].numbers[name], end) for end in ("low", "high")] for one in movies])
            row = {
                "case": case.name,
                "interval_min": 60 * movies[0][place].interval_h,
                "number": name,
                "movies": replicates,
                "held_truth": _held(level, true[TRUE_NAMES[name]]),
                "change": np.nan,
                "held_change": np.nan,
            }
            if place:
                changes = [one[place].changes[name] for one in movies]
                mean = float(np.nanmean([one.value for one in changes]))
                held = _held(np.array([[one.low, one.high] for one in changes]), mean)
                row |= {"change": mean, "held_change": held}
            rows.append(row)
    return pd.DataFrame(rows)


def _held(intervals: np.ndarray, value: float) -> float:
    known = intervals[np.isfinite(intervals).all(axis=1)]
    return coverage_of((known[:, 0] <= value) & (value <= known[:, 1]))["coverage"]


def thinned_markdown(scores: pd.DataFrame) -> str:
    """A line per world and interval."""
    head = ["world", "every"]
    head += [f"{word}: {what}" for word in WORDS.values() for what in ("mean change", "held", "true value held")]
    lines = []
    for (case, minutes), rows in scores.groupby(["case", "interval_min"], sort=False):
        by = rows.set_index("number")
        cells = [str(case), f"{minutes:g} min"]
        for name in WORDS:
            row = by.loc[name]
            change = "–" if np.isnan(row["change"]) else f"{100 * row['change']:+.0f} %".replace("-", "−")
            held = "–" if np.isnan(row["held_change"]) else f"{row['held_change']:.2f}"
            cells += [change, held, f"{row['held_truth']:.2f}"]
        lines.append(cells)
    return table(head, lines)
