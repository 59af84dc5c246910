"""COCO's own evaluation, pycocotools: matching the boxes of one image, and the average precision of many."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError

CATEGORY = 1
COUNTED, IGNORED = 1.0, 0.0
"""Told to COCO as the area of a box: COCO ignores boxes by area, here they are ignored by place."""

Evaluation = Mapping[str, Any]
"""One entry of ``COCOeval.evalImgs``."""


def require_pycocotools() -> None:
    """Fail before any work is done if pycocotools is missing.

    Raises:
        SomaNetError: it is not installed.
    """
    if importlib.util.find_spec("pycocotools") is None:
        raise SomaNetError("Scores of boxes need pycocotools, not found here: pip install 'somanet[dev]'.")


def evaluate_image(
    true: NDArray[np.float64],
    pred: NDArray[np.float64],
    scores: NDArray[np.float64],
    *,
    min_iou: float,
    ignored_true: NDArray[np.bool_],
    ignored_pred: NDArray[np.bool_],
) -> Evaluation | None:
    """COCO's evaluation of one image; ids are row numbers from 1. None for an image without any box.

    Args:
        true: the ground truth boxes, x0, y0, x1, y1.
        pred: the predicted ones.
        scores: their confidence.
        min_iou: minimum IoU of a pair.
        ignored_true: ground truth boxes that need not be found.
        ignored_pred: predicted boxes that do not count if they match nothing.
    """
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        program = COCOeval(_data_set(true, ignored_true), _data_set(pred, ignored_pred, scores), "bbox")
        _settle(program, 1, min_iou)
        program.evaluate()
    [evaluation] = program.evalImgs
    return None if evaluation is None else dict(evaluation)


def average_precision(evaluations: Sequence[Evaluation | None]) -> float:
    """COCO's average precision of images, in which one may occur several times; NaN without a counted true box.

    Args:
        evaluations: from :func:`evaluate_image`, all with the same IoU.
    """
    from pycocotools.cocoeval import COCOeval

    program = COCOeval(iouType="bbox")
    _settle(program, len(evaluations), math.nan)  # matched already: only the number of IoUs is asked for
    program.evalImgs = list(evaluations)
    program._paramsEval = program.params  # as evaluate() leaves them
    with contextlib.redirect_stdout(io.StringIO()):
        program.accumulate()
    precision = program.eval["precision"]
    return float(precision.mean()) if (precision >= 0).all() else math.nan  # COCO's -1 is undefined


def _settle(program: Any, n_images: int, min_iou: float) -> None:
    """One category, one IoU, boxes of any size and number."""
    program.params.imgIds = list(range(n_images))
    program.params.catIds = [CATEGORY]
    program.params.iouThrs = np.array([min_iou])
    program.params.maxDets = [sys.maxsize]
    program.params.areaRng = [[COUNTED, COUNTED]]
    program.params.areaRngLbl = ["counted"]


def _data_set(boxes: NDArray[np.float64], ignored: NDArray[np.bool_], scores: NDArray[np.float64] | None = None) -> Any:
    """The boxes of image 0 in COCO's form."""
    from pycocotools.coco import COCO

    data_set = COCO()
    data_set.dataset = {
        "images": [{"id": 0}],
        "categories": [{"id": CATEGORY}],
        "annotations": [
            {
                "id": number,
                "image_id": 0,
                "category_id": CATEGORY,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "area": IGNORED if left_out else COUNTED,
                "iscrowd": 0,
                **({} if scores is None else {"score": float(scores[number - 1])}),
            }
            for number, ((x0, y0, x1, y1), left_out) in enumerate(zip(boxes.tolist(), ignored, strict=True), start=1)
        ],
    }
    data_set.createIndex()
    return data_set
