"""Images at several scales: which part of them is seen, and how far objects overlap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from somanet.evaluation.masks import overlap
from somanet.segmentation.inference import scales
from somanet.segmentation.inference.scales import STEP, WINDOW_PX, best_iou, most_detailed, overlap_of, window


@given(
    height=st.integers(1, 3000), width=st.integers(1, 3000), y=st.floats(0, 0.999), x=st.floats(0, 0.999),
    factor=st.floats(1 / 8, 4),
)  # fmt: skip
def test_a_window_is_inside_the_image_and_in_those_of_smaller_scales(
    height: int, width: int, y: float, x: float, factor: float
) -> None:
    centre = (int(y * height), int(x * width))
    for axis, length in enumerate((height, width)):
        part = window((height, width), centre, factor)[axis]
        wider = window((height, width), centre, factor / STEP)[axis]
        assert 0 <= wider.start <= part.start <= centre[axis] < part.stop <= wider.stop <= length
        assert part.stop - part.start == min(length, max(1, int(WINDOW_PX / factor)))


def test_a_speck_is_not_the_most_detailed_part() -> None:
    image = np.full((700, 800), 100.0) + np.random.default_rng(0).normal(0, 1, (700, 800))
    image[100, 100] = 60_000
    y, x = np.mgrid[:192, :192] % 24 - 12
    grid = np.where(y**2 + x**2 <= 25, 230, 20)
    image[450 : 450 + grid.shape[0], 550 : 550 + grid.shape[1]] += grid
    y, x = most_detailed(image)
    assert 450 <= y <= 450 + grid.shape[0]
    assert 550 <= x <= 550 + grid.shape[1]


@given(seed=st.integers(0, 100))
def test_of_too_many_pairs_those_that_share_pixels_are_listed_alike(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = (rng.choice([0, 0, 1, 2, 5], (7, 9)).repeat(3, 0).repeat(2, 1).astype(np.int32) for _ in range(2))
    other = np.roll(other, 1, axis=1)
    by_table = overlap_of(one, other)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scales, "MOST_CELLS", 0)
        listed = overlap_of(one, other)
    for found, expected in zip(listed, by_table, strict=True):
        np.testing.assert_array_equal(found, expected)
    for first, second, shared in zip(by_table.first, by_table.second, by_table.shared, strict=True):
        assert shared == np.sum((one == first) & (other == second)) > 0
    assert by_table.shared.sum() == np.sum((one > 0) & (other > 0))
    covered = [0, *(np.sum((other == n) & (one > 0)) for n in range(1, int(other.max()) + 1))]
    np.testing.assert_array_equal(by_table.covered, covered)
    np.testing.assert_array_equal(by_table.areas, np.bincount(one.ravel()))
    np.testing.assert_array_equal(by_table.other_areas, np.bincount(other.ravel()))


@given(seed=st.integers(0, 100))
def test_the_best_overlap_is_that_of_the_full_table(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = (rng.integers(0, 6, (7, 9)).repeat(3, 0).repeat(2, 1).astype(np.int32) for _ in range(2))
    n = int(one.max())
    table = overlap(one, np.roll(other, 1, axis=1)).iou
    found = best_iou(one, np.roll(other, 1, axis=1), n)
    present = np.isin(np.arange(1, n + 1), one)
    np.testing.assert_allclose(found[present], table.max(axis=1))
    np.testing.assert_array_equal(found[~present], 0)
