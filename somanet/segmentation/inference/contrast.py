"""How far each object stands out from its own surroundings, in units of their spread."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

GAP = 0.15
"""The ring around an object starts this share of its diameter from its edge: blur and processes are left out."""
REACH = 0.75
"""The ring ends this share of its diameter from its edge."""
LEAST_GAP_PX, LEAST_WIDTH_PX = 1.5, 3.0
LEAST_RING_PX = 20
"""With fewer pixels of surroundings, as in a dense layer of cells, an object's contrast is unknown."""
ROUNDING = 12**-0.5
"""Standard deviation of rounding to whole grey levels: integers have no smaller spread."""
LEAST_SPREAD = 1e-6
"""The same for numbers with a fraction, as a share of the image's range: no more than the precision of float32."""


def contrast_of(
    image: NDArray[Any],
    labels_YX: NDArray[np.integer],
    *,
    missing: NDArray[np.bool_] | None = None,
    inverted: bool = False,
) -> NDArray[np.float64]:
    """Contrast of the labels 1…n, which must have no gaps.

    An object's mean intensity minus the median of the ring around it, over the ring's spread: half the distance between
    its 16 and 84 percentiles, which for Gaussian noise is its standard deviation. A ring has the background pixels that
    lie nearer to this object than to any other, between :data:`GAP` and :data:`REACH` diameters from its edge. So even
    illumination, a brighter region or a shift of all intensities change nothing, and haze, whose outlined objects
    differ from their surroundings no more than these do among themselves, is near 0 or 1.

    Args:
        image: YX, or YXC, of which the strongest channel counts.
        labels_YX: 0 = background.
        missing: pixels without data, which are no surroundings.
        inverted: objects are dark on a bright background.

    Returns:
        One number per label; NaN where too little background is near to tell.
    """
    n = int(labels_YX.max(initial=0))
    if n == 0:
        return np.empty(0)
    intensity = intensity_of(image, inverted=inverted)
    areas = np.bincount(labels_YX.ravel(), minlength=n + 1)[1:]
    means = np.bincount(labels_YX.ravel(), intensity.ravel(), minlength=n + 1)[1:] / np.maximum(areas, 1)
    background = labels_YX == 0 if missing is None else (labels_YX == 0) & ~missing
    low, middle, high = _surroundings(intensity, labels_YX, background, 2 * np.sqrt(areas / np.pi))
    return (means - middle) / np.maximum((high - low) / 2, _least_spread(image, intensity))


def intensity_of(image: NDArray[Any], *, inverted: bool = False) -> NDArray[np.float64]:
    """The intensity YX in which objects are bright, of an image YX or YXC, of which the strongest channel counts."""
    intensity = (image if image.ndim == 2 else image[..., :3].max(axis=-1)).astype(np.float64)
    return -intensity if inverted else intensity


def _surroundings(
    intensity_YX: NDArray[np.float64],
    labels_YX: NDArray[np.integer],
    background: NDArray[np.bool_],
    diameters: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The 16, 50 and 84 percentiles of each object's ring; NaN for rings with too few pixels."""
    nearest_YX, distance_YX = nearest_objects(labels_YX)
    start = np.maximum(GAP * diameters, LEAST_GAP_PX)
    end = np.maximum(REACH * diameters, start + LEAST_WIDTH_PX)
    near = background & (distance_YX > start.min()) & (distance_YX <= end.max())
    owner, distance = nearest_YX[near] - 1, distance_YX[near]
    inside = (distance > start[owner]) & (distance <= end[owner])
    owner, values = owner[inside], intensity_YX[near][inside]
    order = np.lexsort((values, owner))
    values, counts = values[order], np.bincount(owner, minlength=len(diameters))
    first = np.cumsum(counts) - counts
    enough = counts >= LEAST_RING_PX

    def percentile(share: float) -> NDArray[np.float64]:
        found = np.full(len(diameters), np.nan)
        found[enough] = values[first[enough] + np.rint(share * (counts[enough] - 1)).astype(int)]
        return found

    return percentile(0.16), percentile(0.5), percentile(0.84)


def nearest_objects(labels_YX: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.float32]]:
    """For every pixel the nearest object's label and its distance in pixels."""
    outside = (labels_YX == 0).astype(np.uint8)
    distance_YX, seeds_YX = cv2.distanceTransformWithLabels(
        outside, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    of_seed = np.zeros(int(seeds_YX.max()) + 1, labels_YX.dtype)
    of_seed[seeds_YX[outside == 0]] = labels_YX[outside == 0]
    return of_seed[seeds_YX], distance_YX


def _least_spread(image: NDArray[Any], intensity_YX: NDArray[np.float64]) -> float:
    if np.issubdtype(image.dtype, np.integer):
        return ROUNDING
    return max(LEAST_SPREAD * float(np.ptp(intensity_YX)), np.finfo(np.float64).tiny)
