"""Inputs of a network: three channels, a known range, somas bright; and its target maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.segmentation import find_boundaries

from somanet.core.errors import SomaNetError
from somanet.segmentation.network.inputs import contour, make_targets, to_input, to_unit, unit_to_input
from somanet.segmentation.network.settings import ModelSpec

RGB, GREY, CONTRASTS = ModelSpec(), ModelSpec(in_channels=1), ModelSpec(input="contrasts")


def drawn(picture: str) -> np.ndarray:
    """A label image as drawn: one digit per pixel, dots for background."""
    rows = [line.strip().replace(".", "0") for line in picture.split()]
    return np.array([[int(c) for c in row] for row in rows], np.int32)


# To a known range


@pytest.mark.parametrize("shape", [(64, 96), (64, 96, 1), (64, 96, 3), (64, 96, 4)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_every_kind_of_image_becomes_three_channels(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(0)
    image = rng.random(shape).astype(dtype) if dtype == "float32" else rng.integers(0, 250, shape).astype(dtype)
    unit = to_unit(image)
    assert unit.shape == (64, 96, 3)
    assert unit.dtype == ("uint8" if dtype == "uint8" else "float32")
    for spec, channels in ((RGB, 3), (GREY, 1), (CONTRASTS, 3)):
        given = to_input(image, spec)
        assert given.shape == (channels, 64, 96)
        assert given.dtype == np.float32
        assert given.min() >= 0
        assert given.max() <= 1


def test_bytes_keep_their_scale_and_their_colours() -> None:
    """255 is 1, whatever else is in the image; alpha is dropped, red stays first."""
    image = np.zeros((5, 7, 4), np.uint8)
    image[1, 2] = (51, 102, 255, 9)
    given = to_input(image, RGB)
    np.testing.assert_allclose(given[:, 1, 2], [0.2, 0.4, 1.0], rtol=1e-6)
    assert np.count_nonzero(given) == 3


def test_grey_is_repeated_and_a_grey_network_gets_the_mean() -> None:
    image = np.arange(35, dtype=np.uint8).reshape(5, 7)
    np.testing.assert_array_equal(to_unit(image), np.stack([image] * 3, axis=-1))
    colour = np.zeros((5, 7, 3), np.uint8)
    colour[..., 0], colour[..., 1] = 30, 60
    np.testing.assert_allclose(to_input(colour, GREY), np.full((1, 5, 7), 30 / 255), rtol=1e-6)


def test_other_types_are_scaled_by_their_own_percentiles() -> None:
    """0…9999 once each: the 0.1 and 99.95 percentiles are 9.999 and 9994.0005; values beyond them are clipped."""
    image = np.arange(10_000, dtype=np.uint16).reshape(80, 125)
    unit = to_unit(image)[..., 0].ravel()
    low, high = 9.999, 9994.0005
    np.testing.assert_allclose(unit[5000], (5000 - low) / (high - low), rtol=1e-5)
    assert unit[9] == 0
    assert unit[9995] == 1


@given(gain=st.floats(0.01, 100), offset=st.floats(-500, 500))
def test_a_float_images_gain_and_offset_do_not_matter(gain: float, offset: float) -> None:
    image = np.random.default_rng(3).random((16, 24)).astype(np.float32)
    np.testing.assert_allclose(to_unit((gain * image + offset).astype(np.float32)), to_unit(image), atol=0.02)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_a_flat_image_is_dark_not_nan(dtype: str) -> None:
    for spec in (RGB, GREY, CONTRASTS):
        np.testing.assert_array_equal(to_input(np.full((8, 12), 7, dtype), spec), 0)


@pytest.mark.parametrize("shape", [(0, 9), (9,), (5, 7, 2), (5, 7, 5), (3, 5, 7, 3)])
def test_what_is_no_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(SomaNetError, match="Expected a 2-D image"):
        to_unit(np.zeros(shape, np.uint8))


# Contrasts


def test_the_three_contrasts_are_linear_root_and_near_logarithm() -> None:
    """Half the intensity: 0.5, its root 0.71, and asinh(25)/asinh(50) = 0.85."""
    ramp = np.repeat(np.linspace(0, 1, 1001, dtype=np.float32)[None] ** 2, 40, axis=0)  # mostly dark
    linear, root, near_log = unit_to_input(np.stack([ramp] * 3, axis=-1), CONTRASTS)[:, 3]
    np.testing.assert_allclose(root, np.sqrt(linear), atol=1e-6)
    np.testing.assert_allclose(near_log, np.arcsinh(50 * linear) / np.arcsinh(50), atol=1e-6)
    middle = np.argmin(abs(linear - 0.5))
    assert root[middle] == pytest.approx(0.71, abs=0.01)
    assert near_log[middle] == pytest.approx(0.85, abs=0.01)
    np.testing.assert_allclose([linear[0], linear[-1]], [0, 1], atol=1e-6)


def test_contrasts_take_the_strongest_channel() -> None:
    """GFP alone is as bright as white."""
    rng = np.random.default_rng(1)
    signal = rng.integers(0, 200, (64, 96), np.uint8)
    green = np.zeros((64, 96, 3), np.uint8)
    green[..., 1] = signal
    np.testing.assert_array_equal(to_input(green, CONTRASTS), to_input(signal, CONTRASTS))


def test_dark_cells_on_a_bright_field_become_bright() -> None:
    fluorescent = np.full((64, 96), 20, np.uint8)
    fluorescent[10:30, 20:50] = 220
    np.testing.assert_allclose(
        to_input(255 - fluorescent, CONTRASTS), to_input(fluorescent, CONTRASTS), rtol=1e-5, atol=1e-6
    )
    assert to_input(255 - fluorescent, CONTRASTS)[:, 20, 30].min() > 0.9


def test_bright_cells_on_a_lit_ground_stay_bright() -> None:
    image = np.full((64, 96), 120, np.uint8)
    image[10:30, 20:50] = 240
    image[40, ::2] = 100
    given = to_input(image, CONTRASTS)
    assert given[0, 20, 30] > given[0, 50, 30]


# Targets


def test_the_rim_is_two_wide_where_a_core_is_left() -> None:
    """7 x 8: two rings leave 3 x 4; 4 x 4: a second ring would leave nothing, so one; 1 px is all rim."""
    labels = drawn(
        """
        ..................
        .11111111..2222...
        .11111111..2222...
        .11111111..2222...
        .11111111..2222...
        .11111111.........
        .11111111....3....
        .11111111.........
        ..................
        """
    )
    expected = drawn(
        """
        ..................
        .11111111..1111...
        .11111111..1..1...
        .11....11..1..1...
        .11....11..1111...
        .11....11.........
        .11111111....1....
        .11111111.........
        ..................
        """
    )
    soma, boundary = make_targets(labels, ("soma", "boundary"))
    np.testing.assert_array_equal(boundary, expected)
    np.testing.assert_array_equal(soma, labels > 0)


def test_touching_somas_keep_apart() -> None:
    labels = np.zeros((16, 24), np.int32)
    labels[3:13, 2:12], labels[3:13, 12:22] = 4, 9  # ids with gaps
    [boundary] = make_targets(labels, ("boundary",))
    assert boundary[3:13, 10:14].all()
    assert not boundary[5:11, 4:10].any()


def test_targets_come_in_the_order_asked_for() -> None:
    labels = np.zeros((9, 14), np.int32)
    labels[1:8, 2:10] = 1
    both = make_targets(labels, ("soma", "boundary"))
    np.testing.assert_array_equal(both[::-1], make_targets(labels, ("boundary", "soma")))
    assert both.dtype == np.float32
    assert make_targets(np.zeros((9, 14), np.int32), ("soma", "boundary")).sum() == 0


@given(hnp.arrays(np.int32, (12, 17), elements=st.integers(0, 3)))
def test_laws_of_the_rim(labels: np.ndarray) -> None:
    """Inside the somas; between any two different neighbours that are both soma it lies on both sides."""
    soma, boundary = make_targets(labels, ("soma", "boundary")) > 0
    assert not (boundary & ~soma).any()
    for a, b, rim_a, rim_b in (
        (labels[1:], labels[:-1], boundary[1:], boundary[:-1]),
        (labels[:, 1:], labels[:, :-1], boundary[:, 1:], boundary[:, :-1]),
    ):
        meet = (a > 0) & (b > 0) & (a != b)
        assert (rim_a & rim_b)[meet].all()


@given(hnp.arrays(np.int32, (12, 17), elements=st.integers(0, 5)))
def test_contour_and_distance_are_those_of_independent_libraries(labels: np.ndarray) -> None:
    inner = find_boundaries(labels, mode="inner")
    np.testing.assert_array_equal(contour(labels), inner)
    far = ndimage.distance_transform_edt(~inner) + 1
    largest = ndimage.maximum(far, labels, np.arange(labels.max() + 1))
    expected = np.where(labels > 0, far / largest[labels], 0)
    np.testing.assert_array_equal(make_targets(labels, ("distance",))[0], expected.astype(np.float32))


def test_the_distance_of_every_object_peaks_at_one() -> None:
    """A square of 9 px: its rim is 1 px from outside, its middle 5: 1/5 and 1. A bar of 3 px: 1/2 and 1."""
    labels = np.zeros((21, 34), np.int32)
    labels[3:12, 4:13] = 1
    labels[3:12, 13:16] = 2  # touches the square
    labels[17, 30] = 3  # a single pixel is all middle
    distance = make_targets(labels, ("soma", "distance"))[1]
    np.testing.assert_allclose(distance[7, 4:13], np.array([1, 2, 3, 4, 5, 4, 3, 2, 1]) / 5)
    np.testing.assert_allclose(distance[7, 13:16], [0.5, 1, 0.5])
    assert distance[17, 30] == 1
    assert (distance[labels == 0] == 0).all()
    assert (distance[labels > 0] > 0).all()
    assert not make_targets(np.zeros((5, 7), np.int32), ("distance",)).any()
