"""A line that a person drags across a soma: which soma it means, and its mask split by it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError

YX = tuple[float, float]


def split_by_line(mask_YX: NDArray[np.bool_], start_yx: YX, end_yx: YX) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The two parts of a mask on either side of a line, which counts beyond its ends as well.

    Every pixel of the mask is in exactly one part: a pixel whose centre lies on the line belongs to the first.

    Args:
        mask_YX: one soma.
        start_yx, end_yx: two points of the line, in pixels (a pixel's centre is a whole number).

    Returns:
        The larger part, then the smaller one; of equal ones first the one to the right as seen from the start.

    Raises:
        SomaNetError: the points are one, or the line leaves the whole mask on one side.
    """
    (y0, x0), (y1, x1) = start_yx, end_yx
    if (y0, x0) == (y1, x1):
        raise SomaNetError(
            "A line to split by needs two points, found one. Drag from one side of the soma to the other."
        )
    y, x = np.indices(mask_YX.shape)
    side = (y1 - y0) * (x - x0) - (x1 - x0) * (y - y0)
    first, second = mask_YX & (side <= 0), mask_YX & (side > 0)
    if not first.any() or not second.any():
        raise SomaNetError("The line does not cross the soma. Drag it from one side of the soma to the other.")
    return (first, second) if first.sum() >= second.sum() else (second, first)


def label_under_line(labels_YX: NDArray[np.int32], start_yx: YX, end_yx: YX) -> int:
    """The label of which the line from one point to the other crosses most.

    Args:
        labels_YX: a frame, 0 = background.
        start_yx, end_yx: the line's ends in pixels; they may lie beyond the frame.

    Raises:
        SomaNetError: it crosses background only.
    """
    n = int(np.hypot(*np.subtract(end_yx, start_yx)) * 2) + 2
    rows, columns = (
        np.linspace(start, end, n).round().astype(int) for start, end in zip(start_yx, end_yx, strict=True)
    )
    inside = (rows >= 0) & (columns >= 0) & (rows < labels_YX.shape[0]) & (columns < labels_YX.shape[1])
    under = labels_YX[rows[inside], columns[inside]]
    if not under.any():
        raise SomaNetError("The line crosses no soma.")
    return int(np.bincount(under[under > 0]).argmax())
