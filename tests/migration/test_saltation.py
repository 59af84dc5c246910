"""The rule: a drawn world whose events are known, laws, and the truth of the simulation."""

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somanet.core.errors import SomaNetError
from somanet.evaluation.migration import score_saltations
from somanet.io.tables import FLOAT_FORMAT
from somanet.migration.kinematics import slow_steps, steps_of
from somanet.migration.saltation import (
    Definition,
    joined,
    least_length,
    mobile_steps,
    mobile_threshold,
    saltations_of,
)
from tests.migration.worlds import along_x, simulated, track


@pytest.mark.parametrize(
    ("sigma", "interval_min", "expected"),
    [
        (0.5, 5, 25.46),  # 3·1.4142·0.5 / (1/12)
        (0.5, 10, 12.73),
        (0.5, 20, 10.0),  # 6.4, clipped
        (1.0, 5, 30.0),  # 50.9, clipped
    ],
)
def test_threshold_follows_noise_within_bounds(sigma: float, interval_min: float, expected: float) -> None:
    assert float(mobile_threshold(sigma, interval_h=interval_min / 60)) == pytest.approx(expected, abs=0.01)


def test_least_length_is_five_micrometres_or_four_sigmas() -> None:
    assert least_length(0.5) == 5.0
    assert least_length(2.0) == 8.0


def test_what_is_set_replaces_what_the_steps_say_and_bounds_tell_when_they_decide() -> None:
    """At 10 min, s of 0.3, 0.5 and 2 µm ask for 7.6, 12.7 and 51 µm/h."""
    usual, own = Definition(), Definition(min_speed_um_per_h=17.0, min_length_um=8.0)
    asked = [usual.decided_by(scale, interval_h=1 / 6) for scale in (0.3, 0.5, 2.0)]
    assert asked == ["lower bound", "slow steps", "upper bound"]
    assert own.decided_by(2.0, interval_h=1 / 6) == "setting"
    assert float(mobile_threshold(2.0, interval_h=1 / 6, definition=own)) == 17.0
    assert least_length(0.5, definition=own) == 8.0
    wide = Definition(slowest_threshold_um_per_h=1.0, fastest_threshold_um_per_h=100.0)
    assert float(mobile_threshold(0.3, interval_h=1 / 6, definition=wide)) == pytest.approx(7.637, abs=1e-3)
    assert float(mobile_threshold(2.0, interval_h=1 / 6, definition=wide)) == pytest.approx(50.91, abs=1e-2)


def test_a_rest_that_is_no_pause_joins_two_runs_but_none_across_a_gap_or_an_end() -> None:
    """Steps of 1 h: . M . M . . M, then a missing frame, . M. A pause of 2 h or more separates."""
    frames = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11]
    steps = steps_of(along_x([0, 0, 20, 20, 40, 40, 40, 60, 60, 60, 80], frames=frames))
    mobile = mobile_steps(steps, scale_um=0.1)
    assert "".join(".M"[int(m)] for m in mobile) == ".M.M..M..M"
    assert "".join(".M"[int(m)] for m in joined(steps, mobile, min_pause_h=2.0)) == ".MMM..M..M"
    assert "".join(".M"[int(m)] for m in joined(steps, mobile, min_pause_h=2.5)) == ".MMMMMM..M"
    assert np.array_equal(joined(steps, mobile, min_pause_h=1.0), mobile)


def test_a_least_time_replaces_the_usual_one() -> None:
    """Seen 3 h in 13 frames, 4 h in 5, 1 h in 4."""
    hours, frames = np.array([3.0, 4.0, 1.0]), np.array([13, 5, 4])
    assert Definition().long_enough(hours, frames).tolist() == [True, True, False]
    assert Definition(min_track_h=3.5).long_enough(hours, frames).tolist() == [False, True, False]


def drawn(x=(0, 20, 20, 40, 60, 60, 60, 64, 64, 90), **options):
    """Steps of 1 h, σ 0.1, threshold 10 µm/h: M . M M . . s . M  (s is 4 µm/h, not mobile).

    The first event is cut at the start, the last at the end; 40 µm in hours 2 to 4 is complete, and so is no pause
    but those of hours 1-2 and 4-8.
    """
    steps = steps_of(along_x(x, **options))
    return saltations_of(steps, mobile_steps(steps, scale_um=0.1), min_length_um=least_length(0.1))


def test_events_and_pauses_of_a_drawn_track() -> None:
    found = drawn()
    assert found.events["censored"].tolist() == ["start", "", "end"]
    np.testing.assert_allclose(found.events["start_h"], [0, 2, 8])
    np.testing.assert_allclose(found.events["end_h"], [1, 4, 9])
    np.testing.assert_allclose(found.events["length_um"], [20, 40, 26])
    np.testing.assert_allclose(found.events["speed_um_per_h"], [20, 20, 26])
    np.testing.assert_allclose(found.events["direction_deg"], 0)
    np.testing.assert_allclose(found.events["reach_um"], [np.nan, 40, np.nan])
    np.testing.assert_allclose(found.pauses["duration_h"], [1, 4])
    assert found.pauses["censored"].tolist() == ["", ""]


def test_reach_has_what_the_threshold_cuts_off() -> None:
    """Steps 0 4 20 6 0: only the 20 is mobile; with its neighbours the jump is 30 µm."""
    found = drawn([0, 0, 4, 24, 30, 30])
    np.testing.assert_allclose(found.events["length_um"], 20)
    np.testing.assert_allclose(found.events["reach_um"], 30)


