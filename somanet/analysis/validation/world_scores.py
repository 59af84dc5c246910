"""Worlds that nothing was tuned on: bias, coverage, localisation error, modes, and whether the warning fires."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from somanet.analysis.validation.world_tracks import simulate_world
from somanet.analysis.validation.worlds import World
from somanet.core.markdown import table
from somanet.migration.measures import Measures, measure_movie
from somanet.migration.pooling import long_enough, pooled_numbers

NUMBERS = {"frequency_corrected_per_h": "frequency", "mean_length_corrected_um": "length"}
"""Name in a summary → in short."""
SHORT = tuple(NUMBERS.values())
LARGE, SMALL = 0.15, 0.05
"""Biases above which a warning is due, and below which it is not."""


def score_world(world: World, *, replicates: int, seed: int = 0) -> pd.DataFrame:
    """Movies of one world, measured as a user's are, but for the drift, of which they have none.

    Args:
        world: how cells move and are seen.
        replicates: movies of it.
        seed: of the first one.

    Returns:
        One row per movie: ``frequency`` and ``length``, corrected, relative to what jumps there were in it
        (``…_error``, also where exchanged tracks leave the number without an estimate); ``sigma_um``, ``supported``,
        ``verdict``, ``why``, ``continuous_share``; ``world``, ``interval_min``, ``rests``; every number of the summary
        with its interval (``…_low``, ``…_high``).
    """
    rows = []
    for i in range(replicates):
        tracks, jumps = simulate_world(world, seed=seed + i)
        measures = measure_movie(tracks, drift="none", axis_deg=world.axis_deg, seed=seed + i)
        row: dict[str, object] = {"world": world.name, "interval_min": world.interval_min, "rests": world.rests}
        row |= {f"{short}_error": value for short, value in errors_of(world, measures.migration.cells, jumps).items()}
        rows.append(row | _described(measures) | _numbers(measures))
    return pd.DataFrame(rows)


def errors_of(world: World, cells: pd.DataFrame, jumps: pd.DataFrame) -> dict[str, float]:
    """Relative errors of frequency and length of one movie (:data:`SHORT`); infinite where nothing jumped."""
    happened = len(jumps) / (world.n_cells * world.hours), float(jumps["length_um"].mean())
    used = long_enough(cells).assign(identities_kept=1)
    values = pooled_numbers(used, np.ones((1, len(used))))
    return {
        short: float(values[name][0]) / known - 1 if known > 0 else math.inf
        for (name, short), known in zip(NUMBERS.items(), happened, strict=True)
    }


def _described(measures: Measures) -> dict[str, object]:
    noise = measures.migration.noise
    return {
        "sigma_um": noise.sigma_um,
        "supported": measures.support.saltations,
        "verdict": measures.support.verdict,
        "why": "; ".join(measures.support.reasons),
        "continuous_share": measures.support.signs.moving_share,
        "best_model": measures.modes.best if measures.modes else "",
    }


def _numbers(measures: Measures) -> dict[str, object]:
    found = measures.summary.numbers
    ends = {"": "value", "_low": "low", "_high": "high"}
    return {f"{name}{end}": getattr(one, field) for name, one in found.items() for end, field in ends.items()}


def at_interval(world: World, interval_min: float) -> World:
    """The same world, filmed at another interval."""
    return replace(world, interval_min=interval_min)


def worlds_markdown(scores: pd.DataFrame) -> str:
    """One line per world and interval; coverage takes more movies than one and is measured elsewhere."""
    head = ["world", "frames", "frequency: bias", "length: bias", "error σ (µm)", "saltation numbers"]
    lines = []
    for (world, interval), rows in scores.groupby(["world", "interval_min"], sort=False):
        biases = [_percent(float(rows[f"{short}_error"].mean())) for short in SHORT]
        verdicts = rows["verdict"].value_counts()
        said = verdicts.index[0] if len(rows) == 1 else ", ".join(f"{one}: {n}" for one, n in verdicts.items())
        lines.append([str(world), f"{interval:g} min", *biases, f"{rows['sigma_um'].mean():.2f}", str(said)])
    return table(head, lines)


def _percent(value: float) -> str:
    if not math.isfinite(value):
        return "no saltations" if math.isinf(value) else "–"
    return f"{round(100 * value):+d} %".replace("-", "−").replace("+0 %", "0 %")
