"""Localisation error apart from slow motion: tracks drawn by an independent simulation whose error is known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from somanet.migration.error_mixture import error_covariance, motion_covariance
from somanet.migration.kinematics import steps_of
from somanet.migration.noise import Localisation, localisation_of
from somanet.migration.stretches import windows_of
from tests.migration.worlds import along_x, track


def cells(places: np.ndarray, *, sigma: float, seed: int, interval_h: float = 0.2) -> pd.DataFrame:
    """Tracks of (cells, times, 2) true places, each position with an error of sd ``sigma``."""
    rng = np.random.default_rng(seed)
    seen = places + rng.normal(0, sigma, places.shape)
    return pd.concat([track(one, track_id=i + 1, interval_h=interval_h) for i, one in enumerate(seen)])


def creeping(*, n: int, times: int, seed: int, memory: float, spread_um: float) -> np.ndarray:
    """Velocities forgotten in ``memory`` frames: 20 fine steps to a frame, the sum of which is a step."""
    rng = np.random.default_rng(seed)
    fine, kept = times * 20, math.exp(-1 / (20 * memory))
    velocity = rng.normal(0, spread_um, (n, fine, 2))
    for t in range(1, fine):
        velocity[:, t] = kept * velocity[:, t - 1] + math.sqrt(1 - kept**2) * velocity[:, t]
    return np.asarray(np.cumsum(velocity / 20, axis=1)[:, ::20])


@pytest.mark.parametrize("sigma", [0.3, 1.2])
def test_the_error_of_cells_at_rest_is_found(sigma: float) -> None:
    """20 cells, 40 positions each, two axes: the sd of the estimate is about σ/√(2·1600) = 1.8 %."""
    found = localisation_of(steps_of(cells(np.zeros((20, 40, 2)), sigma=sigma, seed=1)))
    assert found.sigma_um == pytest.approx(sigma, rel=0.06)
    assert found.low_um < sigma < found.high_um
    assert -0.5 < found.step_correlation < -0.35  # the slower half of stretches: selection takes a little off
    assert found.rest_share[0] > 0.95
    assert found.rests


@pytest.mark.parametrize("memory", [1.5, 5.0])
def test_creep_that_changes_from_frame_to_frame_is_no_error(memory: float) -> None:
    """Steps of 3 µm per axis with an error of 0.5: their own variance would say 2 µm; half of cells never rest so."""
    places = creeping(n=25, times=60, seed=2, memory=memory, spread_um=3.0)
    found = localisation_of(steps_of(cells(places, sigma=0.5, seed=3)))
    assert found.sigma_um == pytest.approx(0.5, abs=0.15)
    assert found.rest_share[2] < 0.05
    assert not found.rests
    assert found.step_correlation > 0.2


def running(*, memory: float, spread_um: float, sigma: float, seed: int) -> Localisation:
    """25 cells that never rest, of 50 positions."""
    places = creeping(n=25, times=50, seed=seed, memory=memory, spread_um=spread_um)
    return localisation_of(steps_of(cells(places, sigma=sigma, seed=seed + 100)), resamples=10)


@pytest.mark.parametrize(("memory", "spread_um"), [(2.0, 5.0), (0.75, 5.0), (7.5, 3.0)])
def test_the_error_of_cells_that_never_rest_is_within_its_interval_or_bound(memory: float, spread_um: float) -> None:
    """Of 9 intervals or bounds of 95 %, 8 or more hold the error in 93 of 100 such tests; of 80 %, in 44."""
    held = 0
    for seed in range(9):
        sigma = (0.3, 0.5, 0.8)[seed % 3]
        found = running(memory=memory, spread_um=spread_um, sigma=sigma, seed=seed)
        held += found.low_um <= sigma <= found.high_um
        assert not found.bounded or (found.sigma_um, found.low_um) == (found.high_um, 0.0)
    assert held >= 8


@pytest.mark.parametrize(("memory", "spread_um", "sigma"), [(2.0, 5.0, 0.1), (0.75, 5.0, 0.5)])
def test_an_error_that_motion_may_explain_is_no_estimate(memory: float, spread_um: float, sigma: float) -> None:
    """A fiftieth of a step, or velocities that are forgotten within a frame: a bound in words and for JSON."""
    found = running(memory=memory, spread_um=spread_um, sigma=sigma, seed=1)
    assert found.bounded
    assert sigma < found.sigma_um < 1.5
    told = found.as_dict()
    assert (told["sigma_um"]["value"], told["sigma_um"]["interval95"]) == (None, None)
    at_most = f"at most {found.high_um:.2g} µm"
    why = "no cell can be shown to rest, so it cannot be told from slow motion"
    assert f"{why}; {at_most}" in str(told["sigma_um"])
    assert told["at_most_um"] == told["used_um"] == found.sigma_um
    assert f"not estimated ({why}): it is {at_most}" in found.in_words
    assert found.warnings == (found.in_words.replace("the local", "The local") + ".",)


def test_persistent_motion_leaves_the_error_to_be_seen() -> None:
    """Velocities that last for 7.5 frames are smooth: cells never rest, and an error of a fifth of a step shows."""
    found = running(memory=7.5, spread_um=3.0, sigma=0.6, seed=2)
    assert not found.rests
    assert not found.bounded
    assert found.sigma_um == pytest.approx(0.6, rel=0.08)
    assert 0.45 < found.low_um < found.sigma_um < found.high_um < 0.75
    assert found.estimate.problem == ""
    assert found.in_words.startswith("the localisation error is measured as 0.")


def test_jumps_among_rests_do_not_enter() -> None:
    """A jump of 20 µm in every seventh step of half of the cells; the others rest."""
    jumps = np.zeros((20, 50, 2))
    jumps[:10, ::7, 1] = 20.0
    found = localisation_of(steps_of(cells(np.cumsum(jumps, axis=1), sigma=0.4, seed=4)))
    assert found.sigma_um == pytest.approx(0.4, rel=0.08)


def test_errors_that_are_remembered_are_found_as_such() -> None:
    """AR(1) errors of 0.8 µm of which half is kept from frame to frame: steps look like those of 0.8·√0.5 = 0.57 µm."""
    rng = np.random.default_rng(5)
    error = rng.normal(0, 0.8, (30, 50, 2))
    for t in range(1, 50):
        error[:, t] = 0.5 * error[:, t - 1] + math.sqrt(0.75) * error[:, t]
    found = localisation_of(steps_of(cells(error, sigma=1e-9, seed=6)), resamples=0)
    assert found.error_kept == 0.5
    assert found.sigma_um == pytest.approx(0.8, rel=0.06)
    assert found.step_sigma_um == pytest.approx(0.8 * math.sqrt(0.5), rel=0.06)


def test_covariances_are_those_of_simulated_steps() -> None:
    """Ten thousand stretches of five steps: an entry's sd is about 1.4 %."""
    velocity_steps = np.diff(creeping(n=10_000, times=7, seed=7, memory=1.2, spread_um=1.0)[:, :, 0], axis=1)[:, :5]
    np.testing.assert_allclose(np.cov(velocity_steps.T), motion_covariance(5, 1.2), atol=0.05)
    rng = np.random.default_rng(8)
    error = rng.normal(0, 1, (20_000, 6))
    for t in range(1, 6):
        error[:, t] = 0.25 * error[:, t - 1] + math.sqrt(1 - 0.25**2) * error[:, t]
    np.testing.assert_allclose(np.cov(np.diff(error, axis=1).T), error_covariance(5, 0.25), atol=0.05)
    assert np.array_equal(motion_covariance(3, math.inf), np.ones((3, 3)))


