"""How often `somanet finetune` says `better`: of networks that are equal on average, and of better ones.

python -m benchmarks.verdicts                     # minutes; prints the tables that docs/finetuning.md quotes
python -m benchmarks.verdicts --table better      # only how often better networks are called so
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from somanet.core.markdown import table
from somanet.evaluation.image_tables import ImageValues
from somanet.evaluation.paired import paired_differences
from somanet.evaluation.resampling import Floats
from somanet.training.finetuning.verdict import SCORE, gains_of_units, is_sure, outcome_of

DRAWS: Mapping[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "rare large gains": lambda rng, n: rng.exponential(1, n) - 1,
    "rare large losses": lambda rng, n: 1 - rng.exponential(1, n),
    "rarer, larger losses": lambda rng, n: (np.exp(0.5) - rng.lognormal(0, 1, n)) / np.sqrt(np.e**2 - np.e),
    "heavy tails": lambda rng, n: rng.standard_t(2, n),
}
"""Differences of mean 0 and standard deviation 1 (exponential, lognormal); Student's t of 2 degrees has no such one."""
CASES: tuple[tuple[int, int | None], ...] = (
    (5, None), (6, None), (7, None), (8, None), (10, None), (12, None), (15, None), (20, None), (40, None),
    (12, 2), (12, 6), (40, 10), (40, 20),
)  # fmt: skip
"""Crops, and movies that they are of; None: of one, each crop by itself."""
POWER_CASES = ((8, None), (12, None), (20, None))
GAINS = (0.8, 1.2)
"""True means, in standard deviations of a crop."""


class Share(NamedTuple):
    """Of the draws: those called better by the rule, and by exchange test and interval without the third test."""

    better: float
    without: float
    too_few: float


def shares(kind: str, n_crops: int, n_movies: int | None, *, draws: int, gain: float = 0.0) -> Share:
    """How many draws of differences are called better.

    Args:
        kind: of :data:`DRAWS`.
        n_crops, n_movies: where there are movies, each has a difference of its own, drawn as those of its crops are.
        draws: number of draws.
        gain: true mean, in standard deviations of a crop.
    """
    rng = np.random.default_rng([n_crops, n_movies or 0, *kind.encode()])
    movie_N = np.arange(n_crops) % (n_movies or n_crops)
    of = None if n_movies is None else {str(crop): str(movie) for crop, movie in enumerate(movie_N)}
    gains: dict[str, Floats] = {}
    for draw in range(draws):
        gains_N = DRAWS[kind](rng, n_crops) + gain
        if n_movies is not None:
            gains_N = gains_N + DRAWS[kind](rng, n_movies)[movie_N]
        gains[f"draw {draw}"] = gains_N
    tables = {**{name: _of_iou(gains_N) for name, gains_N in gains.items()}, "start": _of_iou(np.zeros(n_crops))}
    found = paired_differences(tables, "start", scores=[SCORE], movie_of=of)
    units = None if n_movies is None else [str(movie) for movie in movie_N]
    said = [outcome_of(found[name][SCORE], gains_of_units(gains_N, units)) for name, gains_N in gains.items()]
    without = [is_sure(one[SCORE]) and one[SCORE].value > 0 for one in found.values()]
    return Share(said.count("better") / draws, sum(without) / draws, said.count("too few") / draws)


def _of_iou(iou_N: Floats) -> ImageValues:
    names = tuple(map(str, range(len(iou_N))))
    return ImageValues(names, np.zeros(len(iou_N)), (SCORE,), iou_N[None, None], ("0.5",))


def _row(n_crops: int, n_movies: int | None, *, draws: int, gain: float = 0.0) -> list[str]:
    """What is called better of each kind, with the share without the third test in brackets."""
    found = [shares(kind, n_crops, n_movies, draws=draws, gain=gain) for kind in DRAWS]
    cells = ["too few" if one.too_few == 1 else f"{100 * one.better:.1f} ({100 * one.without:.1f})" for one in found]
    print(n_crops, n_movies, gain, *cells, sep="; ", file=sys.stderr, flush=True)
    return cells


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--table", choices=("equal", "better"), action="append", help="only this one")
    given = parser.parse_args()
    draws, tables = given.draws, given.table or ("equal", "better")
    if "equal" in tables:
        named = [(f"{crops} of {movies or 'one'} movie{'s' * bool(movies)}", crops, movies) for crops, movies in CASES]
        rows = [(name, *_row(crops, movies, draws=draws)) for name, crops, movies in named]
        print("Called better of networks that are equal on average, in % (without the third test):\n")
        print(table(("held-out crops", *DRAWS), rows))
    if "better" in tables:
        rows = [
            (f"{crops}, {gain}", *_row(crops, movies, draws=draws, gain=gain))
            for crops, movies in POWER_CASES
            for gain in GAINS
        ]
        print("\nCalled better of better networks, in % (without the third test):\n")
        print(table(("held-out crops, true gain", *DRAWS), rows))


if __name__ == "__main__":
    main()
