"""Saltations: what is recorded is what the path does, at the rate that was asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somanet.simulation.motion import CellPath, simulate_path, soma_positions, stage_drift, wander
from somanet.simulation.settings import NeuronSettings


def two_jumps() -> CellPath:
    """3 µm down, 4 µm right in 1 h ... 2 h (length 5, 5 µm/h); 6 µm right in 4 h ... 4.5 h (12 µm/h)."""
    return CellPath(
        np.array([10.0, 20.0]),
        np.array([1.0, 4.0]),
        np.array([2.0, 4.5]),
        np.array([[3.0, 4.0], [0.0, 6.0]]),
        np.array([np.arctan2(3, 4), 0.0]),
    )


def test_a_drawn_path_rests_jumps_and_rests() -> None:
    path = two_jumps()
    expected = [[10, 20], [10, 20], [11.5, 22], [13, 24], [13, 24], [13, 27], [13, 30]]
    np.testing.assert_allclose(path.position(np.array([0, 1, 1.5, 2, 3, 4.25, 9])), expected)
    np.testing.assert_allclose(path.lengths_um, [5, 6])
    np.testing.assert_allclose(path.speeds_um_per_h, [5, 12])
    assert path.jumping(np.array([0.5, 1.5, 3.0, 4.4])).tolist() == [False, True, False, True]


def test_nucleus_rests_while_the_soma_sets_off_then_catches_up() -> None:
    """A quarter into the 5 µm jump the soma is 1.25 µm ahead; at 90 % it is 2 × 10 % of 5 = 1 µm."""
    t = np.array([1.0, 1.25, 1.6, 1.9, 2.0, 3.0])
    np.testing.assert_allclose(two_jumps().nucleus_lag(t, greatest_um=2.0), [0, 1.25, 2, 1, 0, 0], atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), cv=st.floats(0, 1), turning=st.floats(0, 90))
def test_recorded_length_is_the_net_displacement(seed: int, cv: float, turning: float) -> None:
    chosen = NeuronSettings(motile_fraction=1, jump_length_cv=cv, turning_sd_deg=turning)
    path = simulate_path(np.random.default_rng(seed), np.array([7.0, 3.0]), duration_h=12.0, settings=chosen)
    moved = path.position(path.ends_h) - path.position(path.starts_h)
    np.testing.assert_allclose(np.hypot(*moved.T), path.lengths_um, atol=1e-6)
    np.testing.assert_allclose(path.position(np.zeros(1))[0], [7, 3], atol=1e-9)
    assert (path.starts_h[1:] >= path.ends_h[:-1]).all()


@pytest.mark.parametrize(("pause_h", "length_um", "speed"), [(1.5, 25.0, 75.0), (0.6, 12.0, 40.0)])
def test_rate_lengths_and_speeds_are_those_asked_for(pause_h: float, length_um: float, speed: float) -> None:
    """One saltation per mean cycle, pause + length / speed; about 1300 events, so 3 sd < 10 %."""
    chosen = NeuronSettings(
        motile_fraction=1,
        pause_mean_h=pause_h,
        jump_length_um=length_um,
        jump_speed_um_per_h=speed,
        jump_speed_cv=0.0,
        jump_length_cv=0.3,
    )
    paths = [simulate_path(np.random.default_rng(i), np.zeros(2), duration_h=40.0, settings=chosen) for i in range(60)]
    inside = [(p.starts_h >= 0) & (p.starts_h < 40) for p in paths]
    rate = sum(i.sum() for i in inside) / (60 * 40)
    assert rate == pytest.approx(1 / (pause_h + length_um / speed), rel=0.1)
    lengths = np.concatenate([p.lengths_um[i] for p, i in zip(paths, inside, strict=True)])
    assert lengths.mean() == pytest.approx(length_um, rel=0.05)
    assert lengths.std() == pytest.approx(0.3 * length_um, rel=0.15)
    np.testing.assert_allclose(np.concatenate([p.speeds_um_per_h for p in paths]), speed, rtol=1e-6)


def test_immobile_cells_only_jitter() -> None:
    chosen = NeuronSettings(motile_fraction=0, pause_jitter_um=0.7)
    t = np.arange(4000) * 5.0  # 10 memory times apart: independent
    path = simulate_path(np.random.default_rng(0), np.array([50.0, 80.0]), duration_h=1.0, settings=chosen)
    seen = soma_positions(np.random.default_rng(1), path, t, settings=chosen)
    np.testing.assert_allclose(seen.mean(axis=0), [50, 80], atol=0.06)
    np.testing.assert_allclose(seen.std(axis=0), 0.7, rtol=0.08)


def test_jitter_stops_in_jumps() -> None:
    t = np.array([0.5, 1.5, 3.0, 4.25])
    path = two_jumps()
    away = soma_positions(np.random.default_rng(1), path, t, settings=NeuronSettings()) - path.position(t)
    assert (np.abs(away[[0, 2]]) > 0).all()
    assert (away[[1, 3]] == 0).all()


def test_wander_forgets_at_its_memory() -> None:
    """Correlation over one memory time is 1/e = 0.37."""
    series = wander(np.random.default_rng(2), np.arange(6000) * 0.5, memory_h=0.5)[:, 0]
    assert series.std() == pytest.approx(1, rel=0.06)
    assert np.corrcoef(series[1:], series[:-1])[0, 1] == pytest.approx(np.exp(-1), abs=0.05)


def test_drift_starts_at_zero_and_scales_with_the_root_of_time() -> None:
    drift = stage_drift(np.random.default_rng(3), np.arange(4000) * 0.25, um_per_h=2.0)
    assert (drift[0] == 0).all()
    np.testing.assert_allclose(np.diff(drift, axis=0).std(axis=0), 2 * 0.25**0.5, rtol=0.06)