def test_stretches_fill_the_steps_and_cross_no_gap() -> None:
    """Frames 0 to 12 without 7: 7 + 5 steps but the gap of two: 5 + 1, then 4."""
    frames = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12]
    groups = windows_of(steps_of(along_x(np.arange(12.0) ** 2, frames=frames)))
    assert {one.steps_yx_um.shape[1]: len(one.cell) for one in groups} == {1: 1, 4: 1, 5: 1}
    assert sum(one.steps_yx_um[..., 1].sum() for one in groups) == pytest.approx(11.0**2 - (49 - 36))


def test_few_stretches_are_warned_of_and_none_say_nothing() -> None:
    few = localisation_of(steps_of(cells(np.zeros((1, 11, 2)), sigma=0.3, seed=9)))
    assert "rests on 2 stretches" in few.warnings[0]
    assert math.isnan(few.low_um)
    none = localisation_of(steps_of(along_x([0.0])))
    assert math.isnan(none.sigma_um)
    assert not none.rests


def test_positions_without_error_have_none_and_a_given_error_stays() -> None:
    still = localisation_of(steps_of(along_x(np.zeros(40))))
    assert still.sigma_um == 0.0
    given = localisation_of(steps_of(cells(np.zeros((5, 40, 2)), sigma=0.3, seed=10)), sigma_um=0.7)
    assert (given.sigma_um, given.given, given.warnings) == (0.7, True, ())
