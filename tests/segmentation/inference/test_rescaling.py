"""Inference on rescaled images; labels have the image's own size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from somanet.core.errors import SomaNetError
from somanet.segmentation.inference.diameters import diameters_px
from somanet.segmentation.inference.instances import probabilities_to_labels
from somanet.segmentation.inference.rescaling import predict_rescaled, resize, settings_at
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import InstanceSettings, ModelSpec
from tests.worlds import TWO_SOMAS, bright_network, draw, photograph

SIDES = st.integers(1, 90)
FACTORS = st.floats(0.05, 4)


def disk(shape_YX: tuple[int, int], middle: tuple[float, float], diameter: float) -> NDArray[np.uint8]:
    """A bright disk on a dark ground."""
    y, x = np.ogrid[: shape_YX[0], : shape_YX[1]]
    return np.where((y - middle[0]) ** 2 + (x - middle[1]) ** 2 <= (diameter / 2) ** 2, 230, 20).astype(np.uint8)


def knows_20_px(image: NDArray[np.generic]) -> NDArray[np.float32]:
    """The output of a network that detects bright objects 10 to 40 px across, and no others."""
    objects, n = ndimage.label(image > 125)
    sizes = np.bincount(objects.ravel(), minlength=n + 1)
    fits = (sizes > np.pi * 5**2) & (sizes < np.pi * 20**2)
    fits[0] = False
    return fits[objects].astype(np.float32)[None]


@given(height=SIDES, width=SIDES, factor=FACTORS, colours=st.sampled_from([None, 1, 3, 4]))
def test_the_maps_have_the_images_size(height: int, width: int, factor: float, colours: int | None) -> None:
    """For any size and factor; the network's input is the rescaled image, of the same data type."""
    image = np.random.default_rng(0).integers(0, 255, (height, width) if colours is None else (height, width, colours))
    seen: list[tuple[int, ...]] = []

    def answer(resized: NDArray[np.generic]) -> NDArray[np.float32]:
        seen.append(resized.shape)
        assert resized.dtype == np.uint8
        return np.full((2, *resized.shape[:2]), 0.25, np.float32)

    maps = predict_rescaled(answer, image.astype(np.uint8), factor)
    assert maps.shape == (2, height, width)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, 0.25, rtol=1e-6)
    expected = (max(1, round(height * factor)), max(1, round(width * factor)))
    assert seen == [(*expected, *image.shape[2:])]


@given(
    dtype=st.sampled_from(["uint8", "uint16", "int16", "int32", "uint32", "float32", "float64"]),
    value=st.integers(0, 255), height=SIDES, width=SIDES, new=st.tuples(SIDES, SIDES),
)  # fmt: skip
def test_an_even_image_stays_even(dtype: str, value: int, height: int, width: int, new: tuple[int, int]) -> None:
    resized = resize(np.full((height, width), value, dtype), new)
    assert resized.shape == new
    np.testing.assert_allclose(resized, value, rtol=1e-5)


def test_smaller_is_the_mean_of_the_pixels() -> None:
    """4 × 6 → 2 × 3: each new pixel is a square of four."""
    image = np.arange(24, dtype=np.float32).reshape(4, 6)
    expected = image.reshape(2, 2, 3, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(resize(image, (2, 3)), expected)


def test_a_large_disk_is_found_where_the_network_knows_small_ones() -> None:
    """60 px across: nothing at its own size, at a third one object, 60 px across and where it was."""
    image = disk((150, 210), (66, 120), 60)
    settings = InstanceSettings()
    assert not probabilities_to_labels(knows_20_px(image), ["soma"], settings).any()
    labels = probabilities_to_labels(predict_rescaled(knows_20_px, image, 0.33), ["soma"], settings_at(settings, 0.33))
    assert labels.shape == image.shape
    [diameter] = diameters_px(labels)
    assert diameter == pytest.approx(60, abs=2)
    assert ndimage.center_of_mass(labels) == pytest.approx((66, 120), abs=1)


@given(
    factor=st.floats(0.25, 4), y=st.floats(45, 85), x=st.floats(45, 140),
)  # fmt: skip
def test_an_object_keeps_its_place_and_size(factor: float, y: float, x: float) -> None:
    """A disk of 40 px, wherever it lies and whatever the factor."""
    image = disk((131, 187), (y, x), 40)
    bright = predict_rescaled(lambda seen: (seen > 125).astype(np.float32)[None], image, factor)
    labels = probabilities_to_labels(bright, ["soma"], InstanceSettings())
    [diameter] = diameters_px(labels)
    within = 1 + 0.6 / factor  # a network's mask is accurate to about half a pixel of its input
    assert diameter == pytest.approx(40, abs=2 * within)
    assert ndimage.center_of_mass(labels) == pytest.approx((y, x), abs=within)


def test_areas_are_meant_in_the_pixels_that_the_network_saw() -> None:
    """Somas at twice their size: 40 px there are 10 px here; at half their size, 160."""
    settings = InstanceSettings(min_area_px=40, min_seed_px=8, threshold=0.4)
    assert settings_at(settings, 1) is settings
    assert (settings_at(settings, 2).min_area_px, settings_at(settings, 2).min_seed_px) == (10, 2)
    assert (settings_at(settings, 0.5).min_area_px, settings_at(settings, 0.5).min_seed_px) == (160, 32)
    assert settings_at(settings, 0.5).threshold == 0.4


@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0])
@pytest.mark.parametrize("colour", [False, True])
def test_a_networks_labels_come_in_the_images_size(factor: float, colour: bool) -> None:
    """The drawing's squares are 8 px wide, which every factor here keeps whole."""
    labels = draw(TWO_SOMAS)
    image = photograph(labels)
    if colour:
        image = np.stack([image] * 3, axis=-1)
    found = Segmenter.of(bright_network(), ModelSpec()).at(factor).labels(image)
    assert found.shape == labels.shape
    assert found.max() == 2
    assert np.mean((found > 0) != (labels > 0)) < 0.01


def test_a_factor_of_one_changes_nothing() -> None:
    spec = ModelSpec(outputs=("soma", "boundary"))
    model = build_model(spec).eval()
    image = np.random.default_rng(1).integers(0, 65535, (41, 67)).astype(np.uint16)
    np.testing.assert_array_equal(
        Segmenter.of(model, spec).at(1).labels(image), Segmenter.of(model, spec).labels(image)
    )


def test_an_image_is_not_enlarged_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMANET_MAX_IMAGE_PIXELS", "100")
    image = np.zeros((5, 7), np.uint8)
    with pytest.raises(SomaNetError, match=r"5 × 7 would be rescaled to 10 × 14.*SOMANET_MAX_IMAGE_PIXELS=140"):
        predict_rescaled(lambda resized: np.zeros((1, *resized.shape), np.float32), image, 2)
    maps = predict_rescaled(lambda resized: np.zeros((1, *resized.shape), np.float32), image, 0.5)
    assert maps.shape == (1, 5, 7)
