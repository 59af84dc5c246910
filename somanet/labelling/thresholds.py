"""Masks neither too small nor too large: the threshold at which a network's labels agree best with labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from somanet.errors import SomaNetError
from somanet.evaluation.masks import Labels
from somanet.evaluation.scores import score_dataset
from somanet.segmentation.instances import probabilities_to_labels
from somanet.segmentation.settings import ModelSpec

CANDIDATES = tuple(round(0.2 + 0.05 * number, 2) for number in range(13))


class AtThreshold(NamedTuple):
    """How labels made with one threshold agree with the truth.

    Attributes:
        threshold: of the soma probability.
        accuracy: TP / (TP + FP + FN) over all objects, mean over IoU 0.5 to 0.9.
        size_bias: median ratio of found to true area; NaN where nothing matches.
    """

    threshold: float
    accuracy: float
    size_bias: float


def at_thresholds(
    maps: Sequence[NDArray[np.float32]],
    truths: Sequence[Labels],
    spec: ModelSpec,
    thresholds: Sequence[float] = CANDIDATES,
) -> list[AtThreshold]:
    """Scores of a network's probability maps CYX for each threshold, in the order of the thresholds."""
    found = []
    for threshold in thresholds:
        settings = spec.instances.model_copy(update={"threshold": threshold})
        labels = (probabilities_to_labels(map_CYX, spec.outputs, settings) for map_CYX in maps)
        pairs = ((str(number), *pair) for number, pair in enumerate(zip(truths, labels, strict=True)))
        values = score_dataset(pairs, intervals=False).values
        found.append(AtThreshold(threshold, values["mean_ap"], values["size_bias"]))
    return found


def best_threshold(
    maps: Sequence[NDArray[np.float32]], truths: Sequence[Labels], spec: ModelSpec
) -> tuple[AtThreshold, AtThreshold]:
    """The network's own threshold, and the one with the best accuracy; of equals, the nearest to its own.

    Args:
        maps: the network's probability maps CYX.
        truths: labels YX of the same images.
        spec: of the network.

    Raises:
        SomaNetError: nothing is found right at any threshold.
    """
    own = spec.instances.threshold
    nearest_first = sorted({own, *CANDIDATES}, key=lambda threshold: abs(threshold - own))
    scored = at_thresholds(maps, truths, spec, nearest_first)
    best = max(scored, key=lambda one: one.accuracy)
    if not best.accuracy > 0:
        raise SomaNetError(
            "No threshold suits this network: it finds none of the somas of these images at IoU 0.5. Expected images "
            "of the kind that it was trained on."
        )
    return scored[0], best
