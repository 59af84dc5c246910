"""How far intervals and p values of `somanet compare` can be trusted, on differences whose truth is known.

python benchmarks/comparison.py        # a minute; prints what docs/comparison.md quotes
"""

from __future__ import annotations

import numpy as np

from somanet.comparison.pairing import ALPHA
from somanet.comparison.statistics import bootstrap_counts, holm, mean_intervals, sign_flip_p

N_IMAGES = (5, 8, 15, 62)
EXPERIMENTS = 2000
EQUALS, EQUAL_IMAGES, SIMULATIONS = 6, 40, 500


def coverage(n_images: int, *, skewed: bool) -> float:
    """Share of experiments whose 95 % interval holds the true mean difference, 0."""
    rng = np.random.default_rng(n_images)
    drawn = rng.exponential(size=(EXPERIMENTS, n_images)) - 1 if skewed else rng.normal(size=(EXPERIMENTS, n_images))
    low, high = mean_intervals(drawn, bootstrap_counts(n_images, seed=0))
    return float(np.mean((low <= 0) & (high >= 0)))


def false_alarms(*, chosen: bool) -> float:
    """Share of simulations in which one of equal networks seems different from the reference, the best or the first."""
    rng = np.random.default_rng(0)
    alarms = 0
    for number in range(SIMULATIONS):
        scores_VN = rng.normal(size=(EQUALS, EQUAL_IMAGES)) + rng.normal(size=EQUAL_IMAGES)
        reference = int(scores_VN.mean(axis=1).argmax()) if chosen else 0
        differences = np.delete(scores_VN - scores_VN[reference], reference, axis=0)
        alarms += bool((holm(sign_flip_p(differences, seed=number, drawn_patterns=2000)) < ALPHA).any())
    return alarms / SIMULATIONS


def main() -> None:
    """Print both tables."""
    print("| images | interval holds the truth, normal | skewed |\n| --- | --- | --- |")
    for n_images in N_IMAGES:
        shares = (coverage(n_images, skewed=skewed) for skewed in (False, True))
        print(f"| {n_images} | {' | '.join(f'{share:.0%}' for share in shares)} |")
    print(f"\nAmong {EQUALS} equal networks on {EQUAL_IMAGES} images some network seems different (p < {ALPHA:g}) in")
    for chosen, words in ((True, "with the best as reference"), (False, "with one named beforehand")):
        print(f"{false_alarms(chosen=chosen):.0%} of simulations {words}")


if __name__ == "__main__":
    main()
