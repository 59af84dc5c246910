"""Ranks, and intervals of means."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from somanet.evaluation.resampling import bootstrap_counts
from somanet.evaluation.scores import bootstrap_intervals
from somanet.training.comparison.statistics import mean_intervals, ranks

differences = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 7)),
    elements=st.integers(-20, 20).map(lambda value: value / 10),
)


def test_intervals_are_those_of_the_evaluation() -> None:
    """The same draws as :func:`bootstrap_intervals`, so that a table and its file have the same interval."""
    values = np.random.default_rng(0).normal(size=7)
    expected = bootstrap_intervals(7, lambda index: {"mean": float(values[index].mean())}, seed=5, resamples=300)
    low, high = mean_intervals(values[None], bootstrap_counts(7, seed=5, resamples=300))
    assert (low[0], high[0]) == pytest.approx(expected["mean"])


def test_a_constant_difference_has_an_interval_of_no_width() -> None:
    low, high = mean_intervals(np.full((1, 6), 0.25), bootstrap_counts(6, seed=0))
    assert low == pytest.approx([0.25])
    assert high == pytest.approx([0.25])


def test_one_image_has_no_interval() -> None:
    """One image does not show how images differ; the same with one defined value among three."""
    for row in ([0.3], [0.3, math.nan, math.nan]):
        low, high = mean_intervals(np.array([row]), bootstrap_counts(len(row), seed=0))
        assert np.isnan([low, high]).all()


@given(differences)
@settings(max_examples=30, deadline=None)
def test_intervals_mirror_with_the_sign(rows: np.ndarray) -> None:
    counts = bootstrap_counts(rows.shape[1], seed=0, resamples=200)
    low, high = mean_intervals(rows, counts)
    mirrored_low, mirrored_high = mean_intervals(-rows, counts)
    assert mirrored_low == pytest.approx(-high, nan_ok=True)
    assert mirrored_high == pytest.approx(-low, nan_ok=True)
    assert (np.isnan(low) | (low <= high)).all()


def test_ranks_start_at_the_best_and_ties_share() -> None:
    """Image 1: 0.9 > 0.5 = 0.5. Image 2: the second network is undefined and leaves two ranks."""
    scores = np.array([[0.5, 0.1], [0.9, math.nan], [0.5, 0.2]])
    np.testing.assert_array_equal(ranks(scores), [[2.5, 2], [1, math.nan], [2.5, 1]])