def test_a_gap_cuts_events_and_pauses() -> None:
    """Frames 0-2 . 4-6: 20 µm in hours 1-2 runs into the gap; after it 20 µm more, then rest."""
    found = drawn([0, 0, 20, 60, 80, 80], frames=[0, 1, 2, 4, 5, 6])
    assert found.events["censored"].tolist() == ["end", "start"]
    np.testing.assert_allclose(found.events["length_um"], [20, 20])
    assert found.pauses["censored"].tolist() == ["start", "end"]


def test_a_fast_run_that_comes_back_is_a_pause() -> None:
    """12 µm there and 11 back: both steps are mobile, the net displacement is 1 µm."""
    found = drawn([0, 0, 12, 1, 1])
    assert found.events.empty
    assert found.pauses["censored"].tolist() == ["both"]


def test_runs_do_not_join_two_tracks() -> None:
    """One ends and the next begins in motion: two events of 20 µm, each cut on both sides."""
    steps = steps_of(pd.concat([along_x([0, 20], track_id=1), along_x([0, 20], track_id=2)]))
    found = saltations_of(steps, np.ones(2, bool), min_length_um=5)
    assert found.events["censored"].tolist() == ["both", "both"]


def test_no_steps_and_no_events_give_empty_tables() -> None:
    assert drawn([5]).events.empty
    assert drawn([5]).pauses.empty
    with pytest.raises(SomaNetError, match="one mobile flag per step"):
        saltations_of(steps_of(along_x([0, 1])), np.ones(3, bool), min_length_um=5)


walks = st.lists(st.tuples(st.floats(-30, 30), st.floats(-30, 30)), min_size=2, max_size=25)


@settings(max_examples=20, deadline=None)
@given(moves=walks, angle=st.floats(0, 6.28), missing=st.integers(0, 24))
def test_laws_of_the_rule(moves, angle: float, missing: int) -> None:
    """Events and pauses fill the observed time; turning and shifting the world changes neither."""
    place = np.cumsum(moves, axis=0)
    keep = np.arange(len(place)) != missing
    frames = np.flatnonzero(keep)
    # A speed or length right at a threshold may fall to either side once rotated.
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    results = []
    mobile = None
    for world in (place, place @ turn.T + 100):
        steps = steps_of(track(world[keep], frames=frames))
        mobile = mobile_steps(steps, scale_um=0.5) if mobile is None else mobile
        results.append((steps, saltations_of(steps, mobile, min_length_um=1e-9)))
    (steps, found), (_, turned) = results
    filled = (found.events.end_h - found.events.start_h).sum() + found.pauses.duration_h.sum()
    assert filled == pytest.approx(steps.duration_h[~steps.gap].sum())
    np.testing.assert_allclose(found.events.length_um, turned.events.length_um, atol=1e-7)
    assert found.events.censored.tolist() == turned.events.censored.tolist()


@pytest.mark.parametrize(("interval_min", "least_recall", "most_length"), [(5, 0.92, 0.08), (10, 0.84, 0.16)])
def test_truth_of_the_simulation_is_found(interval_min: float, least_recall: float, most_length: float) -> None:
    """About 420 events of 25 µm (science: recall 0.98 and 0.89): 2 sd of recall are 0.03."""
    tracks, truth = simulated(seed=5, n_cells=60, interval_h=interval_min / 60)
    steps = steps_of(tracks)
    scale = slow_steps(steps).scale_um
    found = saltations_of(steps, mobile_steps(steps, scale_um=scale), min_length_um=least_length(scale))
    observed = tracks.groupby("track_id").t_h.agg(start_h="min", end_h="max").reset_index()
    scores = score_saltations(truth, found.events, observed)
    assert scores.recall > least_recall
    assert scores.precision > 0.98
    assert 0 <= scores.length_bias < most_length
    assert (1 + scores.frequency_bias) < 1


@pytest.mark.parametrize("interval_min", [5.0, 7.0, 10.0, 20.0])
def test_a_step_on_the_limit_is_no_motion_and_one_on_the_least_length_a_saltation(interval_min: float) -> None:
    """Even motion at the upper bound, 30 µm/h, in places that rounding moves: none of 600 steps is faster.

    A jump of two steps covers 5 µm, the least length, wherever the cell is; by a thousandth less it is none.
    """
    hours = interval_min / 60
    angles = np.random.default_rng(3).uniform(-3, 3, 10)
    for factor, expected in ((1.0, 0), (1.001, 600)):
        even = [
            track(np.arange(61)[:, None] * 30 * factor * hours * [np.sin(a), np.cos(a)] + 100 * i, track_id=i + 1,
                  interval_h=hours)
            for i, a in enumerate(angles)
        ]  # fmt: skip
        tracks = pd.concat(even, ignore_index=True)
        assert mobile_steps(steps_of(tracks), scale_um=9.0).sum() == expected
        written = pd.read_csv(io.StringIO(tracks.to_csv(float_format=FLOAT_FORMAT)))
        assert mobile_steps(steps_of(written), scale_um=9.0).sum() == expected
    for length_um, expected in ((5.0, len(angles)), (4.995, 0)):
        jumps = [
            track(np.array([0, 0, 0.4, 1, 1])[:, None] * length_um * [np.sin(a), np.cos(a)] + 33.3 * i, track_id=i + 1)
            for i, a in enumerate(angles)
        ]
        steps = steps_of(pd.concat(jumps, ignore_index=True))
        assert len(saltations_of(steps, steps.length_um > 1, min_length_um=5.0).events) == expected
