"""Drawn cells: discs for somas and lines of light for processes, with known lengths and directions."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Y, X = 150, 190
RADIUS_PX = 8
LIGHT = 400.0
BACKGROUND, NOISE = 1000.0, 20.0
Point = tuple[float, float]


def disc(centres: Sequence[Point], shape: tuple[int, int] = (Y, X)) -> NDArray[np.int32]:
    """Labels 1, 2, … of discs at ``(y, x)``."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    for number, (cy, cx) in enumerate(centres, start=1):
        labels[np.hypot(y - cy, x - cx) <= RADIUS_PX] = number
    return labels


def photo(
    labels: NDArray[np.int32], lines: Sequence[tuple[Point, Point]], *, seed: int = 0, light: float = LIGHT
) -> NDArray[np.float32]:
    """Bright discs, lines from ``(y, x)`` to ``(y, x)`` two pixels wide, blur and noise."""
    picture = np.where(labels > 0, 4 * LIGHT, 0).astype(np.float32)
    for (y0, x0), (y1, x1) in lines:
        ends = np.rint(np.array([[x0, y0], [x1, y1]]) * 16).astype(int)
        layer = np.zeros(labels.shape, np.uint8)
        cv2.line(layer, tuple(ends[0].tolist()), tuple(ends[1].tolist()), 255, 2, cv2.LINE_AA, 4)
        picture = np.maximum(picture, layer.astype(np.float32) / 255 * light)
    blurred = cv2.GaussianBlur(picture, (0, 0), 0.8)
    noise = np.random.default_rng(seed).normal(0, NOISE, labels.shape)
    return np.asarray(BACKGROUND + blurred + noise, np.float32)


def ray(centre: Point, angle_deg: float, length_px: float) -> tuple[Point, Point]:
    """A line from a disc's centre that is ``length_px`` long outside it; 0 = right, 90 = down."""
    far = RADIUS_PX + length_px
    angle = np.radians(angle_deg)
    return centre, (centre[0] + far * float(np.sin(angle)), centre[1] + far * float(np.cos(angle)))
