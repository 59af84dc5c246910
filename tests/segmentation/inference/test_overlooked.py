"""Bright spots that nobody outlined: round ones count, processes, dim ones and noise do not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from somanet.segmentation.inference.overlooked import overlooked_spots

SHAPE_YX = (150, 210)
BRIGHT, DARK = 800.0, 200.0


def picture(spots: float = 0.0, ridges: float = 0.0) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Two outlined disks of 24 px; nine spots of 6 px and two ridges 4 px wide of this brightness; blur, noise."""
    y, x = np.indices(SHAPE_YX)
    light, labels = np.zeros(SHAPE_YX), np.zeros(SHAPE_YX, np.int32)
    for n, column in enumerate((30, 100)):
        inside = (y - 30) ** 2 + (x - column) ** 2 <= 12**2
        light[inside], labels[inside] = BRIGHT, n + 1
    for n in range(9):
        light[(y - 85 - n % 3 * 22) ** 2 + (x - 30 - n // 3 * 25) ** 2 <= 3**2] += spots * BRIGHT
    for column in (140, 175):
        light[60:140, column : column + 4] += ridges * BRIGHT
    noise = np.random.default_rng(0).normal(0, 20, SHAPE_YX)
    return (ndimage.gaussian_filter(light, 1.0) + DARK + noise).astype(np.uint16), labels


@pytest.mark.parametrize(("spots", "expected"), [(1.0, 9), (0.2, 0), (0.0, 0)])
def test_spots_as_bright_as_the_objects_are_counted(spots: float, expected: int) -> None:
    image, labels = picture(spots)
    assert overlooked_spots(image, labels) == expected
    assert overlooked_spots(np.stack([image // 2, image, image // 4], axis=-1), labels) == expected
    assert overlooked_spots(60_000 - image, labels, inverted=True) == expected


def test_processes_are_no_spots() -> None:
    image, labels = picture(ridges=1.0)
    assert overlooked_spots(image, labels) <= 2  # the blunt ends of a ridge are not long


def test_what_is_outlined_is_not_overlooked() -> None:
    image, labels = picture(1.0)
    outlined = np.where(image > 400, ndimage.label(image > 400)[0], 0).astype(np.int32)
    assert overlooked_spots(image, outlined) == 0
    assert overlooked_spots(image, 0 * labels) == 0
    assert overlooked_spots(image, np.ones_like(labels)) == 0
