"""Masks as run lengths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from somanet.core.errors import SomaNetError
from somanet.corrections import Mask

frames = st.tuples(st.integers(1, 9), st.integers(1, 13)).flatmap(lambda shape: arrays(np.bool_, shape))


@settings(max_examples=300, deadline=None)
@given(frames, st.integers(0, 50), st.integers(0, 50))
def test_any_shape_survives_the_round_trip(pixels: np.ndarray, top: int, left: int) -> None:
    mask = Mask.of_pixels(pixels, top=top, left=left)
    if not pixels.any():
        assert mask is None
        return
    assert mask is not None
    assert Mask.from_json(mask.as_json()) == mask
    canvas = np.zeros((top + pixels.shape[0], left + pixels.shape[1]), np.int32)
    mask.paint(canvas, 7)
    expected = np.zeros_like(canvas)
    expected[top:, left:][pixels] = 7
    np.testing.assert_array_equal(canvas, expected)
    assert mask.area_px == pixels.sum()
    y, x = np.nonzero(expected)
    assert mask.centre_yx == pytest.approx((y.mean(), x.mean()))


@settings(max_examples=200, deadline=None)
@given(arrays(np.bool_, (7, 11)), arrays(np.bool_, (7, 11)))
def test_what_is_left_of_one_without_the_other(one: np.ndarray, other: np.ndarray) -> None:
    a, b = Mask.of_pixels(one), Mask.of_pixels(other)
    if a is not None and b is not None:
        assert a.without(b) == Mask.of_pixels(one & ~other)


def test_a_soma_is_small() -> None:
    y, x = np.mgrid[:1024, :1024]
    mask = Mask.of_pixels((y - 500) ** 2 + (x - 700) ** 2 < 14**2)
    assert mask is not None
    assert len(str(mask.as_json())) < 400


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"box": [0, 0, 2], "runs": [0, 4]},
        {"box": [0, 0, 2, 2], "runs": []},
        {"box": [0, 0, 2, 2], "runs": [0, 5]},
        {"box": [0, 0, 2, 2], "runs": [1, 1]},  # a larger box than the mask's
        {"box": [0, 0, 2, 2], "runs": [0, 2.5]},
        {"box": [0, 0, 2, 2], "runs": [0, 4, 0, 0]},
        {"box": [-1, 0, 2, 2], "runs": [0, 4]},
        {"box": [0, 0, 10**9, 10**9], "runs": [0, 4]},
        {"box": [0, 0, 2, 2], "runs": [0, True]},
    ],
)
def test_a_malformed_mask_is_refused_in_one_line(value: object) -> None:
    with pytest.raises(SomaNetError) as error:
        Mask.from_json(value)
    assert "\n" not in str(error.value)
