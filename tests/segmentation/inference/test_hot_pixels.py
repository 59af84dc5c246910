"""Hot pixels are replaced by what is around them; points, small somas and clean images are left as they are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from somanet.analysis.network import open_networks
from somanet.segmentation.inference.hot_pixels import without_hot_pixels

SHAPE_YX = (140, 190)


def somas(seed: int = 0) -> NDArray[np.uint16]:
    """Twelve disks of 14 px and four of 5 px, 500 counts above 200, blurred, with noise."""
    y, x = np.indices(SHAPE_YX)
    light = np.zeros(SHAPE_YX)
    for n in range(12):
        light[(y - 25 - n // 4 * 40) ** 2 + (x - 25 - n % 4 * 45) ** 2 <= 49] = 500
    for n in range(4):
        light[(y - 45) ** 2 + (x - 40 - 35 * n) ** 2 <= 6] = 500
    noise = np.random.default_rng(seed).normal(200, 15, SHAPE_YX)
    return (ndimage.gaussian_filter(light, 1.0) + noise).astype(np.uint16)


@pytest.mark.parametrize("value", [1500, 60_000])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64, np.int32])
def test_hot_pixels_take_the_median_of_their_neighbours(value: int, dtype: type) -> None:
    clean = somas().astype(dtype)
    rng = np.random.default_rng(1)
    hot = np.zeros(SHAPE_YX, bool)
    hot[rng.integers(2, 138, 40) // 3 * 3, rng.integers(2, 188, 40) // 3 * 3] = True
    image = np.where(hot, dtype(value), clean)
    found = without_hot_pixels(image)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[~hot], clean[~hot])
    expected = ndimage.median_filter(image, 3)
    np.testing.assert_array_equal(found[hot], expected[hot])
    for colour in (np.stack([image, 0 * image], axis=-1), np.stack([image // dtype(2), image, 0 * image], axis=-1)):
        assert without_hot_pixels(colour)[hot].max() < 1000


@pytest.mark.parametrize("n", [0, 3, 2000])
def test_few_and_many_bright_pixels_are_left(n: int) -> None:
    """Three of 26,600 change no exposure; 2,000 are points of light."""
    image = somas()
    rng = np.random.default_rng(2)
    image.flat[rng.choice(image.size, n, replace=False)] = 30_000
    assert without_hot_pixels(image) is image


def test_an_image_of_one_value_is_left() -> None:
    for image in (np.zeros((1, 1), np.uint8), np.full((30, 41), 7, np.uint16), np.zeros((24, 31, 3), np.uint8)):
        assert without_hot_pixels(image) is image


def test_the_bundled_network_finds_the_somas_among_hot_pixels() -> None:
    """Sixty of 26,600 pixels at 60,000: not one soma was found, as the exposure was theirs."""
    segmenter = open_networks(None).segmenter
    clean = somas()
    hot = clean.copy()
    hot.flat[np.random.default_rng(3).choice(hot.size, 60, replace=False)] = 60_000
    expected, found = segmenter.labels(clean), segmenter.labels(hot)
    assert expected.max() == found.max() == 12
    assert np.mean((expected > 0) == (found > 0)) > 0.99
