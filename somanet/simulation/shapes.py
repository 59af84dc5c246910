"""Cell and nucleus outlines: closed curves around their centroid, and how much of each pixel they cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]

N_POINTS = 48
OVERSAMPLING = 4
_FRACTION_BITS = 4


@dataclass(frozen=True)
class Blob:
    """A smooth irregular shape: an ellipse whose radius carries a few low harmonics.

    Attributes:
        aspect: long axis over short axis, at least 1.
        harmonics: relative amplitudes of the 2nd, 3rd, ... harmonic of the radius.
        phases: their phases in radians.
        taper_front: share by which the long axis' forward end is drawn out into a tip (0 = round).
        taper_back: the same at the backward end.
    """

    aspect: float
    harmonics: tuple[float, ...] = ()
    phases: tuple[float, ...] = ()
    taper_front: float = 0.0
    taper_back: float = 0.0


def random_blob(
    rng: np.random.Generator,
    *,
    aspect: float,
    roughness: float,
    taper_front: float = 0.0,
    taper_back: float = 0.0,
) -> Blob:
    """A blob with random harmonics 2 to 5, each of standard deviation ``roughness`` / order."""
    orders = np.arange(2, 6)
    amplitudes = np.clip(rng.normal(0.0, 1.0, orders.size), -2, 2) * roughness / orders
    phases = rng.uniform(0.0, 2 * np.pi, orders.size)
    return Blob(aspect, tuple(amplitudes.tolist()), tuple(phases.tolist()), taper_front, taper_back)


def outline(blob: Blob, *, radius: float, angle: float = 0.0, stretch: float = 1.0) -> FloatArray:
    """The closed curve of a blob around its centroid, in the unit of ``radius``.

    Args:
        blob: the shape.
        radius: radius of the circle of the ellipse's area.
        angle: direction of the long axis in radians, 0 = +x, π/2 = +y (down).
        stretch: factor on the aspect, at constant area of the ellipse.

    Returns:
        (N, 2) points ``(y, x)``; their polygon's centroid is the origin.
    """
    theta = np.linspace(0.0, 2 * np.pi, N_POINTS, endpoint=False)
    aspect = blob.aspect * stretch
    a, b = radius * np.sqrt(aspect), radius / np.sqrt(aspect)
    r = a * b / np.hypot(b * np.cos(theta), a * np.sin(theta))
    wave = np.ones_like(theta)
    for order, (amplitude, phase) in enumerate(zip(blob.harmonics, blob.phases, strict=True), start=2):
        wave += amplitude * np.cos(order * theta + phase)
    off_axis = (theta + np.pi) % (2 * np.pi) - np.pi
    wave += blob.taper_front * np.exp(-((off_axis / 0.4) ** 2))
    wave += blob.taper_back * np.exp(-(((theta - np.pi) / 0.4) ** 2))
    r = r * wave
    x, y = r * np.cos(theta), r * np.sin(theta)
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    area = cross.sum() / 2
    x = x - ((x + np.roll(x, -1)) * cross).sum() / (6 * area)
    y = y - ((y + np.roll(y, -1)) * cross).sum() / (6 * area)
    return np.stack([x * np.sin(angle) + y * np.cos(angle), x * np.cos(angle) - y * np.sin(angle)], axis=1)


def coverage(outlines_yx_px: Sequence[FloatArray], shape_YX: tuple[int, int]) -> NDArray[np.float32]:
    """The share of each pixel covered by the union of closed curves.

    Drawn at four times the resolution and averaged, so edges are right to an eighth of a pixel.

    Args:
        outlines_yx_px: curves ``(y, x)`` in pixels; a pixel's centre has integer coordinates.
        shape_YX: size of the patch; what lies outside is cut.

    Returns:
        YX float32 in 0 ... 1.
    """
    canvas = np.zeros((shape_YX[0] * OVERSAMPLING, shape_YX[1] * OVERSAMPLING), np.uint8)
    for points in outlines_yx_px:
        fine = (points[:, ::-1] + 0.5) * OVERSAMPLING - 0.5
        cv2.fillPoly(canvas, [np.round(fine * (1 << _FRACTION_BITS)).astype(np.int32)], 255, shift=_FRACTION_BITS)
    small = cv2.resize(canvas, (shape_YX[1], shape_YX[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32) / np.float32(255)
