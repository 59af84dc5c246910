"""A frame made ready for registration: what rests on the dish, with the same contrast in every frame.

Cells are masked, slow changes of brightness such as vignetting and pixel noise are filtered out, what is much brighter
than the rest is clipped, and the contrast is brought to 1, which takes off bleaching.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
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
SAMPLE_PX = 40_000
"""Of larger images a median is that of every second, third, … row and column: it tells the contrast to 1 %."""
LANCZOS = 4
"""Half of the number of pixels along an axis that an interpolated one is made of."""


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

    def image_at(self, shift_yx: Floats, angle: float) -> Image:
        """The image as seen from an earlier frame, 0 beyond the border; by Lanczos interpolation.

        Without rotation it is sixteen times as fast, and exact; else positions are rounded to 1/32 px.

        Args:
            shift_yx: (2,) of this frame against the earlier one, px of these images.
            angle: rotation, radians.
        """
        if angle == 0:
            return _moved(self.image_YX, shift_yx, _lanczos)
        return _warped(self.image_YX, shift_yx, angle, cv2.INTER_LANCZOS4)

    def weight_at(self, shift_yx: Floats, angle: float) -> Image:
        """The weights as seen from an earlier frame, by linear interpolation; see :meth:`image_at`."""
        if angle == 0:
            return _moved(self.weight_YX, shift_yx, _linear)
        return _warped(self.weight_YX, shift_yx, angle, cv2.INTER_LINEAR)

    def blended(self, later: Background, share: float) -> Background:
        """The mean of this frame and a later one: what rests gains contrast, what moves and noise fade.

        Args:
            later: as seen from this frame.
            share: weight of the later frame.
        """
        old_YX, new_YX = self.weight_YX * np.float32(1 - share), later.weight_YX * np.float32(share)
        total_YX = old_YX + new_YX
        mean_YX = (self.image_YX * old_YX + later.image_YX * new_YX) / np.maximum(total_YX, np.float32(1e-6))
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


LEAST_SIDE_PX = 32


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
        None if the frame is constant outside the mask, nothing is left outside it, or it is too small for two of the
        smallest tiles (:mod:`somanet.tracking.tiles`) side by side.
    """
    factor = binning_of((frame_YX.shape[0], frame_YX.shape[1]))
    image = _binned(frame_YX.astype(np.float32), factor)
    if min(image.shape) < LEAST_SIDE_PX:
        return None
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
    image = image - _median(image, kept)
    slow = _smoothed(image, weight, COARSE_PX)
    fine = _blurred(np.where(kept, image, slow), FINE_PX)
    contrast = fine - slow
    spread = 1.4826 * float(_median(np.abs(contrast), kept))
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


def _median(image_YX: Image, kept_YX: Mask) -> np.float32:
    """The median of the places that are kept, of a regular sample of them where they are many."""
    every = max(1, math.isqrt(image_YX.size // SAMPLE_PX))
    sampled = image_YX[::every, ::every][kept_YX[::every, ::every]]
    return np.float32(np.median(sampled if sampled.size else image_YX[kept_YX]))


def shifted(image_YX: Image, shift: tuple[int, int]) -> Image:
    """out[y, x] = image[y + dy, x + dx], 0 beyond the border."""
    out = np.zeros_like(image_YX)
    to, since = [], []
    for side, move in zip(image_YX.shape, shift, strict=True):
        to.append(slice(max(0, -move), max(0, min(side, side - move))))
        since.append(slice(max(0, move), max(0, min(side, side + move))))
    out[tuple(to)] = image_YX[tuple(since)]
    return out


def _moved(image_YX: Image, shift_yx: Floats, kernel: Callable[[float], Floats]) -> Image:
    """out(y, x) = image(y + dy, x + dx), interpolated along one axis and then the other."""
    whole = math.floor(shift_yx[0]), math.floor(shift_yx[1])
    along_y, along_x = (kernel(float(shift) - below) for shift, below in zip(shift_yx, whole, strict=True))
    anchor = len(along_y) // 2 - 1
    between = cv2.sepFilter2D(
        image_YX, cv2.CV_32F, along_x, along_y, anchor=(anchor, anchor), borderType=cv2.BORDER_CONSTANT
    )
    return shifted(np.asarray(between, np.float32), whole)


def _lanczos(part: float) -> Floats:
    """Weights of the pixels around a place that lies this part of a pixel, 0 to 1, behind one of them."""
    away = part - np.arange(1 - LANCZOS, LANCZOS + 1)
    weights = np.sinc(away) * np.sinc(away / LANCZOS)
    return np.asarray(weights / weights.sum(), np.float64)


def _linear(part: float) -> Floats:
    return np.array([1 - part, part])


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


def known_slopes(weight_YX: Image) -> tuple[Image, Image]:
    """Where the gradient along y and along x is known, as 0.5, else 0: between neighbours that have weight."""
    known = weight_YX > np.float32(0.5)
    along_y, along_x = np.zeros_like(weight_YX), np.zeros_like(weight_YX)
    np.multiply(known[2:] & known[:-2], np.float32(0.5), out=along_y[1:-1])
    np.multiply(known[:, 2:] & known[:, :-2], np.float32(0.5), out=along_x[:, 1:-1])
    return along_y, along_x


def slopes_of(image_YX: Image, known: tuple[Image, Image]) -> tuple[Image, Image]:
    """Gradient along y and x per pixel, by central differences; 0 on the border and where it is not known."""
    slope_y, slope_x = np.zeros_like(image_YX), np.zeros_like(image_YX)
    np.subtract(image_YX[2:], image_YX[:-2], out=slope_y[1:-1])
    np.subtract(image_YX[:, 2:], image_YX[:, :-2], out=slope_x[:, 1:-1])
    slope_y *= known[0]
    slope_x *= known[1]
    return slope_y, slope_x
