"""How reliable the intervals and p values of `somanet compare` are, on differences with known true values.

python benchmarks/comparison.py        # some minutes; prints the numbers that docs/comparison.md quotes
"""

from __future__ import annotations

import numpy as np

from somanet.core.markdown import table
from somanet.evaluation.image_tables import ImageValues
from somanet.evaluation.paired import ALPHA, bootstrap_interval, exchange_p
from somanet.evaluation.resampling import Floats, bootstrap_counts, holm

N_IMAGES = (5, 8, 15, 62)
EXPERIMENTS = 2000
EQUALS, EQUAL_IMAGES, SIMULATIONS = 6, 40, 500
KINDS = ("IoU, normal", "IoU, exponential", "accuracy")


def coverage(n_images: int, kind: str) -> float:
    """Share of experiments whose 95 % interval contains the true difference."""
    rng = np.random.default_rng(n_images)
    counts = bootstrap_counts(n_images, seed=0)
    held = 0
    for _ in range(EXPERIMENTS):
        ours, theirs, ground_truth = _accuracies(rng, n_images) if kind == "accuracy" else _ious(rng, n_images, kind)
        [low], [high] = bootstrap_interval(ours, theirs, ["accuracy" if kind == "accuracy" else "iou"], counts)
        held += bool(low <= ground_truth <= high)
    return held / EXPERIMENTS


def _ious(rng: np.random.Generator, n_images: int, kind: str) -> tuple[ImageValues, ImageValues, float]:
    """Differences of single images around 0, symmetric or skewed."""
    drawn = rng.normal(size=n_images) if kind == "IoU, normal" else rng.exponential(size=n_images) - 1
    return _of_iou(drawn), _of_iou(np.zeros(n_images)), 0.0


def _accuracies(rng: np.random.Generator, n_images: int) -> tuple[ImageValues, ImageValues, float]:
    """Images of 1 to 19 objects, easy and hard ones; two networks find 0.9 and 0.7 of the easy ones, 1 and 2 false.

    The accuracy of all possible images is E(found) / (E(objects) + E(false)), with a mean ease of 0.6.
    """
    ease, n_true = rng.uniform(0.2, 1, n_images), rng.integers(1, 20, n_images)
    pair = []
    for share, false in ((0.9, 1), (0.7, 2)):
        tp = rng.binomial(n_true, share * ease)
        pair.append(_values(("tp_0.5", "fp_0.5", "fn_0.5"), [tp, rng.poisson(false, n_images), n_true - tp]))
    return pair[0], pair[1], 0.9 * 6 / 11 - 0.7 * 6 / 12


def _of_iou(iou_N: Floats) -> ImageValues:
    return _values(("iou",), [iou_N])


def _values(columns: tuple[str, ...], values_CN: list[Floats]) -> ImageValues:
    values = np.array(values_CN, float)
    n_images = values.shape[1]
    return ImageValues(tuple(map(str, range(n_images))), np.zeros(n_images), columns, values[:, None], ("0.5",))


def false_alarms(*, chosen: bool) -> float:
    """Share of simulations in which one of several equal networks seems to differ from the reference, best or first."""
    rng = np.random.default_rng(0)
    alarms = 0
    for number in range(SIMULATIONS):
        scores_VN = rng.normal(size=(EQUALS, EQUAL_IMAGES)) + rng.normal(size=EQUAL_IMAGES)
        reference = int(scores_VN.mean(axis=1).argmax()) if chosen else 0
        others = [_of_iou(row) for place, row in enumerate(scores_VN) if place != reference]
        p_VK = exchange_p(others, _of_iou(scores_VN[reference]), ["iou"], seed=number, drawn_patterns=2000)
        alarms += bool((holm(p_VK[:, 0]) < ALPHA).any())
    return alarms / SIMULATIONS


def main() -> None:
    """Print both tables."""
    rows = [[f"{n_images}", *(f"{coverage(n_images, kind):.0%}" for kind in KINDS)] for n_images in N_IMAGES]
    print(table(["images", *(f"interval contains the true value: {kind}" for kind in KINDS)], rows))
    print(f"\nAmong {EQUALS} equal networks on {EQUAL_IMAGES} images some network seems different (p < {ALPHA:g}) in")
    for chosen, words in ((True, "with the best as reference"), (False, "with one named beforehand")):
        print(f"{false_alarms(chosen=chosen):.0%} of simulations {words}")


if __name__ == "__main__":
    main()
