"""Differences of numbers that have a range: Student's t far from it, within it always, and covered as often."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats

from somanet.migration.bounded_difference import TRUE_RANGES, Profile, beyond_range, mean_interval, profile_of, useless
from somanet.migration.direction import resultant_without_chance

Floats = NDArray[np.float64]
T3 = float(stats.t.ppf(0.975, 3))


def profile(number: str, a: Floats, b: Floats, *, paired: bool = False) -> Profile:
    found = profile_of(number, a, b, paired=paired)
    assert found is not None
    return found


@pytest.mark.parametrize("paired", [False, True])
def test_far_from_the_range_it_is_students_t(paired: bool) -> None:
    rng = np.random.default_rng(1)
    a, b = 0.45 + 0.01 * rng.standard_normal((2, 6))
    found = profile("straightness_corrected", a, b, paired=paired)
    usual = stats.ttest_rel(b, a) if paired else stats.ttest_ind(b, a, equal_var=False)
    assert found.interval() == pytest.approx(tuple(usual.confidence_interval()), rel=1e-5)
    assert found.p_value() == pytest.approx(usual.pvalue, rel=1e-5)


def test_numbers_without_a_range_have_no_profile() -> None:
    assert profile_of("frequency_corrected_per_h", np.array([1.0, 2.0]), np.array([3.0, 5.0]), paired=False) is None


def test_the_interval_holds_the_differences_of_all_true_means_that_fit() -> None:
    """All pairs of true means on a fine grid, by the same distance from the means: 0.95 ± 0.02 and 0.1 ± 0.05."""
    means, errors, grid = np.array([0.95, 0.1]), np.array([0.02, 0.05]), np.linspace(0, 1, 2001)
    one, other = np.meshgrid(grid, grid, indexing="ij")
    near = ((means[0] - one) / errors[0]) ** 2 + ((means[1] - other) / errors[1]) ** 2 <= T3**2
    expected = (other - one)[near].min(), (other - one)[near].max()
    found = Profile.of(means, np.diag(errors**2), 3, (0.0, 1.0)).interval()
    assert found == pytest.approx(expected, abs=2e-3)
    plain = -0.85 - T3 * math.hypot(*errors)
    assert plain < -1 < found[0]


def test_means_beyond_the_range_have_the_interval_of_what_is_nearest() -> None:
    """R corrected for chance may be below 0: the likeliest true means are then 0 and 0, and p of no difference is 1."""
    found = Profile.of(np.array([-0.1, -0.2]), np.diag([0.01, 0.01]), 5, (0.0, 1.0))
    assert found.least() == pytest.approx((0.0, 5.0), abs=1e-5)
    assert found.p_value() == pytest.approx(1.0, abs=1e-3)
    low, high = found.interval()
    assert -1 < low < 0 < high < 1
    assert found.fits
    assert not beyond_range("resultant_corrected", found)


def test_means_that_no_true_ones_explain_have_no_difference() -> None:
    """Two donors a group that are alike, 40 and 30 standard errors below 0: no R makes that likely."""
    found = Profile.of(np.array([-0.4, -0.3]), np.diag([1e-4, 1e-4]), 2, (0.0, 1.0))
    assert not found.fits
    assert "0 to 1" in beyond_range("resultant_corrected", found)
    assert not beyond_range("resultant_corrected", None)
    assert Profile.of(np.array([-0.4, 0.7]), np.diag([1e-4, 1e-4]), 2, (0.0, 1.0)).fits


@pytest.mark.parametrize("number", sorted(TRUE_RANGES))
@pytest.mark.parametrize("paired", [False, True])
def test_intervals_stay_in_range_and_agree_with_p(number: str, paired: bool) -> None:
    lowest, highest = TRUE_RANGES[number]
    rng = np.random.default_rng(len(number))
    span = highest - lowest
    for _ in range(60):
        n = int(rng.integers(2, 6))
        a, b = (lowest + span * rng.beta(*rng.uniform(0.2, 3, 2), n) for _ in range(2))
        found = profile(number, a, b, paired=paired)
        low, high = found.interval()
        assert -span <= low <= high <= span
        assert (low > 0 or high < 0) == (found.p_value() < 0.05)


def directed(rng: np.random.Generator, kappa: float, donors: int) -> tuple[Floats, Floats]:
    """Corrected R and mean cosine of donors of 12 cells, whose concentrations differ by 30 %."""
    own = kappa * np.exp(0.3 * rng.standard_normal((donors, 1))) * np.ones((1, 12))
    angles = rng.vonmises(0.0, own) if kappa else rng.uniform(-math.pi, math.pi, own.shape)
    raw = np.abs(np.exp(1j * angles).mean(axis=1))
    return resultant_without_chance(raw, np.full(donors, 12.0)), np.cos(angles).mean(axis=1)


def true_mean(kappa: float) -> float:
    """Of I₁(κ)/I₀(κ), over donors."""
    z = np.linspace(-4, 4, 801)
    own = kappa * np.exp(0.3 * z)
    return float(np.average(special.ive(1, own) / special.ive(0, own), weights=stats.norm.pdf(z)))


@pytest.mark.parametrize("kappas", [(0.0, 8.0), (8.0, 30.0), (1.0, 3.0), (0.0, 0.0)])
@pytest.mark.parametrize("donors", [3, 6])
def test_intervals_hold_the_true_difference_of_directions(kappas: tuple[float, float], donors: int) -> None:
    """R and mean cosine, 200 experiments: 0.90 and more (0.92 to 0.97 of 600 were measured)."""
    rng = np.random.default_rng(7)
    truth = true_mean(kappas[1]) - true_mean(kappas[0])
    held = np.zeros(2)
    for _ in range(200):
        groups = [directed(rng, kappa, donors) for kappa in kappas]
        for k, number in enumerate(("resultant_corrected", "mean_cosine")):
            low, high = profile(number, groups[0][k], groups[1][k]).interval()
            held[k] += low <= truth <= high
    assert (held / 200 > 0.9).all()


@pytest.mark.parametrize("share", [0.03, 0.5, 0.96])
def test_intervals_hold_the_true_difference_of_shares(share: float) -> None:
    """Shares of donors that are beta distributed, 0.03 to 0.96, against 0.5: 4 and 5 donors, 200 experiments."""
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(200):
        a, b = rng.beta(20 * share, 20 * (1 - share), 4), rng.beta(10, 10, 5)
        low, high = profile("pause_fraction_corrected", a, b).interval()
        held += low <= 0.5 - share <= high
    assert held / 200 > 0.9


def test_an_interval_of_nearly_all_differences_is_none() -> None:
    assert useless("straightness", -0.95, 0.86)
    assert not useless("straightness", -0.9, 0.85)
    assert not useless("mean_length_um", -500.0, 900.0)


def test_the_interval_of_a_mean_stays_in_its_range() -> None:
    """On log odds: of 0.9, 0.95, 0.99 it is 0.947 ± t·0.026/(0.947·0.053) there; t's own end would be 1.06."""
    values = np.array([0.9, 0.95, 0.99])
    half = float(stats.t.ppf(0.975, 2)) * values.std(ddof=1) / math.sqrt(3)
    centre = float(values.mean())
    on_scale = half / (centre * (1 - centre))
    expected = [float(special.expit(special.logit(centre) + side * on_scale)) for side in (-1, 1)]
    assert mean_interval("resultant_corrected", values) == pytest.approx(tuple(expected))
    assert centre + half > 1 > expected[1]
    assert mean_interval("mean_length_um", values) == pytest.approx((centre - half, centre + half))
    assert all(math.isnan(end) for end in mean_interval("resultant_corrected", np.array([-0.2, -0.1])))
    assert all(math.isnan(end) for end in mean_interval("resultant_corrected", values[:1]))
