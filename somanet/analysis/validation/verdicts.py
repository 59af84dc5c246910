"""How often each verdict on saltation numbers is right: of one movie, and of several of one world together.

What counts is the bias of a world, the mean over its movies: the error of one movie is chance as well, which no check
of that movie can see.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from somanet.analysis.validation.random_worlds import world_of
from somanet.analysis.validation.tracks import coverage_of
from somanet.analysis.validation.world_scores import LARGE, SHORT, SMALL, errors_of
from somanet.analysis.validation.world_tracks import simulate_world
from somanet.core.markdown import table
from somanet.migration.cells import migration_of
from somanet.migration.measures import measure_movie
from somanet.migration.signs import Signs, pooled
from somanet.migration.verdict_names import FAIL, HOLD, UNTOLD

MOVIES, MORE_MOVIES = 4, 1
"""Of each world: so many are measured in full and pooled, and of so many more the error is taken, by the rule alone."""
RESAMPLES = 20
KINDS: Mapping[str, Callable[[float], bool]] = {
    "below 5 %": lambda bias: bias < SMALL,
    "5 to 15 %": lambda bias: SMALL <= bias <= LARGE,
    "above 15 %": lambda bias: bias > LARGE,
}
Movie = tuple[pd.DataFrame, Callable[[pd.DataFrame], Mapping[str, float]]]
"""Tracks, and from what is measured of them the errors of frequency and length (:data:`SHORT`)."""


def world_movies(seed: int) -> Iterator[Movie]:
    """Movies of the world of a seed, without end."""
    world = world_of(seed)
    for i in range(1000):
        tracks, jumps = simulate_world(world, seed=1000 * seed + i)
        yield tracks, partial(errors_of, world, jumps=jumps)


def score_verdicts(seed: int, movies: Iterable[Movie], *, full: int = MOVIES, more: int = MORE_MOVIES) -> pd.DataFrame:
    """The verdicts on movies of one world, and its bias.

    Returns:
        One row: ``seed``; ``bias``, the larger of frequency and length, of the mean of all movies; ``errors``, JSON of
        both of each movie; ``signs``, JSON of those of each movie that is measured in full.
    """
    signs, errors = [], []
    for i, (tracks, error_of) in enumerate(movies):
        if i < full:
            measures = measure_movie(tracks, drift="none", seed=seed + i, resamples=RESAMPLES)
            signs.append(measures.support.signs.as_dict())
            cells = measures.migration.cells
        else:
            cells = migration_of(tracks, drift="none").cells
        errors.append(error_of(cells))
        if len(errors) == full + more:
            break
    means = [abs(float(np.mean([one[short] for one in errors]))) for short in SHORT]
    both = [[one[short] for short in SHORT] for one in errors]
    row = {"seed": seed, "bias": float(np.nanmax(means)), "errors": json.dumps(both), "signs": json.dumps(signs)}
    return pd.DataFrame([row])


def signs_in(row: Mapping[str, object]) -> list[Signs]:
    """Those of each movie of a world, from a row of :func:`score_verdicts`."""
    return [Signs.from_dict(one) for one in json.loads(str(row["signs"]))]


def judged(scores: pd.DataFrame, movies: int) -> pd.DataFrame:
    """Bias, verdict and how near the limits, of each world's first movies together."""
    rows = []
    for row in scores.to_dict("records"):
        together = pooled(signs_in({str(name): value for name, value in row.items()})[:movies])
        rows.append({"bias": row["bias"], "verdict": together.verdict(), "nearest": together.nearest})
    return pd.DataFrame(rows)


def verdicts_markdown(scores: pd.DataFrame, *, worlds: str = "worlds drawn at random") -> str:
    """How often numbers are said to hold, not to hold, and not to be told, by bias; Wilson's 95 % intervals."""
    head = [f"{len(scores)} {worlds}", "bias", "said not to hold", "cannot tell", "said to hold"]
    lines = []
    for n in (1, MOVIES):
        found = judged(scores, n)
        for kind, belongs in KINDS.items():
            verdicts = found.loc[[belongs(bias) for bias in found["bias"]], "verdict"]
            shares = [_share(verdicts == one) for one in (FAIL, UNTOLD, HOLD)]
            words = "one movie" if n == 1 else f"{n} movies together"
            lines.append([words, f"{kind}, {len(verdicts)} worlds", *shares])
    return table(head, lines)


def _share(chosen: pd.Series) -> str:
    """``0.12 (0.05–0.27)``."""
    if not len(chosen):
        return "–"
    found = coverage_of(chosen.to_numpy(bool))
    return f"{found['coverage']:.2f} ({found['coverage_low']:.2f}–{found['coverage_high']:.2f})"


def power(scores: pd.DataFrame, *, false: float = 0.1, counts: Sequence[int] = (1, 2, 4)) -> pd.DataFrame:
    """What a limit on how near the signs come can do at best, chosen with the biases of these very worlds known.

    Args:
        scores: of :func:`score_verdicts`.
        false: worlds of small bias above the limit, at most.
        counts: movies together.

    Returns:
        By ``movies``: ``limit``, the lowest that allows no more false warnings; ``found``, worlds of large bias above
        it; ``auc``, the chance that one of large bias is nearer than one of small.
    """
    rows = []
    for n in counts:
        every = judged(scores, n)
        small, large = (
            every.loc[chosen, "nearest"].to_numpy() for chosen in (every["bias"] < SMALL, every["bias"] > LARGE)
        )
        allowed = math.floor(false * len(small))
        limit = float(np.sort(small)[::-1][allowed]) if len(small) else math.nan
        beats = (large[:, None] > small).mean() if len(small) and len(large) else math.nan
        rows.append({"movies": n, "limit": limit, "found": float((large > limit).mean()), "auc": float(beats)})
    return pd.DataFrame(rows)


def power_markdown(scores: pd.DataFrame) -> str:
    """A line per number of movies; of :func:`power`."""
    head = ["movies together", "warned at best, bias above 15 %, with 0.10 below 5 %", "told apart in"]
    lines = [
        [f"{row['movies']:.0f}", f"{row['found']:.2f}", f"{row['auc']:.2f}"] for row in power(scores).to_dict("records")
    ]
    return table(head, lines)


SCATTERS: Mapping[str, Callable[[Signs], float]] = {
    "change of frequency, half of the frames": lambda signs: signs.change_of_frequency,
    "change of length, half of the frames": lambda signs: signs.change_of_length,
    "model against rule": lambda signs: signs.model,
    "model at half of the frames against rule": lambda signs: signs.model_of_half,
}


def scatter_markdown(scores: pd.DataFrame) -> str:
    """How much errors and signs differ between movies of one world: the median of worlds of the standard deviation."""
    of_errors = np.array([np.std(np.log1p(json.loads(row)), axis=0, ddof=1) for row in scores["errors"]])
    found = {f"error of {short}": of_errors[:, k] for k, short in enumerate(SHORT)}
    for words, sign in SCATTERS.items():
        each = [[sign(one) for one in signs_in({"signs": row})] for row in scores["signs"]]
        found[words] = np.array([np.std(one, ddof=1) for one in each])
    lines = [[words, f"{100 * float(np.nanmedian(values)):.0f} %"] for words, values in found.items()]
    return table(["of one movie", "standard deviation between movies of a world"], lines)
