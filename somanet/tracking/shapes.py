"""The shape of every object of a label image, as scikit-image's regionprops defines it, at a fifth of its cost.

scikit-image spends most of its time on planning sums and on floating-point convex hulls. Here sums of whole numbers are
exact, whatever their order, and so is the hull: its corners are halves of pixels, and pixels are counted with integers.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]


def shapes_of(dense_YX: NDArray[np.integer], n: int) -> dict[str, Floats | Indices]:
    """Measure the objects of a label image.

    Args:
        dense_YX: objects 1 … n, each with pixels, possibly in several parts; 0 = background.
        n: number of objects.

    Returns:
        (n,) arrays by name: centre ``y_px``, ``x_px`` (a pixel's centre is a whole number), ``area_px``, the axes of
        the ellipse of equal second moments ``major_axis_px`` and ``minor_axis_px``, ``eccentricity`` (0 = circle),
        ``solidity`` (area over the number of pixels in the convex hull of the pixels' diamonds), and the half open
        bounding box ``top_px``, ``left_px``, ``bottom_px``, ``right_px``.
    """
    from scipy.ndimage import find_objects

    boxes, numbers, tensors = np.zeros((n, 4), np.int64), np.zeros((n, 4)), np.zeros((n, 2, 2))
    for i, box in enumerate(find_objects(dense_YX, n)):
        mask_YX = dense_YX[box] == i + 1
        top, left = box[0].start, box[1].start
        boxes[i] = top, left, box[0].stop, box[1].stop
        of_rows, of_columns = mask_YX.sum(axis=1), mask_YX.sum(axis=0)
        area = int(of_rows.sum())
        sum_y, sum_x = int(of_rows @ np.arange(len(of_rows))), int(of_columns @ np.arange(len(of_columns)))
        numbers[i] = (sum_y + area * top) / area, (sum_x + area * left) / area, area, area / hull_area_px(mask_YX)
        tensors[i] = _inertia(mask_YX, sum_y / area, sum_x / area)
    small, large = np.clip(np.linalg.eigvalsh(tensors), 0, None).T
    known = large > 0
    ratio = np.divide(small, large, out=np.ones(n), where=known)
    return {
        "y_px": numbers[:, 0],
        "x_px": numbers[:, 1],
        "area_px": numbers[:, 2],
        "major_axis_px": 4 * np.sqrt(large),
        "minor_axis_px": 4 * np.sqrt(small),
        "eccentricity": np.sqrt(1 - ratio),
        "solidity": numbers[:, 3],
        "top_px": boxes[:, 0],
        "left_px": boxes[:, 1],
        "bottom_px": boxes[:, 2],
        "right_px": boxes[:, 3],
    }


def _inertia(mask_YX: Mask, centre_y: float, centre_x: float) -> Floats:
    """(2, 2) inertia tensor about the centre, by products of matrices as scikit-image takes them."""
    powers_y, powers_x = (
        (np.arange(side, dtype=float) - centre)[:, None] ** np.arange(4)
        for side, centre in zip(mask_YX.shape, (centre_y, centre_x), strict=True)
    )
    moments = (mask_YX.astype(np.float64).T @ powers_y).T @ powers_x
    mu_yy, mu_xx, mu_yx, mu = moments[2, 0], moments[0, 2], moments[1, 1], moments[0, 0]
    both = mu_yy + mu_xx
    tensor: Floats = np.array([[both - mu_yy, -mu_yx], [-mu_yx, both - mu_xx]]) / mu
    return tensor


def hull_area_px(mask_YX: Mask) -> int:
    """Number of pixels whose centre lies in, or on the border of, the convex hull of the mask's pixels.

    A pixel counts as a diamond that reaches half a pixel up, down, left and right of its centre, as in
    :func:`skimage.morphology.convex_hull_image`.

    Args:
        mask_YX: with a pixel in its first and last row.
    """
    rows = np.flatnonzero(mask_YX.any(axis=1))
    seen = mask_YX[rows]
    ends = np.stack([seen.argmax(axis=1), mask_YX.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)])
    y, x = np.broadcast_to(2 * rows, ends.shape), 2 * ends  # in half pixels, so that all corners are whole numbers
    tips = ((y, x + np.array([[-1], [1]])), (y - 1, x), (y + 1, x))
    points_yx = np.concatenate([np.stack(np.broadcast_arrays(*tip), axis=-1).reshape(-1, 2) for tip in tips])
    corners = cv2.convexHull(points_yx.astype(np.int32), clockwise=False)[:, 0].astype(np.int64)
    edges = np.roll(corners, -1, axis=0) - corners
    corners, edges = corners[edges[:, 0] != 0], edges[edges[:, 0] != 0]
    # Where each edge, as a line, crosses each row, in pixels: a numerator over twice the edge's height.
    row_y, (dy, dx) = 2 * np.arange(mask_YX.shape[0]), edges.T[:, :, None]
    over, under = (corners[:, 1:] * dy + dx * (row_y - corners[:, :1])) * np.sign(dy), 2 * np.abs(dy)
    right = edges[:, 0] < 0  # of the hull: its corners run up on this side
    first_x = (-(-over[~right] // under[~right])).max(axis=0)
    last_x = (over[right] // under[right]).min(axis=0)
    return int((last_x - first_x + 1).sum())
