"""Names of dots that are close together."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.peers.figure import spread


@given(heights=st.lists(st.floats(0, 1), max_size=8).map(sorted), gap=st.floats(0.001, 0.2))
def test_names_keep_their_order_their_distance_and_their_middle(heights: list[float], gap: float) -> None:
    placed = spread(heights, gap=gap)
    assert len(placed) == len(heights)
    assert all(high - low >= gap - 1e-9 for low, high in itertools.pairwise(placed))
    assert sum(placed) == pytest.approx(sum(heights))


def test_names_with_room_stay_where_they_are() -> None:
    assert spread([0.2, 0.5, 0.9], gap=0.1) == pytest.approx([0.2, 0.5, 0.9])
