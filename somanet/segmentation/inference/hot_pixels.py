"""Hot pixels: single ones of a camera that are brighter than anything it has imaged."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

BRIGHTER = 1.25
"""Times the largest value, above the median, that is left where every pixel is the median of its 3 × 3 neighbours."""
SHARE = 2e-4
"""Fewer change nothing: a network's exposure is that of the brightest thousandth of the pixels."""
MOST_SHARE = 0.01
"""More are what the image shows, such as points of light."""


def without_hot_pixels(image: NDArray[np.generic]) -> NDArray[np.generic]:
    """The image with hot pixels replaced by the median of their 3 × 3 neighbours; the same array where there are few.

    A few pixels in a thousand, as of long exposures on a camera that is not cooled, are the brightest ones of an image,
    and what a network is shown would be exposed for them, with all somas dark.

    Args:
        image: YX or YXC, without missing pixels.
    """
    shown: NDArray[Any] = image if image.dtype in (np.uint8, np.uint16, np.float32) else image.astype(np.float32)
    channels = [np.ascontiguousarray(one) for one in ([shown] if shown.ndim == 2 else np.moveaxis(shown, -1, 0))]
    smooth = np.stack([cv2.medianBlur(one, 3) for one in channels], axis=-1).reshape(image.shape)
    middle = float(np.median(smooth[::4, ::4]))
    brightest = float(smooth.max())
    if not brightest > middle or float(shown.max()) <= middle + BRIGHTER * (brightest - middle):
        return image
    hot = shown > middle + BRIGHTER * (brightest - middle)
    if not SHARE <= np.count_nonzero(hot) / hot.size <= MOST_SHARE:
        return image
    return np.where(hot, smooth.astype(image.dtype), image)
