"""States of steps and modes of cells, on cells whose way of moving is drawn."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from somanet.analysis.validation.world_paths import simulate_paths
from somanet.analysis.validation.worlds import BASE
from somanet.migration.error_mixture import REST_UM_PER_H, RUN_UM_PER_H
from somanet.migration.intervals import Estimate
from somanet.migration.kinematics import steps_of
from somanet.migration.motion_chain import ChainData, fitted, start_continuous, start_saltatory, start_states
from somanet.migration.motion_modes import modes_of
from somanet.migration.motion_states import MOST_SIGMA_UM, of_use, persistence_of, resampled_estimate
from tests.migration.worlds import along_x, persistent_tracks, track

STEP_H = 1 / 6


def saltating(rng: np.random.Generator, n: int) -> np.ndarray:
    """Pauses of six steps on average between jumps of two steps of 12 µm."""
    speed = np.zeros(n)
    at = int(rng.integers(1, 8))
    while at < n:
        speed[at : at + 2] = 12.0
        at += 2 + int(rng.geometric(1 / 6))
    return speed


def walking(rng: np.random.Generator, n: int) -> np.ndarray:
    """Steps of 4 µm, times a log-normal factor that is forgotten in six steps."""
    z = rng.normal(0, 0.4, n)
    for t in range(1, n):
        z[t] = 0.85 * z[t - 1] + math.sqrt(1 - 0.85**2) * z[t]
    return np.asarray(4.0 * np.exp(z))


def movie(kinds: str, *, seed: int, sigma: float = 0.4, n: int = 70) -> pd.DataFrame:
    """One cell for each letter: s saltates, w walks, r rests."""
    rng = np.random.default_rng(seed)
    parts = []
    for i, kind in enumerate(kinds):
        speed = {"s": saltating, "w": walking, "r": lambda _, n: np.zeros(n)}[kind](rng, n)
        heading = rng.uniform(-3, 3) + np.cumsum(rng.normal(0, 0.25, n))
        moved = np.stack([speed * np.sin(heading), speed * np.cos(heading)], axis=1)
        place = np.concatenate([np.zeros((1, 2)), np.cumsum(moved, axis=0)]) + rng.normal(0, sigma, (n + 1, 2))
        parts.append(track(place, track_id=i + 1, interval_h=STEP_H))
    return pd.concat(parts, ignore_index=True)


def found(tracks: pd.DataFrame, sigma: float = 0.4):
    modes = modes_of(steps_of(tracks), sigma_um=sigma)
    assert modes is not None
    return modes


@pytest.mark.parametrize(("kind", "mode", "best"), [("s", "saltatory", "saltatory"), ("w", "continuous", "walk")])
def test_a_movie_of_one_kind_is_told(kind: str, mode: str, best: str) -> None:
    """Walks whose speed changes little are best described as one persistent walk."""
    modes = found(movie(kind * 12, seed=1))
    assert modes.best == best
    assert (modes.cells["mode"] == mode).all()
    assert modes.bic["saltatory"] - modes.bic["continuous"] > 10 or kind == "s"


def test_a_mixture_is_told_cell_by_cell() -> None:
    kinds = "sswwrsswwr"
    modes = found(movie(kinds, seed=2))
    names = {"s": "saltatory", "w": "continuous", "r": "resting"}
    assert modes.cells["mode"].tolist() == [names[kind] for kind in kinds]
    assert modes.best == "mixture"
    assert modes.mode_share["continuous"] == pytest.approx(0.4)


def test_states_of_steps_are_those_drawn() -> None:
    """A fifth of the time in jumps of 72 µm/h; walks of 24·exp(0.4²/2) = 26 µm/h run or creep and never rest."""
    saltatory = found(movie("s" * 10, seed=3))
    drawn = np.concatenate([saltating(np.random.default_rng(9), 70) for _ in range(400)])
    assert saltatory.state_share["run"].value == pytest.approx((drawn > 0).mean(), abs=0.05)
    assert saltatory.state_speed_um_per_h["run"].value == pytest.approx(72, rel=0.1)
    walk = found(movie("w" * 10, seed=3))
    assert walk.state_share["rest"].value < 0.03


def test_shares_are_whole_and_states_are_empty_across_gaps_only() -> None:
    tracks = movie("sw", seed=4)
    tracks = tracks[tracks["frame"] != 30]
    steps = steps_of(tracks)
    modes = found(tracks)
    assert sum(one.value for one in modes.state_share.values()) == pytest.approx(1)
    assert sum(modes.mode_share.values()) == pytest.approx(1)
    assert ((modes.step_state == "") == steps.gap).all()


def test_modes_do_not_depend_on_where_the_axes_lie() -> None:
    tracks = movie("ssww", seed=5)
    turned = tracks.assign(y_um=tracks["x_um"], x_um=-tracks["y_um"])
    pd.testing.assert_frame_equal(found(tracks).cells, found(turned).cells, rtol=1e-6)


def test_no_steps_have_no_modes() -> None:
    assert modes_of(steps_of(along_x([1.0])), sigma_um=0.4) is None


@pytest.mark.parametrize(("interval_min", "noise_um"), [(10.0, 0.4), (20.0, 0.4), (10.0, 1.0)])
def test_the_share_of_steps_at_rest_is_that_of_steps_below_the_speed_of_rest(
    interval_min: float, noise_um: float
) -> None:
    """Worlds of jumps that speed up and slow down, of which true displacements are known.

    At rest: slower than √2·2.5 µm/h from frame to frame, which jumps begin and end in, too. Of 24 intervals of 95 %,
    3 may fail (chance 0.03); the mean is right to 0.05, as errors of 1 µm hide where jumps begin and end.
    """
    world = replace(BASE, rise=2.0, fall=2.0, interval_min=interval_min, n_cells=20)
    error, held = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        place = simulate_paths(world, rng, n_cells=world.n_cells, times_h=world.times_h).place_yx_um
        moved = np.hypot(*np.diff(place, axis=1).transpose(2, 0, 1)) / (interval_min / 60)
        rest = float((moved < math.sqrt(2) * REST_UM_PER_H).mean())
        run = float((moved >= math.sqrt(2) * RUN_UM_PER_H).mean())
        seen = place + rng.normal(0, noise_um, place.shape)
        tracks = [track(one, track_id=i + 1, interval_h=interval_min / 60) for i, one in enumerate(seen)]
        modes = found(pd.concat(tracks, ignore_index=True), noise_um)
        assert modes.as_dict()["step_min"] == pytest.approx(interval_min)
        error.append(modes.state_share["rest"].value - rest)
        for name, true in (("rest", rest), ("creep", 1 - rest - run), ("run", run)):
            held.append(modes.state_share[name].low <= true <= modes.state_share[name].high)
    assert abs(np.mean(error)) < 0.05
    assert np.sum(~np.array(held)) <= 3


@pytest.mark.parametrize("interval_min", [10.0, 20.0])
@pytest.mark.parametrize(
    ("speed", "state", "mode"),
    [(5.0, "creep", "resting"), (10.0, "creep", "continuous"), (20.0, "run", "continuous")]
    + [(speed, "run", "continuous") for speed in (30.0, 45.0)],
)
def test_exact_even_motion_has_the_state_of_its_speed(speed: float, state: str, mode: str, interval_min: float) -> None:
    """Creep from 3.5 to 17 µm/h, run above, on straight lines without any error; 5 µm/h is a creep between jumps."""
    there = np.arange(31)[:, None] * speed * interval_min / 60
    angles = np.random.default_rng(1).uniform(-3, 3, 5)
    cells = [
        track(there * [math.sin(a), math.cos(a)], track_id=i + 1, interval_h=interval_min / 60)
        for i, a in enumerate(angles)
    ]
    modes = modes_of(steps_of(pd.concat(cells, ignore_index=True)), sigma_um=0.05, resamples=20)
    assert modes is not None
    assert set(modes.step_state) == {state}
    assert modes.state_speed_um_per_h[state].value == pytest.approx(speed, rel=0.01)
    assert (modes.cells["mode"] == mode).all()


def test_slow_and_fast_cells_of_one_movie_are_told_apart_without_error() -> None:
    """Two cells at rest, two at 5 and two at 45 µm/h that turn a little: each has its own state."""
    rng = np.random.default_rng(1)
    cells = []
    for i, speed in enumerate([0, 0, 5, 5, 45, 45]):
        heading = rng.uniform(-3, 3) + np.cumsum(rng.normal(0, 0.2, 60))
        step = speed * STEP_H * np.stack([np.sin(heading), np.cos(heading)], axis=1)
        place = np.concatenate([np.zeros((1, 2)), np.cumsum(step, axis=0)])
        cells.append(track(place, track_id=i + 1, interval_h=STEP_H))
    modes = modes_of(steps_of(pd.concat(cells, ignore_index=True)), sigma_um=0.05, resamples=20)
    assert modes is not None
    shares = modes.cells[["rest_share", "creep_share", "run_share"]].to_numpy()
    assert shares.argmax(axis=1).tolist() == [0, 0, 1, 1, 2, 2]
    assert (shares.max(axis=1) > 0.9).all()


def test_outliers_of_resting_cells_are_not_saltations() -> None:
    """Errors of Student's t with 3 degrees of freedom, sd 0.8 µm: by its steps alone a cell seems to jump."""
    rng = np.random.default_rng(0)
    error = 0.8 / math.sqrt(3) * rng.standard_t(3, (12, 61, 2))
    steps = steps_of(pd.concat([track(e, track_id=i + 1, interval_h=STEP_H) for i, e in enumerate(error)]))
    alone, checked = (modes_of(steps, sigma_um=0.6, jumping=jumping) for jumping in (None, np.array([], np.int64)))
    assert alone is not None
    assert checked is not None
    assert (alone.cells["mode"] == "saltatory").any()
    assert not (checked.cells["mode"] == "saltatory").any()
    assert checked.mode_share["resting"] > 0.7


