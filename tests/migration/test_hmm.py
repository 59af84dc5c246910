"""The two-state model: exact on small chains, recovers its own parameters, agrees with the rule where it is easy."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from somanet.core.errors import SomaNetError
from somanet.migration.hmm import MotionModel, fit_motion_model, mobile_probability, mobile_steps_by_model
from somanet.migration.kinematics import steps_of
from somanet.migration.saltation import mobile_steps, saltations_of
from tests.migration.worlds import along_x, simulated, track


def test_posterior_is_that_of_all_paths_written_out() -> None:
    """Four steps: the 16 sequences of states, each with its probability, summed by hand."""
    x = [0, 0.5, 6.0, 7.5, 7.6]
    model = MotionModel(0.5, 10.0, 0.2, 0.4, 0.3)
    moves = np.diff(x)
    variance = [2 * 0.25, 2 * 0.25 + 100]
    chance = np.zeros(4)
    total = 0.0
    for states in itertools.product([0, 1], repeat=4):
        p = [0.7, 0.3][states[0]]
        for a, b in itertools.pairwise(states):
            p *= [[0.8, 0.2], [0.4, 0.6]][a][b]
        for move, s in zip(moves, states, strict=True):
            p *= math.exp(-(move**2) / (2 * variance[s])) / (2 * math.pi * variance[s])
        total += p
        chance += p * np.array(states)
    np.testing.assert_allclose(mobile_probability(steps_of(along_x(x)), model), chance / total)


def test_stretches_do_not_know_each_other() -> None:
    """Two tracks and a gap: the same posterior together as alone, NaN across the gap."""
    model = MotionModel(0.5, 10.0, 0.2, 0.4, 0.3)
    a, b = along_x([0, 1, 9, 20, 21], track_id=1), along_x([0, 8, 8], track_id=2)
    c = along_x([0, 0, 30, 40, 41], frames=[0, 1, 5, 6, 7], track_id=3)
    together = mobile_probability(steps_of(pd.concat([a, b, c])), model)
    alone = [mobile_probability(steps_of(t), model) for t in (a, b, c[:2], c[2:])]
    np.testing.assert_allclose(together, np.concatenate([*alone[:3], [math.nan], alone[3]]))
    assert not mobile_steps_by_model(steps_of(c), model)[1]


def test_fit_recovers_a_chain_of_its_own_kind() -> None:
    """50 chains of 200 steps, 1/4 of the time mobile: 2500 mobile steps, 3 sd of the spread are 3 %."""
    rng = np.random.default_rng(4)
    tracks = []
    for i in range(50):
        mobile = np.zeros(200, bool)
        for t in range(1, 200):
            mobile[t] = rng.random() < 0.1 if not mobile[t - 1] else rng.random() > 0.3
        sd = np.where(mobile, np.hypot(0.2 * math.sqrt(2), 40 / 10), 0.2 * math.sqrt(2))
        tracks.append(track((rng.normal(size=(200, 2)) * sd[:, None]).cumsum(axis=0), interval_h=0.1, track_id=i + 1))
    model = fit_motion_model(steps_of(pd.concat(tracks)), sigma_um=0.2)
    assert model.spread_um_per_h == pytest.approx(40, rel=0.04)
    assert model.start_chance == pytest.approx(0.1, rel=0.12)
    assert model.stop_chance == pytest.approx(0.3, rel=0.12)
    assert (np.diff(model.log_likelihoods) >= -1e-6).all()
    assert model.warnings == ()


def test_model_and_rule_agree_on_clear_saltations() -> None:
    tracks, _ = simulated(seed=8, n_cells=25, sigma_um=0.3)
    steps = steps_of(tracks)
    by_model = mobile_steps_by_model(steps, fit_motion_model(steps, sigma_um=0.3))
    by_rule = mobile_steps(steps, scale_um=0.3)
    assert (by_model == by_rule).mean() > 0.97
    counts = [len(saltations_of(steps, m, min_length_um=5).events) for m in (by_model, by_rule)]
    assert counts[0] == pytest.approx(counts[1], rel=0.12)


def test_cells_at_rest_have_no_fast_state() -> None:
    place = np.random.default_rng(0).normal(0, 0.3, (60, 2))
    steps = steps_of(track(place, interval_h=0.1))
    model = fit_motion_model(steps, sigma_um=0.3)
    assert "no fast state" in model.warnings[0]
    assert not mobile_steps_by_model(steps, model).any()


def test_what_cannot_be_fitted_is_said() -> None:
    steps = steps_of(along_x([0, 1, 2]))
    for sigma in (0.0, math.nan):
        with pytest.raises(SomaNetError, match="above 0"):
            fit_motion_model(steps, sigma_um=sigma)
    assert "no steps" in fit_motion_model(steps_of(along_x([0])), sigma_um=1).warnings[0]
    assert "not settled" in fit_motion_model(steps, sigma_um=0.1, max_iterations=1).warnings[0]
