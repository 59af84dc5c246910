"""Quality, computed in two ways: over all objects, and per image as published scores are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from somanet.evaluation.masks import Labels
from somanet.evaluation.scores import Scores, bootstrap_intervals, score_dataset

Pair = tuple[str, Labels, Labels]
SUBSETS = ("fluorescence", "all")
PUBLISHED = (
    ("StarDist", 0.864, 0.584),
    ("Mask R-CNN", 0.832, 0.594),
    ("PatchPerPix", 0.868, 0.693),
)
"""Accuracy at IoU 0.5 and mean over 0.5 to 0.9, averaged over images, of Hirsch, Mais & Kainmueller
(PatchPerPix, ECCV 2020) for StarDist's split of the fluorescence images, which is not the split used here."""


def score_subsets(pairs: Sequence[Pair], fluorescent: Mapping[str, bool]) -> dict[str, dict[str, Any]]:
    """Scores of the grey fluorescence images and of all; an empty subset is left out.

    Args:
        pairs: (name, ground truth labels, predicted labels) of every image.
        fluorescent: by name, see :func:`somanet.segmentation.inference.modality.not_fluorescence`.
    """
    parts = {"fluorescence": [pair for pair in pairs if fluorescent[pair[0]]], "all": list(pairs)}
    return {name: both_ways(score_dataset(part)) for name, part in parts.items() if part}


def both_ways(scores: Scores) -> dict[str, Any]:
    """The scores of the tables, with 95 % bootstrap intervals over images.

    `iou` is the mean over images. `pooled_*`: TP / (TP + FP + FN) with the counts of all images summed. `images_*`:
    the same of each image, then their mean; an image without any true or predicted object is left out.
    `*_mean` is over the IoU thresholds 0.5 to 0.9.
    """
    accuracies = per_image_accuracies(scores)

    def over_images(index: NDArray[np.intp]) -> dict[str, float]:
        means = [_mean(accuracies[index, column]) for column in range(accuracies.shape[1])]
        return {"images_0.5": means[0], "images_mean": float(np.mean(means))}

    n_images = len(accuracies)
    intervals = bootstrap_intervals(n_images, over_images, seed=0)
    return {
        "n_images": n_images,
        "n_objects": int(scores.per_image["n_true"].sum()),
        "iou": scores.values["iou"],
        "pooled_0.5": scores.values["ap_0.5"],
        "pooled_mean": scores.values["mean_ap"],
        **over_images(np.arange(n_images)),
        "interval95": {
            "iou": list(scores.intervals["iou"]),
            "pooled_0.5": list(scores.intervals["ap_0.5"]),
            "pooled_mean": list(scores.intervals["mean_ap"]),
            **{name: list(bounds) for name, bounds in intervals.items()},
        },
    }


def per_image_accuracies(scores: Scores) -> NDArray[np.float64]:
    """TP / (TP + FP + FN) of every image (row) at every IoU threshold (column); NaN if there is no object."""
    table = scores.per_image
    columns = []
    for threshold in scores.thresholds:
        tp, fp, fn = (table[f"{kind}_{threshold:g}"].to_numpy(float) for kind in ("tp", "fp", "fn"))
        everything = tp + fp + fn
        columns.append(np.divide(tp, everything, out=np.full(len(tp), np.nan), where=everything > 0))
    return np.stack(columns, axis=1)


def _mean(values: NDArray[np.float64]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
