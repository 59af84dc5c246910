"""Agreement of label images with the ground truth: pixels, objects, and the kinds of error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from skimage.segmentation import relabel_sequential

from somanet.core.errors import SomaNetError

Labels = NDArray[np.integer]

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
CONTAINED = 0.5
"""An object with more than this share of its area inside another counts as covered by it."""


@dataclass(frozen=True)
class Overlap:
    """Areas of the objects of two label images and of their intersections, in pixels.

    Attributes:
        true_px: area of each ground-truth object.
        pred_px: area of each predicted object.
        shared_px: intersection, ground-truth objects x predicted objects.
    """

    true_px: NDArray[np.int64]
    pred_px: NDArray[np.int64]
    shared_px: NDArray[np.int64]

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of every pair."""
        union = self.true_px[:, None] + self.pred_px[None, :] - self.shared_px
        iou: NDArray[np.float64] = self.shared_px / np.maximum(union, 1)
        return iou

    def matches(self, min_iou: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """One-to-one pairs (true index, predicted index) with IoU >= ``min_iou``: as many as possible, then by IoU.

        From 0.5 up the pairs are unique except for ties at exactly 0.5; below, they are an optimal assignment.
        """
        iou = self.iou
        if not iou.size:
            return np.empty(0, np.intp), np.empty(0, np.intp)
        eligible = iou >= min_iou
        rows, columns = linear_sum_assignment(-(eligible + iou * eligible / (2 * max(iou.shape))))
        kept = eligible[rows, columns]
        return rows[kept], columns[kept]


def overlap(labels_true_YX: Labels, labels_pred_YX: Labels) -> Overlap:
    """Measure the overlap of two label images of the same shape; ids may have gaps.

    Raises:
        SomaNetError: the shapes differ.
    """
    if labels_true_YX.shape != labels_pred_YX.shape:
        raise SomaNetError(
            f"The prediction has shape {labels_pred_YX.shape}, the ground truth {labels_true_YX.shape}: expected "
            "labels of the same image. Was it cropped or resized in between?"
        )
    true = relabel_sequential(np.asarray(labels_true_YX))[0].astype(np.int64).ravel()
    pred = relabel_sequential(np.asarray(labels_pred_YX))[0].astype(np.int64).ravel()
    n_true, n_pred = int(true.max(initial=0)) + 1, int(pred.max(initial=0)) + 1
    table = np.bincount(true * n_pred + pred, minlength=n_true * n_pred).reshape(n_true, n_pred)
    return Overlap(table.sum(1)[1:], table.sum(0)[1:], table[1:, 1:])


def on_edge(labels_YX: Labels) -> NDArray[np.bool_]:
    """Which objects (in order of id) touch the image border."""
    sequential = relabel_sequential(np.asarray(labels_YX))[0]
    edge = np.concatenate([sequential[0], sequential[-1], sequential[:, 0], sequential[:, -1]])
    touching = np.zeros(int(sequential.max(initial=0)) + 1, bool)
    touching[edge] = True
    return touching[1:]


def interior(labels_true_YX: Labels, labels_pred_YX: Labels) -> tuple[Labels, Labels]:
    """Both label images without the objects cut by the image border.

    A cell cut by the border may lack a label, or half a cell may look like noise. Ground-truth objects that touch the
    border are dropped, and so are predicted objects that touch it or lie mostly inside a dropped ground-truth object.
    """
    measured = overlap(labels_true_YX, labels_pred_YX)
    true = relabel_sequential(np.asarray(labels_true_YX))[0]
    pred = relabel_sequential(np.asarray(labels_pred_YX))[0]
    drop_true, drop_pred = on_edge(true), on_edge(pred)
    if measured.shared_px.size:
        inside = measured.shared_px[drop_true].sum(0) > CONTAINED * measured.pred_px
        drop_pred = drop_pred | inside
    keep_true = np.concatenate([[False], ~drop_true])[true]
    keep_pred = np.concatenate([[False], ~drop_pred])[pred]
    return np.where(keep_true, true, 0), np.where(keep_pred, pred, 0)


def counted(
    labels_true_YX: Labels, labels_pred_YX: Labels, ignored_YX: NDArray[np.bool_] | None
) -> tuple[Labels, Labels]:
    """Both label images without ignored pixels, which are neither object nor background.

    An object that lies mostly in ignored pixels is dropped as a whole, on either side: a predicted one is not false,
    one of the ground truth not missed. Of the others the ignored pixels are cut off.

    Raises:
        SomaNetError: the mask has another shape.
    """
    if ignored_YX is None:
        return labels_true_YX, labels_pred_YX
    if ignored_YX.shape != labels_true_YX.shape:
        raise SomaNetError(
            f"The mask of ignored pixels has shape {ignored_YX.shape}, the ground truth {labels_true_YX.shape}: "
            "expected a mask of the same image. Was it cropped or resized in between?"
        )
    return _counted(labels_true_YX, ignored_YX), _counted(labels_pred_YX, ignored_YX)


def _counted(labels_YX: Labels, ignored_YX: NDArray[np.bool_]) -> Labels:
    """A label image without ignored pixels and without what is left of objects that lie mostly in them."""
    sequential = relabel_sequential(np.asarray(labels_YX))[0]
    n_px = np.bincount(sequential.ravel())
    mostly_ignored = np.bincount(sequential[ignored_YX], minlength=len(n_px)) > CONTAINED * n_px
    return np.where(ignored_YX | mostly_ignored[sequential], 0, labels_YX)


def score_image(
    labels_true_YX: Labels,
    labels_pred_YX: Labels,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    noise_area_px: float | None = None,
) -> dict[str, float]:
    """Score one image.

    Args:
        labels_true_YX, labels_pred_YX: label images of the same shape, 0 = background.
        thresholds: object IoU thresholds; ``tp``, ``fp``, ``fn`` are counted at each.
        noise_area_px: false positives smaller than this count as noise; the median true area of the data set.

    Returns:
        `iou` of the foregrounds (both empty = 1); `n_true`, `n_pred`; `tp_T`, `fp_T`, `fn_T` per threshold T;
        `noise_objects` (NaN without ``noise_area_px``); `merges`: predicted objects that cover more than half of each
        of two or more true ones; `splits`: true objects that cover two or more predicted ones in the same way.
    """
    measured = overlap(labels_true_YX, labels_pred_YX)
    true, pred = np.asarray(labels_true_YX) > 0, np.asarray(labels_pred_YX) > 0
    union = int(np.count_nonzero(true | pred))
    row: dict[str, float] = {
        "iou": np.count_nonzero(true & pred) / union if union else 1.0,
        "n_true": len(measured.true_px),
        "n_pred": len(measured.pred_px),
    }
    for threshold in thresholds:
        n = len(measured.matches(threshold)[0])
        row[f"tp_{threshold:g}"] = n
        row[f"fp_{threshold:g}"] = len(measured.pred_px) - n
        row[f"fn_{threshold:g}"] = len(measured.true_px) - n
    matched = measured.matches(thresholds[0])[1]
    unmatched = np.setdiff1d(np.arange(len(measured.pred_px)), matched)
    row["noise_objects"] = (
        math.nan if noise_area_px is None else int((measured.pred_px[unmatched] < noise_area_px).sum())
    )
    covers_true = measured.shared_px > CONTAINED * measured.true_px[:, None]
    covers_pred = measured.shared_px > CONTAINED * measured.pred_px[None, :]
    row["merges"] = int((covers_true.sum(0) >= 2).sum())
    row["splits"] = int((covers_pred.sum(1) >= 2).sum())
    return row


def size_ratios(labels_true_YX: Labels, labels_pred_YX: Labels, *, min_iou: float = THRESHOLDS[0]) -> list[float]:
    """Predicted over true area of every matched object; below 1 the masks are too small."""
    measured = overlap(labels_true_YX, labels_pred_YX)
    rows, columns = measured.matches(min_iou)
    return [float(r) for r in measured.pred_px[columns] / measured.true_px[rows]]


def ratio(numerator: float, denominator: float) -> float:
    """A quotient that is NaN where it is undefined, never 0."""
    return numerator / denominator if denominator else math.nan


def object_scores(tp: float, fp: float, fn: float) -> dict[str, float]:
    """Precision, recall, F1 and accuracy = TP/(TP+FP+FN), the DSB2018 and StarDist "AP"."""
    return {
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "accuracy": ratio(tp, tp + fp + fn),
    }


def count_columns(thresholds: Sequence[float]) -> tuple[str, ...]:
    """The columns of :func:`score_image` that :func:`pool` needs."""
    objects = [f"{kind}_{threshold:g}" for threshold in thresholds for kind in ("tp", "fp", "fn")]
    return ("iou", "noise_objects", "merges", "splits", *objects)


def pool(
    columns: Mapping[str, NDArray[np.float64]],
    ratios: Sequence[Sequence[float] | NDArray[np.float64]],
    *,
    thresholds: Sequence[float],
) -> dict[str, float]:
    """Scores of a data set from those of its images: `iou` is the mean over images, object scores pool all objects.

    Args:
        columns: the rows of :func:`score_image` as columns, at least :func:`count_columns`.
        ratios: :func:`size_ratios` of the same images.
        thresholds: as given to :func:`score_image`.
    """
    sums = {name: float(values.sum()) for name, values in columns.items()}

    def at(threshold: float) -> dict[str, float]:
        return object_scores(*(sums[f"{kind}_{threshold:g}"] for kind in ("tp", "fp", "fn")))

    n_images = len(ratios)
    accuracies = {f"ap_{threshold:g}": at(threshold)["accuracy"] for threshold in thresholds}
    everyone = np.concatenate([np.empty(0), *ratios])
    return {
        "iou": sums["iou"] / n_images,
        **at(thresholds[0]),
        **accuracies,
        "mean_ap": sum(accuracies.values()) / len(accuracies),
        "size_bias": float(np.median(everyone)) if everyone.size else math.nan,
        "noise_per_image": sums["noise_objects"] / n_images,
        "merges_per_image": sums["merges"] / n_images,
        "splits_per_image": sums["splits"] / n_images,
    }
