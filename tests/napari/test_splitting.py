from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from somanet.core.errors import SomaNetError
from somanet.napari.splitting import label_under_line, split_by_line

BAR = np.zeros((7, 12), bool)
BAR[2:5, 1:11] = True  # 3 rows, 10 columns


def test_a_line_across_makes_two_parts() -> None:
    """Down between columns 3 and 4: three columns on one side, seven on the other, the larger one first."""
    first, second = split_by_line(BAR, (0, 3.5), (6, 3.5))
    assert first.sum() == 3 * 7
    np.testing.assert_array_equal(np.flatnonzero(second.any(axis=0)), [1, 2, 3])


def test_the_line_counts_beyond_its_ends() -> None:
    long = split_by_line(BAR, (0, 3.5), (6, 3.5))
    short = split_by_line(BAR, (3, 3.5), (3.2, 3.5))
    for one, other in zip(long, short, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [((0, 0), (0, 11), "does not cross"), ((3, 3), (3, 3), "needs two points")],
)
def test_a_line_that_splits_nothing_is_refused(
    start: tuple[float, float], end: tuple[float, float], words: str
) -> None:
    with pytest.raises(SomaNetError, match=words):
        split_by_line(BAR, start, end)


places = st.tuples(st.integers(-2, 9), st.integers(-2, 14))


@given(places, places, st.integers(0, 2**32 - 1))
def test_no_pixel_is_lost_or_doubled(start: tuple[int, int], end: tuple[int, int], seed: int) -> None:
    """And each part lies on one side: no pixel of one is nearer to the other side's normal."""
    mask = np.random.default_rng(seed).random((8, 13)) < 0.5
    try:
        first, second = split_by_line(mask, start, end)
    except SomaNetError:
        return
    np.testing.assert_array_equal(first | second, mask)
    assert not (first & second).any()
    assert first.sum() >= second.sum() > 0
    along = np.subtract(end, start)
    normal = np.array([along[1], -along[0]])
    sides = [(np.argwhere(part) - start) @ normal for part in (first, second)]
    assert (sides[0].min() >= 0 and sides[1].max() <= 0) or (sides[0].max() <= 0 and sides[1].min() >= 0)


def test_a_line_means_the_soma_of_which_it_crosses_most() -> None:
    """Four pixels of the first, two of the second; one end is beyond the frame."""
    labels_YX = np.zeros((6, 12), np.int32)
    labels_YX[1:5, 2:6], labels_YX[1:5, 8:10] = 7, 3
    assert label_under_line(labels_YX, (2.0, -4.0), (2.4, 11.0)) == 7
    assert label_under_line(labels_YX, (2.0, 5.0), (2.0, 30.0)) == 3
    with pytest.raises(SomaNetError, match="crosses no soma"):
        label_under_line(labels_YX, (0.0, 0.0), (0.0, 11.0))
