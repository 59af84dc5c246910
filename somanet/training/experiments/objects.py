"""Scores of the objects in validation images during a training, with the post-processing of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.settings import ModelSpec

MIN_IOU = 0.5
"""Object IoU from which a predicted object counts as found, the first of an evaluation's thresholds."""


@dataclass
class ValidationObjects:
    """IoU of the labels, and precision and accuracy of their objects, summed image by image.

    Nothing but counts is kept: no bootstrap, no table, and one threshold, so that an epoch costs hardly more.
    Images are taken as they are: without the tiles of images beyond 1024 px and without filling of missing pixels, by
    which an evaluation may differ slightly.

    Attributes:
        spec: the network's outputs and post-processing.
    """

    spec: ModelSpec
    _ious: list[float] = field(default_factory=list)
    _counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(3, np.int64))
    """Objects found, false and missed."""

    def add(self, item: LabelledImage, probabilities_CYX: NDArray[np.float32]) -> None:
        """Score one image."""
        from somanet.evaluation.masks import score_image
        from somanet.segmentation.inference.instances import probabilities_to_labels

        labels_YX = probabilities_to_labels(probabilities_CYX, self.spec.outputs, self.spec.instances)
        row = score_image(item.labels, labels_YX, thresholds=(MIN_IOU,))
        self._ious.append(row["iou"])
        self._counts += np.array([row[f"{kind}_{MIN_IOU:g}"] for kind in ("tp", "fp", "fn")], np.int64)

    def scores(self) -> dict[str, float]:
        """`iou`, the mean over images, and `precision` and `accuracy` over all objects; NaN where undefined."""
        from somanet.evaluation.masks import object_scores

        objects = object_scores(*map(int, self._counts))
        return {
            "iou": float(np.mean(self._ious)),
            "precision": objects["precision"],
            "accuracy": objects["accuracy"],
        }
