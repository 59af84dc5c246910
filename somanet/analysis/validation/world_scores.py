"""Worlds that nothing was tuned on: bias, coverage, localisation error, modes, and whether the warning fires."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from somanet.analysis.validation.world_tracks import simulate_world
from somanet.analysis.validation.world_truth import true_numbers
from somanet.analysis.validation.worlds import World
from somanet.core.markdown import table
from somanet.migration.measures import Measures, measure_movie
from somanet.migration.pooling import long_enough, pooled_numbers

NUMBERS = {"frequency_corrected_per_h": "frequency_per_h", "mean_length_corrected_um": "length_um"}
"""Name in a summary → name among the true numbers."""
LARGE, SMALL = 0.15, 0.05
"""Biases above which a warning is due, and below which it is not."""


def score_world(world: World, *, replicates: int, seed: int = 0) -> pd.DataFrame:
    """Movies of one world, measured as a user's are, but for the drift, of which they have none.

    Returns:
        One row per movie: ``frequency`` and ``length``, corrected, relative to what jumps there were in it
        (``…_error``, also where exchanged tracks leave the number without an estimate) and whether the interval holds
        the true value of the world (``…_covered``, 0 or 1; NaN where there is none); ``sigma_um``,
        ``supported``, ``continuous_share``; ``world``, ``interval_min``, ``rests``; every number of the summary with
        its interval (``…_low``, ``…_high``).
    """
    true = true_numbers(world)
    rows = []
    for i in range(replicates):
        tracks, jumps = simulate_world(world, seed=seed + i)
        measures = measure_movie(tracks, drift="none", axis_deg=world.axis_deg, seed=seed + i)
        happened = {
            "frequency_corrected_per_h": len(jumps) / (world.n_cells * world.hours),
            "mean_length_corrected_um": float(jumps["length_um"].mean()),
        }
        row: dict[str, object] = {"world": world.name, "interval_min": world.interval_min, "rests": world.rests}
        cells = long_enough(measures.migration.cells).assign(identities_kept=1)
        values = pooled_numbers(cells, np.ones((1, len(cells))))
        for name, short in zip(NUMBERS, ("frequency", "length"), strict=True):
            found = measures.summary.numbers[name]
            known = happened[name] > 0
            row[f"{short}_error"] = float(values[name][0]) / happened[name] - 1 if known else math.inf
            held = float(found.low <= true[NUMBERS[name]] <= found.high)
            row[f"{short}_covered"] = math.nan if found.problem else held
        rows.append(row | _described(measures) | _numbers(measures))
    return pd.DataFrame(rows)


def _described(measures: Measures) -> dict[str, object]:
    noise = measures.migration.noise
    return {
        "sigma_um": noise.sigma_um,
        "supported": measures.support.saltations,
        "continuous_share": measures.support.continuous_share,
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
    head = ["world", "frames", "frequency: bias", "length: bias", "error σ (µm)", "not supported"]
    lines = []
    for (world, interval), rows in scores.groupby(["world", "interval_min"], sort=False):
        biases = [_percent(float(rows[f"{short}_error"].mean())) for short in ("frequency", "length")]
        sigma, warned = rows["sigma_um"].mean(), 1 - rows["supported"].mean()
        lines.append([str(world), f"{interval:g} min", *biases, f"{sigma:.2f}", f"{warned:.2f}"])
    return table(head, lines)


def warning_rates(scores: pd.DataFrame) -> dict[str, float]:
    """Share of movies with a warning, in worlds of large, small and other bias, and how many movies those are.

    The bias of a world at one interval is the mean over its movies, of frequency or length, the larger one.
    """
    by_world = scores.groupby(["world", "interval_min"])[["frequency_error", "length_error"]].transform("mean").abs()
    bias = np.fmax(by_world["frequency_error"], by_world["length_error"].fillna(0.0))
    warned = ~scores["supported"].astype(bool)
    rates: dict[str, float] = {}
    kinds = {"large": bias > LARGE, "small": bias < SMALL, "between": (bias >= SMALL) & (bias <= LARGE)}
    for name, chosen in kinds.items():
        rates |= {f"{name}_warned": float(warned[chosen].mean()), f"{name}_movies": float(chosen.sum())}
    return rates


def _percent(value: float) -> str:
    if not math.isfinite(value):
        return "no saltations" if math.isinf(value) else "–"
    return f"{round(100 * value):+d} %".replace("-", "−").replace("+0 %", "0 %")
