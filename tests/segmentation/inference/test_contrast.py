"""Contrast against an object's own surroundings."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from somanet.segmentation.inference.contrast import LEAST_RING_PX, REACH, ROUNDING, contrast_of

SHAPE = (90, 130)
MIDDLES = ((30, 35), (60, 95))


def disks(*middles: tuple[int, int], diameter: float = 20, shape: tuple[int, int] = SHAPE) -> NDArray[np.int32]:
    y, x = np.ogrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    for number, (at_y, at_x) in enumerate(middles, start=1):
        labels[(y - at_y) ** 2 + (x - at_x) ** 2 <= (diameter / 2) ** 2] = number
    return labels


def noise(sd: float = 5.0, mean: float = 100.0) -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(mean, sd, SHAPE)


LABELS = disks(*MIDDLES)


def test_it_is_the_distance_in_standard_deviations_of_the_background() -> None:
    """5 counts of noise; disks 20 and 50 counts brighter than their ring: 4 and 10, within the error of a spread.

    The ring from 3 to 15 px around a disk of 20 px has about 1,070 pixels: its spread is known to 4 %.
    """
    image = noise() + np.array([0, 20, 50])[LABELS]
    np.testing.assert_allclose(contrast_of(image, LABELS), [4, 10], rtol=0.1)


def test_a_scale_of_intensities_changes_nothing_and_uneven_light_little() -> None:
    """Light that falls by 15 counts, three standard deviations, across the image: by 6 across a ring."""
    image = noise() + np.array([0, 40, 40])[LABELS]
    before = contrast_of(image, LABELS)
    np.testing.assert_allclose(contrast_of(7 * image - 300, LABELS), before)
    uneven = image + np.linspace(0, 15, SHAPE[1])
    np.testing.assert_allclose(contrast_of(uneven, LABELS), before, rtol=0.15)


def test_a_neighbour_is_not_part_of_the_surroundings() -> None:
    """A disk 1,000 times as bright, whose edge is 6 px away: half of the first one's ring is its own."""
    near = disks((30, 35), (30, 61))
    image = noise() + np.array([0, 40, 40_000])[near]
    assert contrast_of(image, near)[0] == pytest.approx(8, rel=0.15)


def test_the_ring_is_that_of_exact_distances() -> None:
    """By definition: exact Euclidean distances, one object at a time."""
    rng = np.random.default_rng(4)
    image = ndimage.gaussian_filter(rng.normal(0, 100, SHAPE), 3) + 500
    middles = ((25, 30), (40, 80), (70, 50), (65, 115))
    labels = disks(*middles, diameter=18)
    image += np.array([0, 60, 30, 5, 90])[labels]
    distances = np.stack([ndimage.distance_transform_edt(labels != n) for n in range(1, 5)])
    nearest = distances.argmin(axis=0)
    expected = []
    for n in range(4):
        diameter = 2 * np.sqrt((labels == n + 1).sum() / np.pi)
        ring = (labels == 0) & (nearest == n) & (distances[n] > 0.15 * diameter) & (distances[n] <= REACH * diameter)
        low, middle, high = np.percentile(image[ring], (16, 50, 84))
        expected.append((image[labels == n + 1].mean() - middle) / ((high - low) / 2))
    np.testing.assert_allclose(contrast_of(image, labels), expected, rtol=0.1, atol=0.1)


def test_haze_outlined_in_haze_has_little() -> None:
    """Blobs of a random field as large as they, cut at its 85 percentile: no farther from the ring than it is wide."""
    field = ndimage.gaussian_filter(np.random.default_rng(2).standard_normal((150, 210)), 5)
    labels, n = ndimage.label(field > np.percentile(field, 85))
    sizes = np.bincount(labels.ravel())[1:]
    found = contrast_of(field, labels.astype(np.int32))
    assert n > 10
    assert np.nanmedian(found[sizes > 60]) < 4


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_background_without_noise_has_that_of_rounding(dtype: type) -> None:
    image = np.where(LABELS > 0, 130, 100).astype(dtype)
    np.testing.assert_allclose(contrast_of(image, LABELS), 30 / ROUNDING)
    assert np.isfinite(contrast_of(np.where(LABELS > 0, 0.3, 0.1), LABELS)).all()
    assert np.isfinite(contrast_of(np.zeros(SHAPE), LABELS)).all()


def test_pixels_without_data_are_no_surroundings() -> None:
    """The left part of the first disk's ring is black."""
    image = noise() + np.array([0, 40, 40])[LABELS]
    missing = np.zeros(SHAPE, bool)
    missing[:, :30] = True
    holed = np.where(missing, 0, image)
    labels = np.where(missing, 0, LABELS)
    assert contrast_of(holed, labels, missing=missing)[0] == pytest.approx(8, rel=0.15)
    assert contrast_of(holed, labels)[0] < 2


def test_without_room_it_is_unknown() -> None:
    """Four squares that fill an image but for one row."""
    labels = np.zeros((31, 40), np.int32)
    labels[:15, :20], labels[:15, 20:], labels[16:, :20], labels[16:, 20:] = 1, 2, 3, 4
    assert LEAST_RING_PX > 0
    assert np.isnan(contrast_of(np.arange(31 * 40.0).reshape(31, 40), labels)).all()


def test_the_strongest_channel_counts_and_dark_objects_are_inverted() -> None:
    image = noise() + np.array([0, 20, 50])[LABELS]
    colour = np.stack([np.zeros(SHAPE), image, image / 2], axis=-1)
    np.testing.assert_allclose(contrast_of(colour, LABELS), contrast_of(image, LABELS))
    np.testing.assert_allclose(contrast_of(-image, LABELS, inverted=True), contrast_of(image, LABELS))


def test_no_objects_have_no_contrast() -> None:
    assert contrast_of(noise(), np.zeros(SHAPE, np.int32)).size == 0