def test_intervals_of_motion_that_say_nothing_are_not_given() -> None:
    """Of three short tracks the time for which runs persist would be anything; a share from 0.02 to 0.98 is, too."""
    share = of_use(Estimate(0.5, 0.02, 0.98), "share")
    persistence = found(movie("ssw", seed=3, n=14)).run_persistence_h
    for one, words in ((share, "90 % of its range"), (persistence, "a factor of more than 6")):
        assert words in one.problem
        assert math.isfinite(one.value)
        assert math.isnan(one.low)


@pytest.mark.parametrize("n_cells", [2, 3, 5, 20])
def test_intervals_of_few_cells_hold(n_cells: int) -> None:
    """Means of log-normal cells (log-sd 0.3), resampled: percentiles alone of two cells hold in half."""
    rng = np.random.default_rng(n_cells)
    true, held = 50 * math.exp(0.3**2 / 2), 0
    for _ in range(200):
        cells = rng.lognormal(math.log(50), 0.3, n_cells)
        drawn = rng.multinomial(n_cells, np.full(n_cells, 1 / n_cells), size=300) @ cells / n_cells
        one = resampled_estimate(np.array([cells.mean(), *drawn]), n_cells, "positive")
        assert 0 < one.low < one.value < one.high
        held += one.low <= true <= one.high
    assert held / 200 == pytest.approx(0.95, abs=0.05)


