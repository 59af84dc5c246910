"""Pixels without data: registration, rotation, stitching, field stops and dead camera lines leave them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]

MOST_MISSING = 0.5
"""Above this share, black is taken for the image's own background."""
ONE_FIELD = 0.9
"""Share of the other pixels that must be connected: data is one field of view, a drawn background is not."""
LEAST_PIXELS = 8
RING_PX = (2, 6)
"""The neighbourhood that zeros are compared with; nearer pixels may be interpolated between data and nothing."""
PARTIAL = 0.75
"""Beside zeros, what is darker than this share of the darkest surroundings is interpolated between data and nothing."""
NEAR_PX = 4
"""Up to this depth, missing pixels take the nearest value, so that cells pass through dead lines."""
MOST_LINES = 0.1
SIEVE = 16
"""A line is looked at whole if about as many of its pixels have one value."""


class Filled(NamedTuple):
    """An image whose missing pixels are filled.

    Attributes:
        image: as given, with the missing pixels like their surroundings.
        missing: YX, where they are; None if there are none.
    """

    image: NDArray[np.generic]
    missing: Mask | None


def fill_missing(image: NDArray[np.generic]) -> Filled:
    """Fill an image's missing pixels, so that no measurement of brightness and no network sees them.

    Args:
        image: YX or YXC.
    """
    missing = missing_pixels(image)
    if missing is None:
        return Filled(image, None)
    distance, nearest = ndimage.distance_transform_edt(missing, return_indices=True)
    filled = image[tuple(nearest)]
    beside = (distance == 0) & (ndimage.distance_transform_cdt(~missing, "chessboard") <= RING_PX[1])
    level = np.median(image[beside].astype(np.float64), axis=0)
    filled[distance > NEAR_PX] = level.astype(image.dtype)
    return Filled(filled, missing)


def missing_pixels(image: NDArray[np.generic]) -> Mask | None:
    """Pixels that hold no data, YX; None if all do.

    These are numbers that are not finite; exact zeros joined to the border whose surroundings are clearly above zero;
    and rows and columns that are zero or saturated from end to end. Zeros of a dark background are data: their
    neighbours reach down to them.

    Args:
        image: YX or YXC, any real type; a colour pixel is missing if all its channels are.
    """
    values = image if image.ndim == 3 else image[..., None]
    parts = [mask for mask in (_not_finite(values), _zeros_at_border(values), _dead_lines(values)) if mask is not None]
    if not parts:
        return None
    missing = np.logical_or.reduce(parts)
    return missing if missing.any() and not missing.all() else None


def _not_finite(values_YXC: NDArray[np.generic]) -> Mask | None:
    if not np.issubdtype(values_YXC.dtype, np.floating) or np.isfinite(values_YXC.sum()):
        return None
    return np.asarray(~np.isfinite(values_YXC).all(axis=-1))


def _zeros_at_border(values_YXC: NDArray[np.generic]) -> Mask | None:
    edges = (values_YXC[0], values_YXC[-1], values_YXC[:, 0], values_YXC[:, -1])
    if min(values_YXC.shape[:2]) <= 2 * RING_PX[1] or not any((edge == 0).all(axis=-1).any() for edge in edges):
        return None
    regions, _ = ndimage.label((values_YXC == 0).all(axis=-1), structure=np.ones((3, 3)))
    sizes = np.bincount(regions.ravel())
    at_border = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    kept = np.zeros(len(sizes), bool)
    kept[at_border] = sizes[at_border] >= LEAST_PIXELS
    kept[0] = False
    zeros = kept[regions]
    if not zeros.any() or zeros.mean() > MOST_MISSING:
        return None
    distance = ndimage.distance_transform_cdt(~zeros, "chessboard")
    ring = values_YXC[(distance > RING_PX[0]) & (distance <= RING_PX[1])].max(axis=-1).astype(np.float64)
    if not ring.size:
        return None
    low, middle = np.percentile(ring, (1, 50))
    if low <= 2 * (middle - low):
        return None
    fields, _ = ndimage.label(~zeros)
    if np.bincount(fields[~zeros])[1:].max() < ONE_FIELD * (~zeros).sum():
        return None
    between = (distance <= RING_PX[0]) & (values_YXC.max(axis=-1) < PARTIAL * low)
    return np.asarray(zeros | between)


def _dead_lines(values_YXC: NDArray[np.generic]) -> Mask | None:
    """Rows and columns of one value from end to end, 0 or the image's largest."""
    height, width = values_YXC.shape[:2]
    if height < 3 or width < 3:
        return None
    largest = values_YXC.max()
    rows, columns = _dead(values_YXC, largest), _dead(values_YXC.swapaxes(0, 1), largest)
    lines = len(rows) + len(columns)
    if not 0 < lines <= MOST_LINES * (height + width):
        return None
    mask = np.zeros((height, width), bool)
    mask[rows] = True
    mask[:, columns] = True
    return mask


def _dead(lines_NLC: NDArray[Any], largest: Any) -> NDArray[np.intp]:
    """Which lines of pixels have one value that is 0 or the largest; of colours, the strongest channel's counts."""
    some = lines_NLC[:, :: max(1, lines_NLC.shape[1] // SIEVE)]
    like_first = np.flatnonzero((some == lines_NLC[:, :1]).all(axis=(1, 2)))
    lines_NLC = lines_NLC[like_first]
    strongest_N = lines_NLC[:, 0].max(axis=-1)
    whole = (lines_NLC == lines_NLC[:, :1]).all(axis=(1, 2)) & ((strongest_N == 0) | (strongest_N == largest))
    return np.asarray(like_first[whole])
