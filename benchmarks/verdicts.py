"""How often `somanet finetune` says `better`, and `somanet promote` promotes: of equal networks, and of better ones.

python -m benchmarks.verdicts                     # minutes; prints the tables that docs/finetuning.md quotes
python -m benchmarks.verdicts --table better      # only how often better networks are called so
python -m benchmarks.verdicts --table promotion   # how often equal and better networks are promoted: docs/lineage.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from somanet.core.markdown import table
from somanet.evaluation.image_tables import ImageValues
from somanet.evaluation.paired import ALPHA, paired_differences
from somanet.evaluation.resampling import Floats
from somanet.evaluation.sureness import gains_of_units, is_sure
from somanet.training.finetuning.verdict import SCORE, outcome_of

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
PROMOTION_CASES = (5, 8, 20)
GAINS = (0.8, 1.2)
"""True means, in standard deviations of a crop."""


class Share(NamedTuple):
    """Shares of the draws.

    Attributes:
        better: called better by the rule of fine-tuning.
        without: by exchange test and interval, without the third test.
        too_few: not judged.
        promoted: better by the rule of promotion.
        above_0: by the interval alone.
    """

    better: float
    without: float
    too_few: float
    promoted: float
    above_0: float


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
    gains_U = {name: gains_of_units(tables[name], tables["start"], SCORE, movie_of=of) for name in gains}
    differences = {name: found[name][SCORE] for name in gains}
    said = [outcome_of(one, gains_U[name]) for name, one in differences.items()]
    higher = {name: one for name, one in differences.items() if one.low > 0}
    return Share(
        said.count("better") / draws,
        sum(one.p <= ALPHA for one in higher.values()) / draws,
        said.count("too few") / draws,
        sum(is_sure(one, gains_U[name]) for name, one in higher.items()) / draws,
        len(higher) / draws,
    )


def _of_iou(iou_N: Floats) -> ImageValues:
    names = tuple(map(str, range(len(iou_N))))
    return ImageValues(names, np.zeros(len(iou_N)), (SCORE,), iou_N[None, None], ("0.5",))


def _row(n_crops: int, n_movies: int | None, *, draws: int, gain: float = 0.0) -> list[str]:
    """What is called better of each kind, with the share without the third test in brackets."""
    found = [shares(kind, n_crops, n_movies, draws=draws, gain=gain) for kind in DRAWS]
    cells = ["too few" if one.too_few == 1 else f"{100 * one.better:.1f} ({100 * one.without:.1f})" for one in found]
    print(n_crops, n_movies, gain, *cells, sep="; ", file=sys.stderr, flush=True)
    return cells


def _promotion_row(n_images: int, *, draws: int, gain: float) -> list[str]:
    """What is promoted of each kind, with the share by the interval alone in brackets."""
    found = [shares(kind, n_images, None, draws=draws, gain=gain) for kind in DRAWS]
    return [f"{100 * one.promoted:.1f} ({100 * one.above_0:.1f})" for one in found]


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--table", choices=("equal", "better", "promotion"), action="append", help="only this one")
    given = parser.parse_args()
    draws, tables = given.draws, given.table or ("equal", "better", "promotion")
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
    if "promotion" in tables:
        cases = [(n, gain) for gain in (0.0, *GAINS) for n in PROMOTION_CASES]
        rows = [(f"{n}, {gain}", *_promotion_row(n, draws=draws, gain=gain)) for n, gain in cases]
        print("\nPromoted, in % (by the interval alone):\n")
        print(table(("images, true gain", *DRAWS), rows))


if __name__ == "__main__":
    main()
