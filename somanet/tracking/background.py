"""A frame made ready for registration: what rests on the dish, with the same contrast in every frame.

Cells are masked, slow changes of brightness such as vignetting and pixel noise are filtered out, what is much brighter
than the rest is clipped, and the contrast is brought to 1, which takes off bleaching.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

WORKING_AREA_PX = 250_000
"""Larger frames are binned to about this size: half a pixel of a bin's width is less than the size of a structure."""
FINE_PX, COARSE_PX = 1.0, 4.0
"""Standard deviations of the two blurs whose difference is registered: specks and edges count, wide glows do not."""
CLIP = 4.0
"""Contrast at which a bright structure is cut off, in standard deviations of the background."""
LEAST_WEIGHT = 1e-3


@dataclass(frozen=True, eq=False)
class Background:
    """A frame made ready for registration.

    Attributes:
        image_YX: contrast of the background, standard deviation 1, 0 in masked places.
        weight_YX: 1 = background, 0 = masked.
        factor: pixels of the movie per pixel of these images.
    """

    image_YX: Image
    weight_YX: Image
    factor: int

    def image_at(self, shift_yx: Floats, angle: float, *, exact: bool) -> Image:
        """The image as seen from an earlier frame, 0 beyond the border.

        Args:
            shift_yx: (2,) of this frame against the earlier one, px of these images.
            angle: rotation, radians.
            exact: Lanczos interpolation; else a cubic one that is four times as fast and wrong by up to 0.05 px.
        """
        return _warped(self.image_YX, shift_yx, angle, cv2.INTER_LANCZOS4 if exact else cv2.INTER_CUBIC)

    def weight_at(self, shift_yx: Floats, angle: float) -> Image:
        """The weights as seen from an earlier frame, see :meth:`image_at`."""
        return _warped(self.weight_YX, shift_yx, angle, cv2.INTER_LINEAR)

    def blended(self, later: Background, shift_yx_px: Floats, rotation_deg: float, share: float) -> Background:
        """The mean of this frame and a later one, laid onto it: what rests gains contrast, what moves and noise fade.

        Args:
            later: of the same movie.
            shift_yx_px: (2,) of the later frame against this one, px of the movie.
            rotation_deg: of the later frame.
            share: weight of the later frame.
        """
        shift_yx, angle = shift_yx_px / later.factor, math.radians(rotation_deg)
        image_YX = later.image_at(shift_yx, angle, exact=True)
        old_YX = self.weight_YX * np.float32(1 - share)
        new_YX = later.weight_at(shift_yx, angle) * np.float32(share)
        total_YX = old_YX + new_YX
        mean_YX = (self.image_YX * old_YX + image_YX * new_YX) / np.maximum(total_YX, np.float32(1e-6))
        return Background(np.asarray(mean_YX, np.float32), (total_YX > LEAST_WEIGHT).astype(np.float32), self.factor)

    def without(self, pattern_YX: Image) -> Background:
        """The same frame without a pattern that belongs to the camera."""
        return Background((self.image_YX - pattern_YX) * self.weight_YX, self.weight_YX, self.factor)

    @functools.cached_property
    def halved(self) -> Background:
        """The same at half the resolution."""
        weight_YX = _halved(self.weight_YX)
        image_YX = _halved(self.image_YX) / np.maximum(weight_YX, np.float32(0.25))
        kept_YX = (weight_YX > 0.5).astype(np.float32)
        return Background(np.asarray(image_YX * kept_YX, np.float32), kept_YX, 2 * self.factor)

    @functools.cached_property
    def spectrum(self) -> NDArray[np.complex64]:
        """Fourier transform."""
        from scipy.fft import rfft2

        return np.asarray(rfft2(self.image_YX))

    @functools.cached_property
    def slopes(self) -> tuple[Image, Image]:
        """See :func:`slopes_of`."""
        return slopes_of(self.image_YX, self.weight_YX)


def binning_of(shape_YX: tuple[int, int]) -> int:
    """The factor by which frames are binned before registration; at least 1."""
    return max(1, round(math.sqrt(shape_YX[0] * shape_YX[1] / WORKING_AREA_PX)))


