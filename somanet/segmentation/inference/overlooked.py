"""Bright spots where nothing was outlined: somas that are too small for a network at an image's own size."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from somanet.segmentation.inference.contrast import intensity_of

SIGMA_PX = 2.0
"""Standard deviation of the smoothing in which a spot is a maximum: that of one some 6 px wide."""
AROUND = 4.0
"""Times that, the smoothing that gives its surroundings."""
AWAY_PX = 8
"""Spots nearer to an outline are parts of it, or processes."""
EDGE_PX = 6
BRIGHT = 0.4
"""Of the brightness of the objects, which a smoothed spot has at least: a spot of 6 px keeps about 0.6."""
ABOVE_NOISE = 8.0
"""Times the spread of the background, which it stands out at least."""
ROUND = 0.5
"""Curvature across a spot's other axis, as a share of that along the sharper one: processes are ridges."""


def overlooked_spots(image: NDArray[Any], labels_YX: NDArray[np.integer], *, inverted: bool = False) -> int:
    """Number of round spots, about as bright as the objects, outside all outlines.

    Args:
        image: YX, or YXC, of which the strongest channel counts.
        labels_YX: the objects that were outlined, 1…n without gaps; without any, no brightness is known, and 0 results.
        inverted: objects are dark on a bright background.
    """
    n = int(labels_YX.max(initial=0))
    near = cv2.dilate((labels_YX > 0).astype(np.uint8), _disk(AWAY_PX)).astype(bool)
    if n == 0 or near.all():
        return 0
    intensity = intensity_of(image, inverted=inverted).astype(np.float32)
    areas = np.bincount(labels_YX.ravel(), minlength=n + 1)[1:]
    means = np.bincount(labels_YX.ravel(), intensity.ravel(), minlength=n + 1)[1:] / np.maximum(areas, 1)
    brightness = float(np.median(means)) - float(np.median(intensity[~near]))
    smooth = cv2.GaussianBlur(intensity, (0, 0), SIGMA_PX)
    stands_out = smooth - cv2.GaussianBlur(intensity, (0, 0), AROUND * SIGMA_PX)
    low, high = np.percentile(stands_out[~near], (16, 84))
    spots = (stands_out > max(BRIGHT * brightness, ABOVE_NOISE * (high - low) / 2)) & ~near
    spots &= stands_out == cv2.dilate(stands_out, _disk(round(2 * SIGMA_PX)))
    inner = np.zeros_like(spots)
    inner[EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX] = True
    return int((spots & inner & _is_round(smooth)).sum())


def _is_round(smooth_YX: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a surface is curved downwards along both axes, by the eigenvalues of its Hessian."""
    yy, xx, yx = (cv2.Sobel(smooth_YX, cv2.CV_32F, *orders, ksize=3) for orders in ((0, 2), (2, 0), (1, 1)))
    # Sobel's kernels weight neighbours: second derivatives by 4, mixed ones by 4, too
    middle, apart = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    return np.asarray((middle + apart < 0) & (middle + apart < ROUND * (middle - apart)))


def _disk(radius_px: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1,) * 2), np.uint8)
