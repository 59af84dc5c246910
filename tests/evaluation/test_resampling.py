"""Draws, intervals of means, patterns and Holm's correction."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from somanet.evaluation.resampling import (
    MAX_EXACT,
    bootstrap_counts,
    exchange_patterns,
    holm,
    least_p,
    mean_intervals,
)
from somanet.evaluation.scores import bootstrap_intervals

differences = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 7)),
    elements=st.integers(-20, 20).map(lambda value: value / 10),
)


def test_every_resample_draws_as_many_images_as_there_are() -> None:
    counts = bootstrap_counts(4, seed=0, resamples=9)
    assert counts.shape == (9, 4)
    assert set(counts.sum(axis=1)) == {4}


@pytest.mark.parametrize("n_images", [1, 3, 12])
def test_few_images_have_every_pattern_once(n_images: int) -> None:
    """12 images: 4096 patterns, more than one block."""
    patterns = np.concatenate(list(exchange_patterns(n_images, seed=0)))
    assert patterns.shape == (2**n_images, n_images)
    assert len(np.unique(patterns, axis=0)) == 2**n_images
    assert set(np.unique(patterns)) == {0, 1}


def test_many_images_have_drawn_patterns_that_leave_a_place_for_the_observed_one() -> None:
    first, again, other = (
        np.concatenate(list(exchange_patterns(MAX_EXACT + 1, seed=seed, drawn_patterns=5000))) for seed in (0, 0, 1)
    )
    assert first.shape == (4999, MAX_EXACT + 1)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.mean(axis=0) == pytest.approx(0.5, abs=0.05)  # 7 standard deviations


def test_the_least_p_is_that_of_images_which_all_agree() -> None:
    """5 images of one sign: 2 of 2^5 patterns, times 3 comparisons. Beyond 14 images patterns are drawn."""
    assert least_p(5, 1) == 2 / 32
    assert least_p(5, 3) == pytest.approx(6 / 32)
    assert least_p(2, 9) == 1
    assert least_p(40, 1) == 1 / 20_000


def test_holm_on_paper() -> None:
    """Of 0.01, 0.04, 0.03, 0.005: 4·0.005, 3·0.01, 2·0.03, then 1·0.04, which may not be below the one before."""
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])).tolist() == [1, 1]


def test_holm_does_not_count_what_was_not_tested() -> None:
    corrected = holm(np.array([math.nan, 0.02, 0.03]))
    assert math.isnan(corrected[0])
    assert corrected[1:] == pytest.approx([0.04, 0.04])
    assert np.isnan(holm(np.array([math.nan]))).all()
    assert holm(np.empty(0)).size == 0


@given(hnp.arrays(np.float64, st.integers(1, 9), elements=st.floats(0.001, 1)))
def test_holm_is_between_nothing_and_bonferroni_and_keeps_the_order(p: np.ndarray) -> None:
    corrected = holm(p)
    assert (corrected >= p).all()
    assert (corrected <= np.minimum(p * p.size, 1) + 1e-12).all()
    assert (np.diff(corrected[np.argsort(p)]) >= 0).all()


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
