"""Pixels without data are found, filled and left out; dark backgrounds are data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from somanet.segmentation.network.inputs import measure_exposure, to_unit
from somanet.segmentation.network.missing import fill_missing, missing_pixels

SHAPE = HEIGHT, WIDTH = 96, 130


def camera(dtype: str = "uint16", *, offset: float = 400.0) -> np.ndarray:
    """Noise on a camera offset, vignetted, with three bright discs."""
    rng = np.random.default_rng(5)
    y, x = np.indices(SHAPE)
    light = 1 - 0.3 * np.hypot(y - HEIGHT / 2, x - WIDTH / 2) / np.hypot(HEIGHT / 2, WIDTH / 2)
    discs = sum((np.hypot(y - cy, x - cx) < 7) * 1500.0 for cy, cx in ((30, 40), (60, 90), (70, 30)))
    return (light * (offset + discs) + rng.normal(0, 12, SHAPE)).clip(1).astype(dtype)


def row(image: np.ndarray) -> np.ndarray:
    image[:1] = 0
    return image


def frame(image: np.ndarray) -> np.ndarray:
    image[[0, -1]] = 0
    image[:, [0, -1]] = 0
    return image


def stop(image: np.ndarray) -> np.ndarray:
    y, x = np.indices(SHAPE)
    image[np.hypot(y - HEIGHT / 2, x - WIDTH / 2) > 60] = 0
    return image


def corner(image: np.ndarray) -> np.ndarray:
    image[:20, :30] = 0
    return image


def dead_column(image: np.ndarray) -> np.ndarray:
    image[:, 50] = 0
    return image


def saturated_row(image: np.ndarray) -> np.ndarray:
    image[44] = 65535
    return image


CASES = [row, frame, stop, corner, dead_column, saturated_row]


@pytest.mark.parametrize("damage", CASES)
def test_exactly_what_was_taken_away_is_missing(damage: Callable[[np.ndarray], np.ndarray]) -> None:
    whole = camera()
    damaged = damage(whole.copy())
    missing = missing_pixels(damaged)
    assert missing is not None
    np.testing.assert_array_equal(missing, damaged != whole)


@pytest.mark.parametrize("damage", CASES)
def test_brightness_is_measured_without_them(damage: Callable[[np.ndarray], np.ndarray]) -> None:
    """The discs are in every one of these images: the exposure is the whole image's, up to what is gone."""
    whole = camera()
    expected, found = (measure_exposure(to_unit(image)) for image in (whole, damage(whole.copy())))
    assert not found.inverted
    for name in ("low", "high", "background"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=0.05)


@pytest.mark.parametrize("damage", CASES)
def test_filled_pixels_are_like_their_surroundings_and_the_others_stay(
    damage: Callable[[np.ndarray], np.ndarray],
) -> None:
    damaged = damage(camera())
    before = damaged.copy()
    filled, missing = fill_missing(damaged)
    assert missing is not None
    np.testing.assert_array_equal(filled[~missing], damaged[~missing])
    assert filled[missing].min() >= damaged[~missing].min()
    assert filled[missing].max() <= damaged[~missing].max()
    np.testing.assert_array_equal(damaged, before)


@pytest.mark.parametrize("place", [0, 1, 50, WIDTH - 1])
def test_a_line_with_one_other_pixel_is_data(place: int) -> None:
    """Wherever it is: lines are sieved by some of their pixels before they are looked at whole."""
    image = saturated_row(camera())
    assert missing_pixels(image) is not None
    image[44, place] -= 1
    assert missing_pixels(image) is None
    assert missing_pixels(image.T) is None


def test_a_rotated_image_has_wedges_with_interpolated_edges() -> None:
    whole = camera().astype(np.float64)
    turned = ndimage.rotate(whole, 2, reshape=False, order=1).clip(0)
    inside = ndimage.rotate(np.ones(SHAPE), 2, reshape=False, order=1) > 1 - 1e-9
    missing = missing_pixels(turned)
    assert missing is not None
    assert (missing | inside).all()
    assert (missing & inside).sum() <= 0.01 * inside.sum()


def test_numbers_that_are_none_are_missing() -> None:
    image = camera("float32")
    image[10:14, 20:30] = np.nan
    image[80, 5] = np.inf
    missing = missing_pixels(image)
    assert missing is not None
    np.testing.assert_array_equal(missing, ~np.isfinite(image))
    assert np.isfinite(to_unit(image)).all()


def test_a_dark_background_is_data() -> None:
    """Counts near zero, thresholded images, drawn discs on black: no pixel is missing."""
    rng = np.random.default_rng(1)
    dim = rng.poisson(1.5, SHAPE).astype(np.uint8)
    y, x = np.indices(SHAPE)
    discs = sum((np.hypot(y - cy, x - cx) < 12) * 200 for cy, cx in ((30, 40), (60, 90), (70, 30)))
    for image in (dim, dim + discs, discs, np.clip(camera().astype(float) - 380, 0, None), camera()):
        assert missing_pixels(np.asarray(image)) is None


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (5, 7), (5, 7, 3)])
def test_tiny_and_flat_images_miss_nothing(shape: tuple[int, ...]) -> None:
    for value in (0, 9):
        assert missing_pixels(np.full(shape, value, np.uint16)) is None


def test_a_colour_pixel_is_missing_if_all_its_channels_are() -> None:
    grey = camera("float32") / 10
    colour = np.stack([np.zeros(SHAPE), grey, np.zeros(SHAPE)], axis=-1).astype(np.uint8)
    assert missing_pixels(colour) is None
    colour[:2] = 0
    missing = missing_pixels(colour)
    assert missing is not None
    assert missing[:2].all()
    assert not missing[2:].any()
