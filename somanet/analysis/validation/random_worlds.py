"""Worlds drawn at random, every property at once: how often the intervals of each number hold.

One movie after another, measured as a user's are. Limits and widths are set on some seeds and checked on others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from somanet.analysis.validation.corrected import ABSOLUTE, HEADINGS, TRAVEL, truth
from somanet.analysis.validation.tracks import coverage_of
from somanet.analysis.validation.world_scores import score_world
from somanet.analysis.validation.worlds import World, random_world
from somanet.core.markdown import table

COUNTED: Mapping[str, str] = {
    name: HEADINGS[name]
    for name in (
        "frequency_corrected_per_h",
        "mean_length_corrected_um",
        *TRAVEL,
        "velocity_along_um_per_h",
        "mean_cosine",
        "resultant_corrected",
    )
}
"""Numbers whose coverage is measured, and their headings."""
MOST_NOISE_UM = 1.5
MOVIES = 2


def world_of(seed: int) -> World:
    """The world of a seed."""
    return random_world(np.random.default_rng(seed), name=f"random {seed}")


def in_scope(world: World) -> bool:
    """Whether coverage is asked of it: cells rest between jumps, and the error is at most 1.5 µm."""
    return world.rests and world.noise_um <= MOST_NOISE_UM


def plain(world: World) -> bool:
    """Whether cells of a world in scope only rest and jump, after pauses that end at any time, in whole tracks.

    The bias is small in most of these, which are few among worlds drawn at random: by them false alarms are counted.
    """
    odd = (world.walking_share, world.creep_um_per_h, world.cell_log_sd, world.breaks_per_h, world.swaps_per_h)
    return in_scope(world) and not any(odd) and world.pause_cv == 1


def score_random(seed: int, *, movies: int = MOVIES) -> pd.DataFrame:
    """The movies of one world.

    Args:
        seed: of the world, and of its movies.
        movies: of that world.

    Returns:
        :func:`somanet.analysis.validation.world_scores.score_world`, with the true value of each of :data:`COUNTED` as
        ``…_true``, ``seed``, and ``in_scope``: that of :func:`in_scope`.
    """
    world = world_of(seed)
    true = truth(replace(world, name="", n_cells=1, interval_min=1.0))
    scores = score_world(world, replicates=movies, seed=1000 * seed)
    return scores.assign(
        seed=seed,
        in_scope=in_scope(world),
        **{f"{name}_true": true[name] for name in COUNTED},
    )


def coverage(scores: pd.DataFrame, *, numbers: Mapping[str, str] = COUNTED) -> pd.DataFrame:
    """How often intervals hold the true values, of worlds in scope; one row per number.

    Movies in which a number has no true value do not count for it.

    Args:
        scores: of each movie, with ``in_scope``, ``supported``, and each number as ``…``, ``…_low``, ``…_high``,
            ``…_true``.
        numbers: their names, and their headings in a table.

    Returns:
        ``estimated``: share of movies with an interval, ``n`` of them; ``coverage`` of these, with Wilson's interval;
        ``error``, median and relative; ``coverage_supported``, with Wilson's interval, in the movies that support
        saltation numbers, of ``n_supported``.
    """
    some = scores[scores["in_scope"].astype(bool)]
    supported = some["supported"].astype(bool).to_numpy()
    rows = []
    for name in numbers:
        value, low, high, true = (some[f"{name}{end}"].to_numpy(float) for end in ("", "_low", "_high", "_true"))
        asked = np.isfinite(true)
        given = np.isfinite(low) & asked
        held = (low <= true) & (true <= high)
        error = value - true if name in ABSOLUTE else value / true - 1
        rows.append(
            {
                "number": name,
                "n": int(given.sum()),
                "estimated": float(given[asked].mean()) if asked.any() else np.nan,
                **coverage_of(held[given]),
                "error": float(np.median(error[given])) if given.any() else np.nan,
                "n_supported": int((given & supported).sum()),
                **{f"{key}_supported": value for key, value in coverage_of(held[given & supported]).items()},
            }
        )
    return pd.DataFrame(rows)


def coverage_markdown(scores: pd.DataFrame, *, numbers: Mapping[str, str] = COUNTED) -> str:
    """A line per number, of :func:`coverage`."""
    head = ["number", "estimated in", "intervals hold", "median error", "… in movies that support saltation numbers"]
    lines = []
    for row in coverage(scores, numbers=numbers).to_dict("records"):
        absolute = row["number"] in ABSOLUTE
        error = f"{row['error']:+.2g}" if absolute else f"{100 * row['error']:+.0f} %"
        lines.append(
            [
                numbers[row["number"]],
                f"{100 * row['estimated']:.0f} % of movies",
                _share(row, "", int(row["n"])),
                error.replace("-", "−"),
                _share(row, "_supported", int(row["n_supported"])),
            ]
        )
    return table(head, lines)


def _share(row: Mapping[Any, Any], which: str, n: int) -> str:
    """``0.96 (0.80–0.99) of 24``."""
    low, high = row[f"coverage_low{which}"], row[f"coverage_high{which}"]
    return f"{row[f'coverage{which}']:.2f} ({low:.2f}–{high:.2f}) of {n}"
