"""How much each pixel looks like a thin bright line, in units of what noise alone looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter
from skimage.filters import sato

Floats = NDArray[np.float32]

NARROWEST_PX = 0.8
"""A narrower Gaussian is not sampled by the pixels."""


BESIDE_UM = 2.5
"""How far from a pixel dark ridges count."""
AROUND_UM = 30.0
"""Gaussian scale of what counts as a soma's surroundings."""


@dataclass(frozen=True)
class Ridges:
    """The bright ridges of a frame.

    Attributes:
        strength_YX: the largest response over all scales, each in units of its noise: the median of the positive
            responses outside the somas.
        response_YX: the largest response in units of intensity.
        dark_YX: the largest response of dark ridges around a pixel, in units of intensity. A bright line has weak
            ones beside it; the rim of a cell in phase-like contrast, dark on one side, has strong ones.
    """

    strength_YX: Floats
    response_YX: Floats
    dark_YX: Floats


def find_ridges(
    frame_YX: Floats, soma_YX: NDArray[np.bool_], pixel_size_um: float, widths_um: Sequence[float]
) -> Ridges:
    """Bright ridges (Sato et al. 1998). A frame of one value has none.

    Args:
        frame_YX: finite intensities.
        soma_YX: where the somas are.
        pixel_size_um: of the frame.
        widths_um: Gaussian scales.
    """
    strength, largest, dark = (np.zeros(frame_YX.shape, np.float32) for _ in range(3))
    for width in widths_um:
        sigma = max(width / pixel_size_um, NARROWEST_PX)
        response = sato(frame_YX, sigmas=[sigma], black_ridges=False)
        dark = np.maximum(dark, sato(frame_YX, sigmas=[sigma], black_ridges=True).astype(np.float32))
        noise = response[~soma_YX & (response > 0)]
        largest = np.maximum(largest, response.astype(np.float32))
        if noise.size:
            strength = np.maximum(strength, (response / np.median(noise)).astype(np.float32))
    return Ridges(strength, largest, maximum_filter(dark, round(2 * BESIDE_UM / pixel_size_um) + 1))


def soma_contrast(frame_YX: Floats, labels_YX: NDArray[np.integer], pixel_size_um: float) -> NDArray[np.float64]:
    """How much brighter than its surroundings each soma is on average; by label, 0 where there is none."""
    outside = (labels_YX == 0).astype(np.float32)
    sigma = AROUND_UM / pixel_size_um
    weight = gaussian_filter(outside, sigma)
    around = gaussian_filter(frame_YX * outside, sigma) / np.maximum(weight, 1e-6)
    labels = labels_YX.ravel()
    excess = np.bincount(labels, (frame_YX - around).ravel())
    return np.asarray(excess / np.maximum(np.bincount(labels), 1), np.float64)


def finite(frame_YX: NDArray[np.generic]) -> Floats:
    """The frame as float32; what is not finite becomes its median."""
    image = frame_YX.astype(np.float32)
    known = np.isfinite(image)
    if known.all():
        return image
    return np.where(known, image, np.float32(np.median(image[known]) if known.any() else 0.0))
