"""Movies of colonies drawn at random, measured as a user's: which intervals hold, and which verdicts are right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.colonies.colony import Cells, Colony, film, random_colony, simulate_cells
from benchmarks.colonies.truth import true_numbers
from somanet.analysis.validation.corrected import HEADINGS
from somanet.analysis.validation.verdicts import Movie
from somanet.migration.intervals import Estimate
from somanet.migration.measures import Measures, measure_movie
from somanet.migration.pooling import long_enough, pooled_numbers

BIASES = {"frequency_corrected_per_h": "frequency", "mean_length_corrected_um": "length"}
COUNTED: Mapping[str, str] = {
    **HEADINGS,
    "rest_share": "steps at rest",
    "creep_share": "steps creeping",
    "run_share": "steps running",
    "run_speed_um_per_h": "speed while running, root mean square",
    "sigma_um": "localisation error",
}
"""What is printed or written with an interval and has a true value, and its name in the table."""


def colony_of(seed: int) -> Colony:
    """The colony of a seed."""
    return random_colony(np.random.default_rng(seed))


def colony_movies(seed: int) -> Iterator[Movie]:
    """Movies of the colony of a seed, without end, for :func:`somanet.analysis.validation.verdicts.score_verdicts`."""
    colony = colony_of(seed)
    rng = np.random.default_rng([seed, 1])
    while True:
        cells = simulate_cells(colony, rng, n_cells=colony.n_cells)
        tracks = film(colony, cells, rng)
        yield tracks, partial(_errors, tracks=tracks, cells=cells)


def score_colony(seed: int) -> pd.DataFrame:
    """One movie of one colony.

    Returns:
        One row: every number of :data:`COUNTED` with its interval (``…_low``, ``…_high``) and true value (``…_true``);
        ``supported``, ``why``; what :func:`somanet.analysis.validation.random_worlds.coverage` asks for.
    """
    colony = colony_of(seed)
    true = true_numbers(colony, seed=seed)
    tracks, _ = next(colony_movies(seed))
    measures = measure_movie(tracks, drift="none", seed=seed)
    row: dict[str, object] = {"seed": seed, "world": f"colony {seed}", "interval_min": colony.interval_min}
    row |= {"supported": measures.support.saltations, "why": "; ".join(measures.support.reasons)}
    row |= {**_numbers(measures), **{f"{name}_true": true[name] for name in COUNTED}}
    return pd.DataFrame([row]).assign(in_scope=True)


def _errors(found: pd.DataFrame, tracks: pd.DataFrame, cells: Cells) -> dict[str, float]:
    """Of corrected frequency and length, relative to the jumps that start while their cells are seen."""
    used = long_enough(found).assign(identities_kept=1)
    values = pooled_numbers(used, np.ones((1, len(used))))
    seen_h = tracks.groupby("track_id")["t_h"].max().reindex(1 + np.arange(len(cells.place_yx_um))).fillna(0.0)
    there = cells.start_h < seen_h.to_numpy()[cells.cell]
    happened = float(there.sum() / seen_h.sum()), float(cells.length_um[there].mean())
    return {BIASES[name]: float(values[name][0]) / true - 1 for name, true in zip(BIASES, happened, strict=True)}


def _numbers(measures: Measures) -> dict[str, float]:
    modes = measures.modes
    assert modes is not None
    found: dict[str, Estimate] = {name: one for name, one in measures.summary.numbers.items() if name in COUNTED}
    found |= {f"{name}_share": one for name, one in modes.state_share.items()}
    found |= {"run_speed_um_per_h": modes.state_speed_um_per_h["run"], "sigma_um": measures.migration.noise.estimate}
    ends = {"": "value", "_low": "low", "_high": "high"}
    return {f"{name}{end}": getattr(one, field) for name, one in found.items() for end, field in ends.items()}
