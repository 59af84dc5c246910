"""Predicted boxes against ground truth: the same matching and scores for every detector, network or masks.

Matching and average precision are COCO's, by pycocotools (:mod:`.coco`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from skimage.segmentation import relabel_sequential

from benchmarks.yolo.coco import Evaluation, average_precision, evaluate_image
from somanet.core.errors import SomaNetError
from somanet.evaluation.masks import Labels, object_scores

Boxes = NDArray[np.float64]
"""(n, 4): x0, y0, x1, y1 in pixels, half open: a pixel in column 3 spans 3 to 4."""

MIN_IOU = 0.5


@dataclass(frozen=True)
class MatchedBoxes:
    """The predicted boxes of one image, each with its matched ground truth box.

    Attributes:
        scores: confidence of each predicted box.
        partner: index of its ground truth box; -1 for none.
        counted: which predicted boxes count; the others are neither right nor wrong.
        counted_true: which ground truth boxes count.
        evaluation: COCO's own evaluation of the image.
    """

    scores: NDArray[np.float64]
    partner: NDArray[np.intp]
    counted: NDArray[np.bool_]
    counted_true: NDArray[np.bool_]
    evaluation: Evaluation | None


def boxes_of(labels_YX: Labels) -> Boxes:
    """The bounding box of every object, in order of id; an object of several parts has one box around them all."""
    slices = [found for found in find_objects(relabel_sequential(np.asarray(labels_YX))[0]) if found is not None]
    boxes = [(x.start, y.start, x.stop, y.stop) for y, x in slices]
    return np.array(boxes, np.float64).reshape(-1, 4)


def on_edge(boxes: Boxes, shape_YX: tuple[int, int]) -> NDArray[np.bool_]:
    """Which boxes are within a pixel of the image's edge: their objects may continue outside."""
    height, width = shape_YX
    touching: NDArray[np.bool_] = (boxes[:, :2] < 1).any(1) | (boxes[:, 2] > width - 1) | (boxes[:, 3] > height - 1)
    return touching


def match_boxes(
    true: Boxes,
    pred: Boxes,
    scores: NDArray[np.float64],
    *,
    min_iou: float = MIN_IOU,
    ignored_true: NDArray[np.bool_] | None = None,
    ignored_pred: NDArray[np.bool_] | None = None,
) -> MatchedBoxes:
    """Match one image's boxes as COCO does: the most confident first, each to the free ground truth box of largest IoU.

    Args:
        true: the ground truth boxes.
        pred: the predicted ones.
        scores: their confidence; ties keep their order.
        min_iou: minimum IoU of a pair.
        ignored_true: ground truth boxes that need not be found (cut by the edge, for example). They are matched only
            if no counted one is left, and boxes matched to them do not count.
        ignored_pred: predicted boxes that do not count if they match nothing.

    Raises:
        SomaNetError: arrays do not fit each other, or a score is not a number.
    """
    if true.shape[1:] != (4,) or pred.shape[1:] != (4,) or scores.shape != (len(pred),):
        raise SomaNetError(
            f"Expected boxes of 4 numbers and a score for each predicted one, found {true.shape} true, {pred.shape} "
            f"predicted and {scores.shape} scores. Were tables of different images joined?"
        )
    if not np.isfinite(scores).all():
        raise SomaNetError("A predicted box has a score that is not a number. Was its table edited?")
    ignored_true = np.zeros(len(true), bool) if ignored_true is None else ignored_true
    ignored_pred = np.zeros(len(pred), bool) if ignored_pred is None else ignored_pred
    evaluation = evaluate_image(
        true, pred, scores, min_iou=min_iou, ignored_true=ignored_true, ignored_pred=ignored_pred
    )
    partner = np.full(len(pred), -1, np.intp)
    counted = np.ones(len(pred), bool)
    if evaluation is not None:
        rows = np.array(evaluation["dtIds"], np.intp) - 1
        partner[rows] = evaluation["dtMatches"][0].astype(np.intp) - 1
        counted[rows] = ~evaluation["dtIgnore"][0]
    return MatchedBoxes(np.asarray(scores, np.float64), partner, counted, ~ignored_true, evaluation)


def score_boxes(images: Sequence[MatchedBoxes], *, min_score: float = 0.0) -> dict[str, float]:
    """Scores of a data set; all boxes of all images count equally.

    Args:
        images: from :func:`match_boxes`.
        min_score: confidence threshold of a detector: less confident boxes are dropped. The average
            precision does not depend on it, as it covers every threshold.

    Returns:
        `precision`, `recall`, `f1` at the threshold; `ap`, COCO's average precision at the matching's IoU; NaN
        where undefined.
    """
    scores, right, n_true = _pooled(images)
    tp = int((right & (scores >= min_score)).sum())
    found = int((scores >= min_score).sum())
    at_cut = object_scores(tp, found - tp, n_true - tp)
    return {
        **{name: at_cut[name] for name in ("precision", "recall", "f1")},
        "ap": average_precision([image.evaluation for image in images]),
    }


def best_cut(sets: Sequence[Sequence[MatchedBoxes]]) -> tuple[float, float]:
    """The best confidence threshold, by the mean F1 of one or several validation sets.

    Returns:
        The threshold (NaN without any matched box), and the mean F1 there.
    """
    pooled = [_pooled(images) for images in sets]
    cuts = np.unique(np.concatenate([np.empty(0), *(scores[right] for scores, right, _ in pooled)]))
    if not cuts.size:
        return math.nan, math.nan
    total = np.zeros(len(cuts))
    for scores, right, n_true in pooled:
        order = np.argsort(scores)
        # Numbers of boxes, and of matched ones, at or above each threshold.
        first = np.searchsorted(scores[order], cuts, side="left")
        found = len(scores) - first
        tp = np.append(np.cumsum(right[order][::-1])[::-1], 0)[first]
        total += 2 * tp / np.maximum(found + n_true, 1)
    best = int(total.argmax())
    return float(cuts[best]), float(total[best] / len(pooled))


def _pooled(images: Sequence[MatchedBoxes]) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
    """Confidence and correctness of the counted boxes, and the number of counted ground truth ones."""
    scores = np.concatenate([np.empty(0), *(image.scores[image.counted] for image in images)])
    right = np.concatenate([np.empty(0, bool), *(image.partner[image.counted] >= 0 for image in images)])
    return scores, right, sum(int(image.counted_true.sum()) for image in images)
