"""The test of a mean of skewed values: by hand, against the t-test, and on draws of known mean."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from somanet.evaluation.skewness import p_of_positive_mean


def test_without_skewness_it_is_students_t_test() -> None:
    values = np.array([-1.0, 0.0, 1.0, 2.0, 3.0])
    assert p_of_positive_mean(values) == pytest.approx(stats.ttest_1samp(values, 0, alternative="greater").pvalue)


def test_halls_formula_by_hand() -> None:
    """Values 0, 0, 0, 4: mean 1, variance 4, sum of cubed distances 24, so skewness 24 · 4/(3 · 2)/8 = 2, u = 1/2."""
    t = 2 * (1 / 2 + 2 / 4 / 3 + 4 / 8 / 27 + 2 / 24)
    assert p_of_positive_mean(np.array([0.0, 0.0, 0.0, 4.0])) == pytest.approx(stats.t.sf(t, 3))


@pytest.mark.parametrize(("values", "p"), [([0.02] * 7, 0.0), ([-0.02] * 7, 1.0), ([0.0] * 7, 1.0)])
def test_equal_values(values: list[float], p: float) -> None:
    assert p_of_positive_mean(np.array(values)) == p


def test_a_larger_gain_is_never_less_sure() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        values = 1 - rng.exponential(1, int(rng.integers(5, 20)))
        p = [p_of_positive_mean(values + gain) for gain in np.linspace(-2, 6, 60)]
        assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(p))


@pytest.mark.parametrize("n", [6, 10, 20])
def test_rare_large_losses_mislead_it_less_than_the_t_test(n: int) -> None:
    """Exponential losses of mean 0: at 2.5 % the t-test is wrong in 6 to 10 %, this test far less often."""
    rng = np.random.default_rng(n)
    draws = 1 - rng.exponential(1, (1500, n))
    wrong = sum(p_of_positive_mean(values) <= 0.025 for values in draws)
    by_t = int((stats.ttest_1samp(draws, 0, axis=1, alternative="greater").pvalue <= 0.025).sum())
    assert wrong < 0.7 * by_t
    assert wrong <= 1500 * (0.06 + 3 * math.sqrt(0.06 * 0.94 / 1500))
