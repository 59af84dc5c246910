"""Motion that no cell makes: numbers far apart, none at all, or too small or too many for a computer's."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from somanet.migration import exchanges, markov
from somanet.migration.cells import Resolution
from somanet.migration.error_mixture import Mixture
from somanet.migration.exchanges import n_exchanges
from somanet.migration.hmm import MotionModel
from somanet.migration.intervals import Estimate
from somanet.migration.kinematics import steps_of
from somanet.migration.markov import Grid, forward_backward
from somanet.migration.measures import measure_movie
from somanet.migration.motion_states import _share_estimate
from somanet.migration.msd import MOST_LAGS, cell_msd_of
from somanet.migration.noise import localisation_of
from tests.migration.worlds import track

N_CELLS, N_FRAMES = 3, 14


def walks(steps_um: np.ndarray, *, interval_h: float = 1 / 6) -> pd.DataFrame:
    """Cells that start at 0 and make these steps, (cells, steps, 2)."""
    cells = [np.concatenate([np.zeros((1, 2)), one.cumsum(axis=0)]) for one in steps_um]
    tables = [track(one, track_id=i + 1, interval_h=interval_h) for i, one in enumerate(cells)]
    return pd.concat(tables, ignore_index=True)


def noise(scale: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, (N_CELLS, N_FRAMES - 1, 2))


def one_giant() -> np.ndarray:
    """Steps of 1e-8 µm, and one of half a metre: its likelihood alone is 1e20 times that of all others."""
    steps = noise(1e-8)
    steps[1, 5] = 5e5
    return steps


def there_and_back() -> np.ndarray:
    """25 µm back, 50 ahead, 25 back, twice at rest: a saltation of 50 µm from and to the same place."""
    steps = np.zeros((N_CELLS, N_FRAMES - 1, 2))
    steps[..., 1] = np.resize([-25.0, 50.0, -25.0, 0.01, 0.0], N_FRAMES - 1)
    return steps


def alternating() -> np.ndarray:
    steps = noise(1e-6)
    steps[:, ::2] = noise(1e6 / N_FRAMES)[:, ::2]
    return steps


WORLDS = {
    "one giant step": (one_giant(), 1 / 6),
    "there and back": (there_and_back(), 4.0),
    "steps too small for their squares": (noise(1e-160), 1 / 6),
    "steps whose squares vanish": (noise(1e-300), 1 / 6),
    "all steps the same": (np.full((N_CELLS, N_FRAMES - 1, 2), 3.0), 1 / 6),
    "no step at all": (np.zeros((N_CELLS, N_FRAMES - 1, 2)), 1 / 6),
    "steps that differ by 1e12": (alternating(), 1 / 6),
    "noise of a metre every 3 s": (noise(5e5), 0.05 / 60),
}


def estimates(value: object) -> Iterator[Estimate]:
    """All estimates within a value."""
    if isinstance(value, Estimate):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from estimates(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from estimates(one)
    elif dataclasses.is_dataclass(value):
        for one in dataclasses.fields(value):
            yield from estimates(getattr(value, one.name))


@pytest.mark.parametrize("world", WORLDS)
def test_every_number_has_an_interval_or_a_reason(world: str) -> None:
    steps, interval_h = WORLDS[world]
    found = measure_movie(walks(steps, interval_h=interval_h), drift="none")
    every = list(estimates(found))
    assert len(every) > 20
    for one in every:
        assert one.problem or one.low <= one.value <= one.high, one


def test_a_jump_beyond_all_speeds_leaves_the_error_of_the_others() -> None:
    """A misplaced point, which makes two steps of 400 mm, and 12 cells at rest with σ = 0.5 µm."""
    rng = np.random.default_rng(3)
    place = rng.normal(0, 0.5, (12, 40, 2))
    place[7, 20] += 4e5
    cells = pd.concat([track(one, track_id=i + 1, interval_h=1 / 6) for i, one in enumerate(place)], ignore_index=True)
    found = localisation_of(steps_of(cells))
    assert found.sigma_um == pytest.approx(0.5, rel=0.1)
    assert found.low_um < found.sigma_um < found.high_um


def test_what_all_states_hold_for_impossible_tells_nothing() -> None:
    """2⁴⁴ off the log density of both states in each step: the same chances, and a likelihood that is less by it.

    A number of 2⁴⁴ still holds 1/256, of which the others are multiples; six of them together do not.
    """
    rng = np.random.default_rng(0)
    first, moves = rng.integers(-256, 256, (3, 2)) / 256, rng.integers(-256, 256, (3, 6, 2, 2)) / 256
    seen = np.arange(7) < np.array([[7], [2], [5]])
    plain, far = forward_backward(first, moves, seen), forward_backward(first, moves - 2.0**44, seen)
    np.testing.assert_allclose(far.states, plain.states, atol=1e-9, rtol=0)
    np.testing.assert_allclose(far.log_likelihood, -(2.0**44) * (seen.sum(axis=1) - 1), rtol=1e-9)


def test_stretches_of_several_lengths_are_as_each_alone() -> None:
    rng = np.random.default_rng(1)
    first, moves = rng.normal(size=(3, 2)), rng.normal(size=(3, 6, 2, 2))
    length = [3, 7, 1]
    together = forward_backward(first, moves, np.arange(7) < np.array(length)[:, None])
    for row, n in enumerate(length):
        alone = forward_backward(first[[row]], moves[[row], : n - 1], np.ones((1, n), bool))
        np.testing.assert_allclose(together.states[row, :n], alone.states[0])
        np.testing.assert_allclose(together.pairs[row, : n - 1], alone.pairs[0])
        assert together.log_likelihood[row] == pytest.approx(alone.log_likelihood[0])
        np.testing.assert_allclose(alone.states.sum(axis=2), 1.0)
        assert not together.states[row, n:].any()


def test_long_stretches_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """25 steps by pieces of 10: 10, 10, 5; beside ten cells of 2 steps in at most 40 places, pieces of 2."""
    monkeypatch.setattr(markov, "LONGEST", 10)
    long = track(np.zeros((26, 2)))
    grid = Grid.of(steps_of(long))
    assert grid.seen.sum(axis=1).tolist() == [10, 10, 5]
    assert (10 * grid.row + grid.column).tolist() == list(range(25))
    monkeypatch.setattr(markov, "SHORTEST", 1)
    monkeypatch.setattr(markov, "MOST_PLACES", 50)
    short = [track(np.zeros((3, 2)), track_id=i) for i in range(2, 12)]
    grid = Grid.of(steps_of(pd.concat([long, *short], ignore_index=True)))
    assert grid.seen.shape == (23, 2)
    assert grid.seen.sum() == 45


def test_a_stretch_that_a_resample_lacks_may_be_impossible() -> None:
    """Two components, each of which alone explains one stretch; drawn twice, the first leaves nothing to the second."""
    mixture = Mixture(np.ones(1), np.eye(2)[None], np.zeros((1, 2)))
    weights, curve = mixture.fitted(np.array([2.0, 0.0]), None, iterations=3)
    assert weights.tolist() == [[1.0, 0.0]]
    assert curve == pytest.approx(0.0)


def test_a_motion_far_below_the_noise_needs_steps_far_beyond_it() -> None:
    """10 µm/h for 3 s in an error of a metre: motion adds 1e-17 of the variance, less than a number shows."""
    found = Resolution.of_model(MotionModel(1e6, 10.0, 0.1, 0.3, 0.2), interval_h=0.05 / 60)
    assert math.isfinite(found.mobile_step_um)
    assert found.mobile_step_um > 1e12


def test_an_error_far_below_the_threshold_makes_no_motion() -> None:
    assert Resolution(1e-200, 1.0, 1.0, 1.0).false_motion == 0.0
    assert Resolution(1e-200, 1.0, 1.0, 1.0).first_rest_step == 1


def test_odds_too_small_for_a_number() -> None:
    """A share of 1e-310 in resamples: its log odds are -713, and exp(713) is no number."""
    found = _share_estimate(np.array([0.01, *[1e-310] * 30, *[0.02] * 970]), 0.005, 40)
    assert 0 <= found.low <= found.value <= found.high < 1


def test_lags_of_two_points_far_apart() -> None:
    """Frames 0, 1 and 99,999: one pair at the first lag, none at the others, of which there are no 25,000."""
    found = cell_msd_of(track([[0, 0], [3, 4], [0, 0]], frames=[0, 1, 99_999])).pooled()
    assert len(found.lag_h) == MOST_LAGS
    assert found.n_pairs.tolist() == [1] + [0] * (MOST_LAGS - 1)
    assert found.msd_um2[0] == 25


def test_lags_as_by_their_definition() -> None:
    """Against all pairs one by one, with gaps, of two cells."""
    rng = np.random.default_rng(2)
    frames = [np.sort(rng.choice(40, 25, replace=False)) for _ in range(2)]
    places = [rng.normal(size=(25, 2)).cumsum(axis=0) for _ in range(2)]
    cells = [track(p, frames=f, track_id=i + 1) for i, (p, f) in enumerate(zip(places, frames, strict=True))]
    found = cell_msd_of(pd.concat(cells), max_lag=9)
    for lag in range(1, 10):
        for i, (place, frame) in enumerate(zip(places, frames, strict=True)):
            pairs = [(a, b) for a in range(25) for b in range(25) if frame[b] - frame[a] == lag]
            square = sum(float(((place[b] - place[a]) ** 2).sum()) for a, b in pairs)
            assert found.n_pairs.toarray()[i, lag - 1] == len(pairs)
            assert found.squared_um2.toarray()[i, lag - 1] == pytest.approx(square)


def test_exchanges_are_found_some_cells_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells 1 and 2 swap places 20 µm apart, 3 and 4 as well; all at once or one row of distances after the other."""
    ends = [((0, 0), (0, 20)), ((0, 20), (0, 0)), ((99, 0), (99, 20)), ((99, 20), (99, 0)), ((50, 50), (50, 60))]
    steps = steps_of(pd.concat([track(one, track_id=i + 1) for i, one in enumerate(ends)], ignore_index=True))
    assert n_exchanges(steps) == 2
    monkeypatch.setattr(exchanges, "AT_ONCE", 1)
    assert n_exchanges(steps) == 2