def background_of(
    frame_YX: NDArray[np.generic], cells_YX: Mask | None = None, *, margin_px: float = 0.0
) -> Background | None:
    """Prepare a frame.

    Args:
        frame_YX: intensities, any number type.
        cells_YX: what does not belong to the background.
        margin_px: width of a rim around it that does not either.

    Returns:
        None if the frame is constant outside the mask, or nothing is left outside it.
    """
    factor = binning_of((frame_YX.shape[0], frame_YX.shape[1]))
    image = _binned(frame_YX.astype(np.float32), factor)
    kept = np.ones(image.shape, bool)
    if cells_YX is not None:
        reach = max(1, round(margin_px / factor))
        disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        cells = _binned(cells_YX.astype(np.float32), factor) > 0
        kept = cv2.dilate(cells.astype(np.uint8), disk) == 0
    weight = kept.astype(np.float32)
    if not kept.any():
        return None
    image = np.asarray(cv2.medianBlur(image, 3), np.float32)  # hot and dead pixels
    # Masked places take no part in the blurs: a cell's light would leave a halo in the difference.
    image = image - np.float32(np.median(image[kept]))
    slow = _smoothed(image, weight, COARSE_PX)
    fine = _blurred(np.where(kept, image, slow), FINE_PX)
    contrast = fine - slow
    spread = 1.4826 * float(np.median(np.abs(contrast[kept])))
    if not spread > 0:
        return None
    if cells_YX is None:
        # What is bright and wider than a speck is most likely a cell.
        bright = ((fine - slow) > CLIP * spread).astype(np.uint8)
        disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
        wide = cv2.dilate(cv2.morphologyEx(bright, cv2.MORPH_OPEN, disk), disk, iterations=3)
        weight = (wide == 0).astype(np.float32)
    contrast = np.clip(contrast / np.float32(spread), -CLIP, CLIP) * weight
    return Background(np.asarray(contrast, np.float32), weight, factor)


def _binned(image_YX: Image, factor: int) -> Image:
    if factor == 1:
        return image_YX
    height, width = (side // factor for side in image_YX.shape)
    whole = image_YX[: height * factor, : width * factor]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _blurred(image_YX: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image_YX, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)


def _smoothed(image_YX: Image, weight_YX: Image, sigma: float) -> Image:
    """Wide Gaussian mean of the places with weight, at a quarter of the resolution."""
    height, width = image_YX.shape
    size = (max(1, width // 4), max(1, height // 4))
    total, amount = (
        _blurred(np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA), np.float32), sigma / 4)
        for one in (image_YX * weight_YX, weight_YX)
    )
    mean = total / np.maximum(amount, 1e-3)
    return np.asarray(cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _halved(image_YX: Image) -> Image:
    height, width = (side // 2 for side in image_YX.shape)
    even = image_YX[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _warped(image_YX: Image, shift_yx: Floats, angle: float, interpolation: int) -> Image:
    height, width = image_YX.shape
    cy, cx = (height - 1) / 2, (width - 1) / 2
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = np.array(
        [
            [cos, -sin, cx + shift_yx[1] - cos * cx + sin * cy],
            [sin, cos, cy + shift_yx[0] - sin * cx - cos * cy],
        ]
    )
    flags = interpolation | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image_YX, matrix, (width, height), flags=flags, borderValue=0), np.float32)


def slopes_of(image_YX: Image, weight_YX: Image) -> tuple[Image, Image]:
    """Gradient along y and x per pixel, 0 on the border and next to places without weight."""
    half = np.float32(0.5)
    slope_y, slope_x = np.zeros_like(image_YX), np.zeros_like(image_YX)
    slope_y[1:-1] = (image_YX[2:] - image_YX[:-2]) * ((weight_YX[2:] > half) & (weight_YX[:-2] > half)) * half
    slope_x[:, 1:-1] = (
        (image_YX[:, 2:] - image_YX[:, :-2]) * ((weight_YX[:, 2:] > half) & (weight_YX[:, :-2] > half)) * half
    )
    return slope_y, slope_x
