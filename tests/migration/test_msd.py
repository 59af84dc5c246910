"""Mean squared displacement and the persistent walk."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somanet.core.errors import SomaNetError
from somanet.migration.intervals import Resampling
from somanet.migration.msd import Msd, PersistentWalk, cell_msd_of, fit_persistent_walk, msd_of, walk_estimates
from tests.migration.worlds import along_x, persistent_tracks, track


def test_msd_of_a_straight_walk_is_the_square_of_the_distance() -> None:
    """2 µm per half hour: 4, 16, 36 µm² at 0.5, 1, 1.5 h from 8, 7, 6 pairs."""
    found = msd_of(along_x(2 * np.arange(9), interval_h=0.5), max_lag=3)
    np.testing.assert_allclose(found.lag_h, [0.5, 1, 1.5])
    np.testing.assert_allclose(found.msd_um2, [4, 16, 36])
    assert found.n_pairs.tolist() == [8, 7, 6]


def test_pairs_across_a_gap_count() -> None:
    """Frames 0 1 . 3: lag 1 has one pair (0, 1), lag 2 (1, 3), lag 3 (0, 3)."""
    found = msd_of(along_x([0, 1, 3], frames=[0, 1, 3]), max_lag=9)
    assert found.n_pairs.tolist() == [1, 1, 1]
    np.testing.assert_allclose(found.msd_um2, [1, 4, 9])


def test_no_steps_no_curve_and_bad_lags_are_refused() -> None:
    assert msd_of(along_x([1])).lag_h.size == 0
    with pytest.raises(SomaNetError, match="at least 1 frame"):
        msd_of(along_x([1, 2]), max_lag=0)
    with pytest.raises(SomaNetError, match="usable lags"):
        fit_persistent_walk(msd_of(along_x([1, 2, 3])))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 999), angle=st.floats(0, 6.28))
def test_turning_and_shifting_change_nothing(seed: int, angle: float) -> None:
    place = np.random.default_rng(seed).normal(size=(20, 2)).cumsum(axis=0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    a, b = msd_of(track(place)), msd_of(track(place @ turn.T + 7))
    np.testing.assert_allclose(a.msd_um2, b.msd_um2, rtol=1e-9)


@settings(max_examples=8, deadline=None)
@given(speed=st.floats(3, 60), persistence=st.floats(0.4, 2), sigma=st.floats(0.1, 0.8))
def test_the_fit_returns_the_curve_it_is_given(speed: float, persistence: float, sigma: float) -> None:
    lag = np.arange(1, 61) * 0.1
    curve = PersistentWalk(speed, persistence, sigma).msd_um2(lag)
    found = fit_persistent_walk(Msd(lag, curve, np.full(60, 100)), sigma_um=sigma)
    assert found.speed_um_per_h == pytest.approx(speed, rel=0.01)
    assert found.persistence_h == pytest.approx(persistence, rel=0.01)
    np.testing.assert_allclose(fit_persistent_walk(Msd(lag, curve, np.full(60, 100))).msd_um2(lag), curve, rtol=0.01)


def test_limits_of_the_curve() -> None:
    """τ << P: S²τ², straight motion; τ >> P: 2S²Pτ, diffusion; noise adds 4σ²."""
    assert PersistentWalk(10, 1e3, 0).msd_um2(np.array([0.1]))[0] == pytest.approx(1, rel=1e-3)
    assert PersistentWalk(10, 1e-3, 0).msd_um2(np.array([10.0]))[0] == pytest.approx(2, rel=1e-3)
    assert PersistentWalk(10, 1, 0.5).msd_um2(np.zeros(1))[0] == pytest.approx(1)


def test_simulated_persistent_walkers_are_recovered() -> None:
    found = fit_persistent_walk(msd_of(pd.concat(persistent_tracks(20, 0.5, 0.4)), max_lag=30), sigma_um=0.4)
    assert found.speed_um_per_h == pytest.approx(20, rel=0.07)
    assert found.persistence_h == pytest.approx(0.5, rel=0.15)
    assert found.warnings == ()


def test_lags_of_frames_at_unequal_times_are_their_mean_times() -> None:
    """Frames at 0, 1, 2.2, 3 h at 10 µm/h: lag 1 has steps of 1, 1.2 and 0.8 h, on average 1 h; lag 2 2.2 and 2 h."""
    tracks = along_x([0, 10, 22, 30]).assign(t_h=[0, 1, 2.2, 3])
    found = msd_of(tracks, max_lag=2)
    np.testing.assert_allclose(found.lag_h, [1, 2.1])
    np.testing.assert_allclose(found.msd_um2, [(100 + 144 + 64) / 3, (22**2 + 20**2) / 2])


def test_speed_and_persistence_are_covered_over_cells() -> None:
    """Ornstein-Uhlenbeck walkers, S = 20 µm/h, P = 0.5 h: the intervals of 40 movies of 8 cells hold in 0.85."""
    walkers, rng = persistent_tracks(20, 0.5, 0.4), np.random.default_rng(3)
    held = []
    for seed in range(40):
        chosen = rng.choice(40, 8)
        some = pd.concat([walkers[i].assign(track_id=row + 1) for row, i in enumerate(chosen)])
        cells = cell_msd_of(some, max_lag=20)
        walk = fit_persistent_walk(cells.pooled(), sigma_um=0.4)
        sets = Resampling.of(np.arange(8), level="cell", resamples=100, seed=seed)
        found = walk_estimates(cells, walk, sets, sigma_um=0.4)
        held.append([found["speed_um_per_h"].low <= 20 <= found["speed_um_per_h"].high])
        held[-1].append(found["persistence_h"].low <= 0.5 <= found["persistence_h"].high)
    assert np.min(np.mean(held, axis=0)) >= 0.85


def test_a_walk_within_the_noise_is_not_estimated() -> None:
    rng = np.random.default_rng(0)
    still = pd.concat([track(rng.normal(0, 0.5, (40, 2)), track_id=i) for i in range(1, 9)])
    cells = cell_msd_of(still)
    walk = fit_persistent_walk(cells.pooled(), sigma_um=0.6)
    sets = Resampling.of(np.arange(8), level="cell", resamples=50, seed=0)
    assert all(found.problem for found in walk_estimates(cells, walk, sets, sigma_um=0.6).values())


def test_unresolved_persistence_is_said() -> None:
    lag = np.arange(1, 20) * 1.0
    fast = fit_persistent_walk(Msd(lag, 4 * lag, np.full(19, 9)), sigma_um=0.1)
    assert "shorter than the shortest lag" in fast.warnings[0]
    straight = fit_persistent_walk(Msd(lag, 4 * lag**2, np.full(19, 9)), sigma_um=0.1)
    assert "is beyond 76 h, four times the longest lag: only what it is at least is known" in straight.warnings[0]


@pytest.mark.parametrize(("persistence_h", "least_given"), [(0.3, 0.9), (1.0, 1.0), (2.0, 0.95), (3.0, 0.85)])
def test_persistence_is_not_refused_for_a_high_estimate(persistence_h: float, least_given: float) -> None:
    """Ornstein-Uhlenbeck cells, 20 for 10 h: the mean of what is given is within 10 %; of 2 h it was 13 % low."""
    rng, given, held, speeds = np.random.default_rng(9), [], [], []
    for seed in range(40):
        cells = cell_msd_of(ornstein_uhlenbeck(20.0, persistence_h, 20, rng))
        walk = fit_persistent_walk(cells.pooled(), sigma_um=0.5)
        sets = Resampling.of(np.arange(20), level="cell", resamples=100, seed=seed)
        found = walk_estimates(cells, walk, sets, sigma_um=0.5)
        speeds.append(found["speed_um_per_h"].low <= 20 <= found["speed_um_per_h"].high)
        one = found["persistence_h"]
        if not one.problem:
            given.append(one.value)
            held.append(one.low <= persistence_h <= one.high)
    assert len(given) >= least_given * 40
    assert np.mean(given) == pytest.approx(persistence_h, rel=0.1)
    assert np.mean(held) >= 0.85
    assert np.mean(speeds) >= 0.85


def test_a_persistence_time_beyond_the_movie_has_a_lower_bound_and_the_speed_an_interval() -> None:
    """Cells that keep their velocity for 50 h, in 10 h: longest lag 2.5 h."""
    cells = cell_msd_of(ornstein_uhlenbeck(20.0, 50.0, 20, np.random.default_rng(1)))
    walk = fit_persistent_walk(cells.pooled(), sigma_um=0.5)
    sets = Resampling.of(np.arange(20), level="cell", resamples=100, seed=0)
    found = walk_estimates(cells, walk, sets, sigma_um=0.5)
    said = found["persistence_h"].problem
    assert said.startswith("its interval reaches beyond 10 h, four times the longest lag: it is at least ")
    assert 2.5 < float(said.split()[-2]) <= 10
    assert found["speed_um_per_h"].low < 20 < found["speed_um_per_h"].high


def ornstein_uhlenbeck(speed: float, persistence_h: float, n_cells: int, rng: np.random.Generator) -> pd.DataFrame:
    """Cells whose velocity is forgotten, seen for 10 h at 10 min with errors of 0.5 µm."""
    fine, n_frames = 1 / 60, 61
    kept = math.exp(-fine / persistence_h)
    velocity = [rng.normal(0, speed / math.sqrt(2), (n_cells, 2))]
    for kick in rng.normal(0, speed * math.sqrt((1 - kept**2) / 2), (10 * (n_frames - 1) - 1, n_cells, 2)):
        velocity.append(kept * velocity[-1] + kick)
    place = np.concatenate([np.zeros((1, n_cells, 2)), np.cumsum(velocity, axis=0) * fine])[::10]
    place += rng.normal(0, 0.5, place.shape)
    return pd.concat([track(place[:, i], track_id=i + 1, interval_h=1 / 6) for i in range(n_cells)])


def test_of_a_walk_that_is_not_there_nothing_else_is_said() -> None:
    lag = np.arange(1, 20) * 1.0
    still = fit_persistent_walk(Msd(lag, np.full(19, 0.01), np.full(19, 9)), sigma_um=0.2)
    assert [line.split(":")[0] for line in still.warnings] == ["The mean squared displacement is not above the noise"]
