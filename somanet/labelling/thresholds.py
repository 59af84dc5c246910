"""Masks neither too small nor too large: the threshold at which a network's labels agree best with labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from somanet.data.layouts import LabelledImage
from somanet.errors import SomaNetError
from somanet.evaluation.masks import THRESHOLDS, Labels, ratio, score_image, size_ratios
from somanet.files import write_json
from somanet.segmentation.checkpoint import CONFIG, load_checkpoint, read_config
from somanet.segmentation.instances import probabilities_to_labels
from somanet.segmentation.prediction import predict_probabilities
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


def mean_accuracy(pairs: Sequence[tuple[Labels, Labels]]) -> float:
    """TP / (TP + FP + FN) over all objects of (true, found) label images, mean over IoU 0.5 to 0.9."""
    rows = [score_image(true, found, thresholds=THRESHOLDS) for true, found in pairs]
    values = []
    for threshold in THRESHOLDS:
        tp, fp, fn = (sum(row[f"{kind}_{threshold:g}"] for row in rows) for kind in ("tp", "fp", "fn"))
        values.append(ratio(tp, tp + fp + fn))
    return float(np.mean(values))


def at_thresholds(
    probabilities: Sequence[NDArray[np.float32]],
    truths: Sequence[Labels],
    spec: ModelSpec,
    thresholds: Sequence[float] = CANDIDATES,
) -> list[AtThreshold]:
    """Scores of one network's probability maps CYX for each threshold, in the order of the thresholds."""
    found = []
    for threshold in thresholds:
        settings = spec.instances.model_copy(update={"threshold": threshold})
        labels = [probabilities_to_labels(map_CYX, spec.outputs, settings) for map_CYX in probabilities]
        pairs = list(zip(truths, labels, strict=True))
        ratios = [share for pair in pairs for share in size_ratios(*pair)]
        found.append(AtThreshold(threshold, mean_accuracy(pairs), float(np.median(ratios)) if ratios else float("nan")))
    return found


def choose_threshold(folder: Path, items: Sequence[LabelledImage]) -> tuple[AtThreshold, AtThreshold]:
    """The threshold with the best accuracy becomes the network's, in its `config.json`; of equals, the nearest one.

    Args:
        folder: of the checkpoint, which is changed.
        items: images with labels, best such as the network did not learn from.

    Returns:
        As it was, and as it is now.

    Raises:
        SomaNetError: the network cannot be read or written, or it finds nothing in these images at any threshold.
    """
    loaded = load_checkpoint(folder)
    before = loaded.spec.instances.threshold
    maps = [predict_probabilities(loaded.model, item.image, loaded.spec) for item in items]
    nearest_first = sorted({before, *CANDIDATES}, key=lambda threshold: abs(threshold - before))
    scored = at_thresholds(maps, [item.labels for item in items], loaded.spec, nearest_first)
    best = max(scored, key=lambda one: one.accuracy)
    if not best.accuracy > 0:
        raise SomaNetError(
            f"No threshold suits the network in {folder}: it finds none of the somas of these images at IoU 0.5. "
            "Expected images of the kind that it was trained on."
        )
    config = read_config(folder)
    instances = {**loaded.spec.instances.model_dump(mode="json"), "threshold": best.threshold}
    write_json(folder / CONFIG, {**config, "model": {**config["model"], "instances": instances}})
    return scored[0], best