def test_a_number_at_the_end_of_its_range_keeps_its_percentiles() -> None:
    """Resting cells of which one in ten resamples creeps: 0 has no logarithm, and the interval stays finite."""
    values = np.array([0.0, *np.zeros(90), *np.full(10, 1.5)])
    one = resampled_estimate(values, 8, "positive")
    assert (one.value, one.low, one.high) == (0.0, 0.0, 1.5)


def test_shares_and_speeds_are_of_true_speeds_whatever_the_spread_of_a_state() -> None:
    """Velocities of a Gaussian of 20 µm/h per axis, forgotten in two steps: speeds are Rayleigh distributed.

    Below 2.5·√2 µm/h are 1 - exp(-(2.5/20)²) of them, below 12·√2 1 - exp(-(12/20)²) = 0.30, whose root mean square is
    20·√2·√(1 - 0.36·e^(-0.36)/(1 - e^(-0.36))). By the states of the chain, whose creep has faster steps, half would.
    """
    rng = np.random.default_rng(6)
    velocity = rng.normal(0, 20, (12, 90, 2))
    for t in range(1, 90):
        velocity[:, t] = 0.6 * velocity[:, t - 1] + 0.8 * velocity[:, t]
    place = np.cumsum(velocity * STEP_H, axis=1) + rng.normal(0, 0.3, (12, 90, 2))
    tracks = [track(one, track_id=i + 1, interval_h=STEP_H) for i, one in enumerate(place)]
    modes = found(pd.concat(tracks, ignore_index=True), 0.3)
    slow, below = 1 - math.exp(-((2.5 / 20) ** 2)), 1 - math.exp(-0.36)
    assert modes.state_share["rest"].value == pytest.approx(slow, abs=0.02)
    assert modes.state_share["creep"].value == pytest.approx(below - slow, abs=0.04)
    assert modes.state_share["run"].value == pytest.approx(1 - below, abs=0.04)
    creep = 20 * math.sqrt(2) * math.sqrt(1 - 0.36 * math.exp(-0.36) / below)
    assert modes.state_speed_um_per_h["creep"].value == pytest.approx(creep, rel=0.05)


