"""Inference on rescaled images, with outputs in the image's own size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.core.limits import IMAGE_PIXELS
from somanet.segmentation.network.intended_use import IntendedUse
from somanet.segmentation.network.settings import InstanceSettings

Float32 = NDArray[np.float32]
Predict = Callable[[NDArray[np.generic]], Float32]
"""An image YX or YXC to maps CYX of the image's size."""

_AS_STORED = ("uint8", "uint16", "float32")
"""Data types that OpenCV resizes; others become float32, which networks take in any case."""


def resize(image: NDArray[np.generic], shape_YX: tuple[int, int]) -> NDArray[np.generic]:
    """An image YX or YXC in another size: area averaging when shrinking, linear interpolation when enlarging.

    If either axis shrinks, both are averaged.
    """
    import cv2

    if image.shape[:2] == shape_YX:
        return image
    height, width = shape_YX
    smaller = height < image.shape[0] or width < image.shape[1]
    stored = image if image.dtype.name in _AS_STORED else image.astype(np.float32)
    # cv2.resize drops a last axis of length 1
    resized = cv2.resize(
        np.ascontiguousarray(stored), (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    )
    return resized.reshape(height, width, *image.shape[2:])


def predict_rescaled(predict: Predict, image: NDArray[np.generic], factor: float) -> Float32:
    """Predict on an image rescaled by a factor; the maps are returned in the image's own size.

    Args:
        predict: computes maps for an image, such as
            :func:`somanet.segmentation.inference.prediction.predict_probabilities`.
        image: YX or YXC.
        factor: below 1 the image is downscaled; 1 changes nothing.

    Returns:
        Maps CYX float32, Y and X as the image's.

    Raises:
        SomaNetError: the rescaled image has more pixels than an image may have.
    """
    if factor == 1:
        return predict(image)
    height, width = image.shape[:2]
    shape_YX = (max(1, round(height * factor)), max(1, round(width * factor)))
    if factor > 1 and shape_YX[0] * shape_YX[1] > IMAGE_PIXELS.value:
        raise SomaNetError(
            f"An image of {height} × {width} would be rescaled to {shape_YX[0]} × {shape_YX[1]}, more than the "
            f"{IMAGE_PIXELS.value} pixels that fit into the memory of most computers. Take a smaller factor, or allow "
            f"it: {IMAGE_PIXELS.variable}={shape_YX[0] * shape_YX[1]}"
        )
    resized = resize(image, shape_YX)
    return np.stack([resize(map_YX, (height, width)) for map_YX in predict(resized)]).astype(np.float32, copy=False)


def settings_at(settings: InstanceSettings, factor: float) -> InstanceSettings:
    """Settings for labels at an image's own size: areas and steps in them are in pixels of the rescaled image."""
    if factor == 1:
        return settings
    changes: dict[str, Any] = {
        name: round(getattr(settings, name) / factor**2) for name in ("min_seed_px", "min_area_px")
    }
    if settings.refine is not None:
        iterations = max(1, round(settings.refine.iterations / factor))
        changes["refine"] = settings.refine.model_copy(update={"iterations": iterations})
    return settings.model_copy(update=changes)


SMALLEST_FACTOR, LARGEST_FACTOR = 0.05, 8.0
"""Limits of rescaling: beyond them an image has no detail left, or fills the memory."""


def rescaling_factor(intended_use: IntendedUse, *, rescale: float | None, diameter_px: float | None) -> float | None:
    """The factor by which images are rescaled for a network.

    Args:
        intended_use: intended use of the network.
        rescale: the factor itself, if given.
        diameter_px: diameter of the somas in the images, if given instead: they are brought to the network's typical
            size.

    Returns:
        The factor; None if neither is given.

    Raises:
        SomaNetError: both are given, the network's size range is unknown, or the factor is out of range.
    """
    if rescale is not None and diameter_px is not None:
        raise SomaNetError("Give --rescale or --diameter, not both: each sets the factor by which images are rescaled.")
    if rescale is None and diameter_px is None:
        return None
    option = f"--rescale {rescale:g}" if rescale is not None else f"--diameter {diameter_px:g}"
    factor = rescale if rescale is not None else 0.0
    if diameter_px is not None:
        if not 0 < diameter_px < math.inf:
            raise SomaNetError(
                f"{option}: expected the somas' diameter in pixels, above 0. Leave it out to have it estimated."
            )
        if intended_use.typical_px is None:
            raise SomaNetError(
                f"{option} needs a network with a known range of soma diameters, and this one has none: give "
                "--rescale FACTOR instead."
            )
        factor = intended_use.typical_px / diameter_px
    if not SMALLEST_FACTOR <= factor <= LARGEST_FACTOR:
        means = "" if rescale is not None else f", a factor of {factor:.3g}"
        raise SomaNetError(
            f"{option}: expected to rescale images by {SMALLEST_FACTOR:g} to {LARGEST_FACTOR:g}, found "
            f"{option.split()[1]}{means}. --rescale is the factor, --diameter the somas' diameter in pixels."
        )
    return factor
