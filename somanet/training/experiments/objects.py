"""Scores of the objects in validation images during a training, with the post-processing of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.settings import ModelSpec

Labels = NDArray[np.integer]

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
        from somanet.evaluation.masks import counted
        from somanet.segmentation.inference.instances import probabilities_to_labels

        found_YX = probabilities_to_labels(probabilities_CYX, self.spec.outputs, self.spec.instances)
        truth_YX, labels_YX = counted(item.labels, found_YX, item.ignored)
        true_YX, predicted_YX = truth_YX > 0, labels_YX > 0
        union = np.count_nonzero(true_YX | predicted_YX)
        self._ious.append(np.count_nonzero(true_YX & predicted_YX) / union if union else 1.0)
        self._counts += object_counts(truth_YX, labels_YX)

    def scores(self) -> dict[str, float]:
        """`iou`, the mean over images, and `precision` and `accuracy` over all objects; NaN where undefined."""
        from somanet.evaluation.masks import object_scores

        objects = object_scores(*map(int, self._counts))
        return {
            "iou": float(np.mean(self._ious)),
            "precision": objects["precision"],
            "accuracy": objects["accuracy"],
        }


def object_counts(labels_true_YX: Labels, labels_pred_YX: Labels) -> NDArray[np.int64]:
    """Objects found, false and missed, as :func:`somanet.evaluation.masks.score_image` counts them at IoU 0.5.

    Its table of all pairs would not fit into memory for the thousands of specks that an untrained network predicts in a
    large image. Only predicted objects that could match enter it; the others are false.
    """
    from somanet.evaluation.masks import overlap

    n_pred = len(np.unique(labels_pred_YX[labels_pred_YX > 0]))
    true_px, pred_px = np.bincount(labels_true_YX.ravel()), np.bincount(labels_pred_YX.ravel())
    both = (labels_true_YX > 0) & (labels_pred_YX > 0)
    codes = labels_true_YX[both].astype(np.int64) * len(pred_px) + labels_pred_YX[both]
    pairs, shared_px = np.unique(codes, return_counts=True)
    true, pred = pairs // len(pred_px), pairs % len(pred_px)
    near = shared_px >= MIN_IOU * (true_px[true] + pred_px[pred] - shared_px)
    could_match = np.zeros(len(pred_px), bool)
    could_match[pred[near]] = True
    measured = overlap(labels_true_YX, np.where(could_match[labels_pred_YX], labels_pred_YX, 0))
    n_found = len(measured.matches(MIN_IOU)[0])
    return np.array([n_found, n_pred - n_found, len(measured.true_px) - n_found], np.int64)
