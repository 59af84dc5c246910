"""What frames hide: the chance of a pause to show, counted out; weights, turns, and the truth of the simulation."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from somanet.migration.cells import Resolution, migration_of
from somanet.migration.hmm import MotionModel
from somanet.migration.kinematics import steps_of
from somanet.migration.pooling import pooled_numbers
from somanet.migration.saltation import mobile_steps, saltations_of
from somanet.migration.sampling import _room, sampling_sums, shown_share, true_jumps
from tests.migration.worlds import along_x, simulated, track


@pytest.mark.parametrize(("rate", "cut"), [(0.1, 0.0), (0.1, 0.2), (0.3, 0.4), (0.05, 1.0)])
def test_shown_share_is_that_of_pauses_laid_on_frames(rate: float, cut: float) -> None:
    """400,000 pauses of random start and duration: how much of each of 8 steps they fill. 3 sd are 0.0025."""
    rng = np.random.default_rng(0)
    start, duration = rng.random(400_000), rng.exponential(1 / rate, 400_000)
    step = np.arange(8)
    filled = np.minimum(step + 1, (start + duration)[:, None]) - np.maximum(step, start[:, None])
    shows = (np.clip(filled, 0, 1) >= 1 - cut - 1e-9).any(axis=1)
    assert float(shown_share(np.array(rate), np.array(cut))) == pytest.approx(shows.mean(), abs=0.0025)


def test_limits_of_the_shown_share() -> None:
    """No pause ends: all show. To first order r(a + a²/2) hide: a = 0.8, r = 0.01 hides 1.12 %."""
    assert float(shown_share(np.zeros(1), np.array([0.3]))[0]) == 1
    assert float(shown_share(np.array([0.01]), np.array([0.2]))[0]) == pytest.approx(1 - 0.0112, abs=1e-4)


def sums(**changes: float) -> pd.DataFrame:
    """One cell, frames of 0.1 h: ten whole saltations, each of 3 steps and 22 µm, threshold 1 µm: v = 10, f = 0.1."""
    fine = {
        "frame_interval_h": 0.1, "n_saltations": 10, "exposed_h": 20.0, "n_complete": 10, "complete_weight": 10.0,
        "complete_reach_um": 220.0, "weighted_reach_um": 220.0, "complete_h": 3.0, "n_rest_steps": 20, "n_rest_ends": 0,
        "n_turns": 0, "turn_cosine": 0.0, "mobile_step_um": 1.0, "rest_step_um": 1.0,
        "noise_um": 0.0,
    }  # fmt: skip
    return pd.DataFrame([fine | changes])


def test_threshold_and_ends_of_a_saltation() -> None:
    """f = 1/10. Two whole steps and two halves less f: 2.2 steps of true motion, 0.22 h; no pause hides."""
    jumps = true_jumps(sums(), np.ones((1, 1)))
    assert jumps.cut[0] == pytest.approx(0.1)
    assert jumps.started[0] == 10
    assert jumps.path_um[0] / 10 == pytest.approx(22)
    assert jumps.moving_h[0] / 10 == pytest.approx(0.22)


def test_hidden_pauses_part_the_saltations() -> None:
    """1 of 10 followed steps ends: r = -ln 0.9. With 1/P jumps each, straight on, lengths are P of the reach."""
    jumps = true_jumps(sums(n_rest_ends=2), np.ones((1, 1)))
    share = float(shown_share(-np.log(np.array([0.9])), np.array([0.1]))[0])
    assert jumps.started[0] == pytest.approx(10 / share)
    assert jumps.travel_um[0] / jumps.whole[0] == pytest.approx(22 * share)


def test_turning_jumps_reach_less_than_their_lengths() -> None:
    """At right angles (C = 0) a joined pair reaches √2 lengths: 22 = L·(1 + (1/P - 1)(√2 - 1))."""
    jumps = true_jumps(sums(n_rest_ends=2, n_turns=5), np.ones((1, 1)))
    joined = jumps.started[0] / 10
    length = jumps.travel_um[0] / jumps.whole[0]
    assert length * (1 + (joined - 1) * (np.sqrt(2) - 1)) == pytest.approx(22)


def test_what_cannot_be_known_is_nan() -> None:
    """Every pause ends in its first step, or none is followed: as many jumps as one likes."""
    for changes in ({"n_rest_ends": 20}, {"n_rest_steps": 0}):
        jumps = true_jumps(sums(**changes), np.ones((1, 1)))
        assert np.isnan([jumps.started[0], jumps.whole[0]]).all()
    none = true_jumps(sums(n_saltations=0, n_complete=0, complete_reach_um=0.0, n_rest_steps=0), np.ones((1, 1)))
    assert none.started[0] == 0
    assert none.cut[0] == 0
    assert true_jumps(sums()[:0], np.ones((3, 0))).started.tolist() == [0, 0, 0]


def test_a_threshold_beyond_the_jumps_cuts_all() -> None:
    assert true_jumps(sums(mobile_step_um=12.0), np.ones((1, 1))).cut[0] == 1


def test_turns_and_rests_of_a_drawn_cell() -> None:
    """Right 20, rest 1 step, down 20, rest 2, down 20, rest 3: turns of 90° and 0°, cosines 0 + 1.

    Rest steps followed: 1 (a jump comes), then 2 (one after the second), then 2 of 3: 5, of which 2 end.
    """
    x = [0, 0, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20]
    y = [0, 0, 0, 0, 20, 20, 20, 40, 40, 40, 40, 40]
    row = migration_of(track(np.stack([y, x], axis=1)), sigma_um=0.1).cells.iloc[0]
    assert (row.n_turns, row.n_rest_ends, row.n_rest_steps) == (2, 2, 5)
    assert row.turn_cosine == pytest.approx(1)


def test_a_gap_ends_exposure_and_parts_pauses() -> None:
    """Frames 0-4 . 6-12 of 1 h: 4 + 6 h observed, 3 + 5 h exposed; the pause at the gap is cut there."""
    x = [0, 0, 20, 20, 20, 20, 20, 20, 40, 40, 40, 40]
    frames = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12]
    row = migration_of(along_x(x, frames=frames), sigma_um=0.1).cells.iloc[0]
    assert (row.observed_h, row.exposed_h) == (10, 8)
    assert (row.n_rest_steps, row.n_rest_ends, row.n_turns) == (1 + 2, 0, 1)
    # An event of one step fits in 4 - 2 and 6 - 2 places of 10.
    assert row.complete_weight == pytest.approx(2 * 10 / 6)


@pytest.mark.parametrize(("interval_min", "most"), [(5, 0.03), (10, 0.03), (20, 0.06)])
def test_the_truth_of_the_simulation_is_recovered(interval_min: float, most: float) -> None:
    """About 1700 jumps of 25 µm and cv 0.35, every (1.5 + 0.347) h: 3 sd of length 3 % (20 min: 5), of frequency 7."""
    tracks, _ = simulated(seed=4, n_cells=250, interval_h=interval_min / 60)
    cells = migration_of(tracks).cells
    numbers = {name: float(v[0]) for name, v in pooled_numbers(cells, np.ones((1, len(cells)))).items()}
    assert numbers["mean_length_corrected_um"] == pytest.approx(25, rel=most)
    assert numbers["frequency_corrected_per_h"] == pytest.approx(1 / (1.5 + 25 / 75 / 0.96), rel=0.07)
    raw, corrected = (
        abs(numbers[name] / 72 - 1) for name in ("mobile_speed_um_per_h", "mobile_speed_corrected_um_per_h")
    )
    assert corrected < raw / 2


def test_the_model_asks_more_of_a_lone_step_at_rest() -> None:
    """Variances 2 and 2 + 98 = 100 µm²: ln 50. Beside a jump times 0.9/0.5, alone times 0.5·0.1/0.25 = 0.2.

    u² = 2·ln(50·1.8)/(1/2 - 1/100), alone 2·ln(50·0.2)/0.49: noise exceeds that in exp(-u²/4) = 9.5 % of lone steps.
    """
    model = MotionModel(1.0, math.sqrt(98) / 0.5, 0.1, 0.5, 0.2)
    found = Resolution.of_model(model, interval_h=0.5)
    assert found.mobile_step_um == pytest.approx(math.sqrt(2 * math.log(90) / 0.49))
    assert found.rest_step_um == pytest.approx(math.sqrt(2 * math.log(10) / 0.49))
    assert found.first_rest_step == 1
    # With rarer starts, 50·0.5·0.01/0.25 = 1: no lone step is believed to be rest.
    rare = MotionModel(1.0, math.sqrt(98) / 0.5, 0.01, 0.5, 0.2)
    assert Resolution.of_model(rare, interval_h=0.5).rest_step_um == pytest.approx(0, abs=1e-6)
    assert Resolution(0.5, 2.1, 0.0).first_rest_step == 2


def test_pauses_that_noise_or_the_model_does_not_show_have_to_last_a_step_more() -> None:
    """No lone step is held to be rest: the pause needs another one, exp(-r) of them get it."""
    known = true_jumps(sums(n_rest_ends=2), np.ones((1, 1)))
    hidden = true_jumps(sums(n_rest_ends=2, rest_step_um=0.0, noise_um=0.1), np.ones((1, 1)))
    assert hidden.started[0] == pytest.approx(known.started[0] / 0.9)


def test_the_rate_of_ending_is_taken_from_later_steps_if_asked() -> None:
    """Rest 1, jump, rest 2, jump, rest 4: of second and third steps two are followed, and one is the last."""
    x = np.cumsum([0, 0, 20, 0, 20, 0, 0, 20, 0, 0, 0, 0])
    steps = steps_of(along_x(x))
    found = saltations_of(steps, mobile_steps(steps, scale_um=0.1), min_length_um=5)
    row = sampling_sums(steps, found, cells=pd.Index([1]), long=pd.Index([1]), first_step=2).loc[1]
    assert (row.n_rest_steps, row.n_rest_ends) == (1 + 2, 1)


@given(
    st.lists(st.floats(0, 50), max_size=8),
    st.lists(st.floats(0, 60), max_size=8),
)
def test_the_room_for_a_saltation_is_summed_over_all_stretches(available: list[float], needed: list[float]) -> None:
    """The sorted sums are those of every pair."""
    stretches, times = np.array(available), np.array(needed)
    expected = [sum(max(0.0, a - n) for a in available) for n in needed]
    np.testing.assert_allclose(_room(stretches, times), expected, atol=1e-9)
