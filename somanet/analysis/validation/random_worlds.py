"""Worlds drawn at random, every property at once: how often the intervals of each number hold, and the warning fires.

One movie after another, measured as a user's are. Limits and widths are set on some seeds and checked on others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from somanet.analysis.validation.corrected import ABSOLUTE, HEADINGS, TRAVEL, truth
from somanet.analysis.validation.tracks import coverage_of
from somanet.analysis.validation.world_scores import score_world, warning_rates
from somanet.analysis.validation.worlds import random_world
from somanet.core.markdown import table

COUNTED = (
    "frequency_corrected_per_h",
    "mean_length_corrected_um",
    *TRAVEL,
    "velocity_along_um_per_h",
    "mean_cosine",
    "resultant_corrected",
)
"""Numbers whose coverage is measured."""
MOST_NOISE_UM = 1.5
MOVIES = 2


def score_random(seed: int, *, movies: int = MOVIES) -> pd.DataFrame:
    """The movies of one world.

    Args:
        seed: of the world, and of its movies.
        movies: of that world.

    Returns:
        :func:`somanet.analysis.validation.world_scores.score_world`, with the true value of each of :data:`COUNTED` as
        ``…_true``, ``seed``, and ``in_scope``: cells rest, and the error is at most 1.5 µm.
    """
    world = random_world(np.random.default_rng(seed), name=f"random {seed}")
    true = truth(replace(world, name="", n_cells=1, interval_min=1.0))
    scores = score_world(world, replicates=movies, seed=1000 * seed)
    return scores.assign(
        seed=seed,
        in_scope=world.rests and world.noise_um <= MOST_NOISE_UM,
        **{f"{name}_true": true[name] for name in COUNTED},
    )


def coverage(scores: pd.DataFrame) -> pd.DataFrame:
    """How often intervals hold the true values, of worlds in scope; one row per number.

    Returns:
        ``estimated``: share of movies with an interval, ``n`` of them; ``coverage`` of these, with Wilson's interval;
        ``error``, median and relative; ``coverage_supported`` in the movies that support saltation numbers, of
        ``n_supported``.
    """
    some = scores[scores["in_scope"].astype(bool)]
    supported = some["supported"].astype(bool).to_numpy()
    rows = []
    for name in COUNTED:
        value, low, high, true = (some[f"{name}{end}"].to_numpy(float) for end in ("", "_low", "_high", "_true"))
        given = np.isfinite(low)
        held = (low <= true) & (true <= high)
        error = value - true if name in ABSOLUTE else value / true - 1
        rows.append(
            {
                "number": name,
                "n": int(given.sum()),
                "estimated": float(given.mean()) if given.size else np.nan,
                **coverage_of(held[given]),
                "error": float(np.median(error[given])) if given.any() else np.nan,
                "n_supported": int((given & supported).sum()),
                "coverage_supported": coverage_of(held[given & supported])["coverage"],
            }
        )
    return pd.DataFrame(rows)


def coverage_markdown(scores: pd.DataFrame) -> str:
    """A line per number."""
    head = ["number", "estimated in", "intervals hold", "median error", "… in movies that support saltation numbers"]
    lines = []
    for row in coverage(scores).to_dict("records"):
        absolute = row["number"] in ABSOLUTE
        error = f"{row['error']:+.2g}" if absolute else f"{100 * row['error']:+.0f} %"
        lines.append(
            [
                HEADINGS[row["number"]],
                f"{100 * row['estimated']:.0f} % of movies",
                f"{row['coverage']:.2f} ({row['coverage_low']:.2f}–{row['coverage_high']:.2f}) of {row['n']}",
                error.replace("-", "−"),
                f"{row['coverage_supported']:.2f} of {row['n_supported']}",
            ]
        )
    return table(head, lines)


def warnings_markdown(scores: pd.DataFrame) -> str:
    """How often saltation numbers are called not supported, by how wrong they are, in all worlds."""
    rates = warning_rates(scores)
    head = ["worlds", *(f"warned, bias {kind}" for kind in ("above 15 %", "below 5 %", "between"))]
    cells = [
        f"{rates[f'{kind}_warned']:.2f} of {rates[f'{kind}_movies']:.0f} movies"
        for kind in ("large", "small", "between")
    ]
    return table(head, [[f"{scores['seed'].nunique()} drawn at random", *cells]])
