"""How often chance writes the sentence of `somanet finetune`: verdicts on differences whose true mean is 0.

python -m benchmarks.verdicts          # some minutes; prints the table that docs/finetuning.md quotes
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from somanet.core.markdown import table
from somanet.evaluation.image_tables import ImageValues
from somanet.evaluation.paired import paired_differences
from somanet.evaluation.resampling import Floats
from somanet.training.finetuning.verdict import SCORE, outcome_of

DRAWS: Mapping[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "rare large gains": lambda rng, n: rng.exponential(1, n) - 1,
    "rare large losses": lambda rng, n: 1 - rng.exponential(1, n),
    "heavy tails": lambda rng, n: rng.standard_t(2, n),
}
CASES: tuple[tuple[int, int | None], ...] = (
    (3, None), (6, None), (10, None), (12, None), (40, None), (12, 2), (12, 6), (40, 4), (40, 10), (40, 20),
)  # fmt: skip
"""Crops, and movies that they are of; None: of one, each crop by itself."""


def outcomes(kind: str, n_crops: int, n_movies: int | None, *, draws: int, shift: float = 0.0) -> Counter[str]:
    """Verdicts on draws of differences.

    Args:
        kind: of :data:`DRAWS`.
        n_crops, n_movies: where there are movies, each has a difference of its own, drawn as those of its crops are.
        draws: number of draws.
        shift: true mean, in standard deviations of a crop.
    """
    rng = np.random.default_rng([n_crops, n_movies or 0, *kind.encode()])
    movie_N = np.arange(n_crops) % (n_movies or n_crops)
    of = None if n_movies is None else {str(crop): str(movie) for crop, movie in enumerate(movie_N)}
    networks = {}
    for draw in range(draws):
        gains_N = DRAWS[kind](rng, n_crops) + shift
        if n_movies is not None:
            gains_N = gains_N + DRAWS[kind](rng, n_movies)[movie_N]
        networks[f"draw {draw}"] = _of_iou(gains_N)
    tables = {**networks, "start": _of_iou(np.zeros(n_crops))}
    found = paired_differences(tables, "start", scores=[SCORE], movie_of=of)
    return Counter(outcome_of(one[SCORE], n_movies or n_crops) for one in found.values())


def _of_iou(iou_N: Floats) -> ImageValues:
    names = tuple(map(str, range(len(iou_N))))
    return ImageValues(names, np.zeros(len(iou_N)), (SCORE,), iou_N[None, None], ("0.5",))


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    draws = parser.parse_args().draws
    rows = []
    for n_crops, n_movies in CASES:
        cells = []
        for kind in DRAWS:
            found = outcomes(kind, n_crops, n_movies, draws=draws)
            cells.append("too few" if found["too few"] == draws else f"{100 * found['better'] / draws:.1f} %")
        rows.append((f"{n_crops} of {n_movies or 'one'} movie{'s' * bool(n_movies)}", *cells))
    print(table(("held-out crops", *DRAWS), rows))


if __name__ == "__main__":
    main()