def test_the_likelihood_does_not_fall() -> None:
    """Expectation maximisation with bounds that bind: even motion, slow and fast, and walks."""
    steps = steps_of(movie("swsw", seed=8, sigma=0.2))
    data = ChainData.of(steps, sigma_um=0.2, error_kept=0.0)
    ones = np.ones(len(data.grid.seen))
    for start in (start_states(), start_saltatory(), start_continuous()):
        before = -math.inf
        for iterations in (1, 3, 9, 27):
            _, posterior = fitted(data, start, ones, iterations=iterations)
            assert posterior.log_likelihood.sum() > before - 0.05
            before = float(posterior.log_likelihood.sum())


@pytest.mark.parametrize("persistence_h", [0.1, 0.5, 3.0])
def test_persistence_is_that_of_the_velocity_not_of_displacements(persistence_h: float) -> None:
    """The velocity's correlation exp(-|t - s|/P), summed over two intervals of 0.2 h side by side, and over one."""
    n, step = 400, 0.2 / 400
    t = (np.arange(2 * n) + 0.5) * step
    correlation = np.exp(-np.abs(t[:n, None] - t[None, :]) / persistence_h)
    kept = correlation[:, n:].sum() / correlation[:, :n].sum()
    assert persistence_of(np.array([kept, 1.0, 0.0, math.nan]), 0.2) == pytest.approx(
        [persistence_h, math.nan, math.nan, math.nan], rel=1e-3, nan_ok=True
    )


def test_runs_keep_their_velocity_as_long_as_simulated_walks_do() -> None:
    """Ornstein-Uhlenbeck walks of P = 0.5 h: displacements of 6 min alone would suggest about 0.75 h."""
    modes = modes_of(steps_of(pd.concat(persistent_tracks(40, 0.5, 0.2)[:14])), sigma_um=0.2, resamples=200)
    assert modes is not None
    assert modes.run_persistence_h.value == pytest.approx(0.5, rel=0.15)


def test_states_are_not_told_from_an_error_that_is_too_large() -> None:
    tracks = movie("sswwsswwss", seed=3)
    small, large = (
        modes_of(steps_of(tracks), sigma_um=MOST_SIGMA_UM * factor, resamples=50) for factor in (0.99, 1.01)
    )
    assert small is not None
    assert large is not None
    assert not small.state_share["run"].problem
    for one in (*large.state_share.values(), large.state_speed_um_per_h["run"], large.run_persistence_h):
        assert one.problem
        assert math.isnan(one.low)


def test_a_share_of_all_steps_of_all_cells_has_no_interval() -> None:
    """Three cells that never rest say nothing about a fourth."""
    assert "do not differ" in resampled_estimate(np.ones(20), 3, "share").problem
