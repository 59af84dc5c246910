"""Resampling statistics whose results can be counted on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import permutation_test

from somanet.comparison.statistics import (
    MAX_EXACT,
    bootstrap_counts,
    holm,
    least_p,
    mean_intervals,
    ranks,
    sign_flip_p,
)
from somanet.evaluation.scores import bootstrap_intervals

differences = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 7)),
    elements=st.integers(-20, 20).map(lambda value: value / 10),
)


@pytest.mark.parametrize("n", [1, 2, 5, 8, MAX_EXACT])
@pytest.mark.parametrize("amount", [0.1, -0.3])
def test_images_that_all_differ_by_one_amount(n: int, amount: float) -> None:
    """Only all signs as they are and all flipped lie as far from 0: p = 2/2^n."""
    assert sign_flip_p(np.full((1, n), amount), seed=0) == pytest.approx([2 / 2**n])


def test_one_image_against_three() -> None:
    """Of 1, 1, 1, −1 the mean is 2/4. Sums of the 16 patterns: ±4 twice, ±2 eight times, 0 six times: p = 10/16."""
    assert sign_flip_p(np.array([[1.0, 1, 1, -1]]), seed=0) == pytest.approx([10 / 16])


def test_equal_networks_have_p_1() -> None:
    assert sign_flip_p(np.zeros((2, 6)), seed=0).tolist() == [1, 1]
    assert sign_flip_p(np.zeros((1, MAX_EXACT + 1)), seed=0).tolist() == [1]


def test_an_undefined_image_is_as_good_as_none() -> None:
    row = [0.2, 0.1, 0.3, -0.1]
    padded = np.array([[*row, math.nan], [math.nan] * 5])
    assert sign_flip_p(padded, seed=0)[0] == sign_flip_p(np.array([row]), seed=0)[0]
    assert math.isnan(sign_flip_p(padded, seed=0)[1])


def test_drawn_patterns_agree_with_scipy_and_are_never_0() -> None:
    """30 images: scipy draws its own patterns. Two binomial estimates of p ≈ 0.06 from 20,000 differ by ± 0.01."""
    rng = np.random.default_rng(3)
    rows = rng.normal(0.35, 1, (3, 30))
    found = sign_flip_p(rows, seed=0)
    for row, p in zip(rows, found, strict=True):
        theirs = permutation_test((row,), np.mean, permutation_type="samples", n_resamples=20_000, rng=1).pvalue
        assert p == pytest.approx(theirs, abs=0.012)
    assert sign_flip_p(np.ones((1, 40)), seed=0, drawn_patterns=500) == pytest.approx([1 / 500])


@given(differences)
@settings(max_examples=40, deadline=None)
def test_p_knows_neither_the_sign_nor_the_order_of_images(rows: np.ndarray) -> None:
    p = sign_flip_p(rows, seed=0)
    assert sign_flip_p(-rows, seed=0) == pytest.approx(p)
    assert sign_flip_p(rows[:, ::-1], seed=0) == pytest.approx(p)
    assert ((p > 0) & (p <= 1)).all()
    exact = [permutation_test((row,), np.mean, permutation_type="samples").pvalue for row in rows if row.size > 1]
    assert not exact or p == pytest.approx(exact)


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
    """The same draws as :func:`bootstrap_intervals`, so that a table and its file tell the same interval."""
    values = np.random.default_rng(0).normal(size=7)
    expected = bootstrap_intervals(7, lambda index: {"mean": float(values[index].mean())}, seed=5, resamples=300)
    low, high = mean_intervals(values[None], bootstrap_counts(7, seed=5, resamples=300))
    assert (low[0], high[0]) == pytest.approx(expected["mean"])


def test_a_constant_difference_has_an_interval_of_no_width() -> None:
    low, high = mean_intervals(np.full((1, 6), 0.25), bootstrap_counts(6, seed=0))
    assert low == pytest.approx([0.25])
    assert high == pytest.approx([0.25])


def test_one_image_has_no_interval() -> None:
    """It says nothing of how images differ; the same with one defined value among three."""
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


def test_every_resample_draws_as_many_images_as_there_are() -> None:
    counts = bootstrap_counts(4, seed=0, resamples=9)
    assert counts.shape == (9, 4)
    assert set(counts.sum(axis=1)) == {4}


def test_ranks_start_at_the_best_and_ties_share() -> None:
    """Image 1: 0.9 > 0.5 = 0.5. Image 2: the second network is undefined and leaves two ranks."""
    scores = np.array([[0.5, 0.1], [0.9, math.nan], [0.5, 0.2]])
    np.testing.assert_array_equal(ranks(scores), [[2.5, 2], [1, math.nan], [2.5, 1]])


def test_the_least_p_is_that_of_images_which_all_agree() -> None:
    """5 images of one sign: 2 of 2^5 patterns, times 3 comparisons. Beyond 14 images patterns are drawn."""
    agreeing = np.ones((1, 5))
    assert least_p(5, 1) == sign_flip_p(agreeing, seed=0)[0] == 2 / 32
    assert least_p(5, 3) == pytest.approx(6 / 32)
    assert least_p(2, 9) == 1
    assert least_p(40, 1) == sign_flip_p(np.ones((1, 40)), seed=0)[0] == 1 / 20_000
