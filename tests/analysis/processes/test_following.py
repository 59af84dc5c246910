"""Chains of candidates, motion and roles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from somanet.analysis.processes.candidates import Candidate
from somanet.analysis.processes.following import follow, turn_deg
from somanet.analysis.processes.motion import motion_of, roles_of
from somanet.analysis.processes.settings import TracingSettings

SETTINGS = TracingSettings()


def candidate(direction: float, score: float, length: float = 40.0) -> Candidate:
    angle = math.radians(direction)
    line = np.array([[0.0, 0.0], [length * math.sin(angle), length * math.cos(angle)]])
    return Candidate(score, line, length, direction, direction, False)


def test_a_decoy_in_one_frame_does_not_turn_a_steady_process() -> None:
    """Nine frames at 10°, and in the fifth something brighter at 170°: the chain stays."""
    frames = [[candidate(10, 30)] for _ in range(9)]
    frames[4] = [candidate(170, 60), candidate(12, 25)]
    main = [first.candidate for first, _ in follow(frames, SETTINGS)]
    assert [one and round(one.direction_deg) for one in main] == [10, 10, 10, 10, 12, 10, 10, 10, 10]


def test_a_gap_is_a_gap() -> None:
    """A frame without candidates has none, and its confidence is undefined; what is before and after stays."""
    links = [first for first, _ in follow([[candidate(0, 30)], [], [candidate(0, 30)]], SETTINGS)]
    assert [link.candidate is None for link in links] == [False, True, False]
    assert math.isnan(links[1].confidence)
    assert follow([], SETTINGS) == []


def test_confidence_is_less_where_two_compete() -> None:
    """Two equal candidates opposite to each other share the probability; one alone has nearly all of it."""
    alone = follow([[candidate(0, 60)]] * 5, SETTINGS)[2][0].confidence
    shared = follow([[candidate(0, 60), candidate(180, 60)]] * 5, SETTINGS)[2][0].confidence
    assert alone > 0.9
    assert shared == pytest.approx(0.5, abs=0.1)


def test_a_second_process_is_no_branch_of_the_first() -> None:
    """One behind the cell is; one that ends elsewhere but leaves the soma at the same place is not."""
    line = candidate(100, 20)
    branch = Candidate(20, line.line_yx_px, 40.0, 100, 5, False)
    pairs = follow([[candidate(0, 60), candidate(180, 20), branch]] * 3, SETTINGS)
    assert [second.candidate and second.candidate.direction_deg for _, second in pairs] == [180, 180, 180]
    assert all(second.candidate is None for _, second in follow([[candidate(0, 60), branch]] * 3, SETTINGS))


@given(first=st.floats(-720, 720), second=st.floats(-720, 720))
def test_turns_are_from_0_to_180_and_the_same_both_ways(first: float, second: float) -> None:
    """Against the angle between unit vectors."""
    a, b = np.radians([first, second])
    cosine = math.cos(a) * math.cos(b) + math.sin(a) * math.sin(b)
    assert turn_deg(first, second) == pytest.approx(turn_deg(second, first), abs=1e-9)
    assert math.cos(math.radians(float(turn_deg(first, second)))) == pytest.approx(cosine, abs=1e-6)


@pytest.mark.parametrize(("step_yx", "direction"), [((0, 5), 0), ((5, 0), 90), ((0, -5), 180), ((-5, 5), -45)])
def test_motion_is_counted_from_the_right_and_down(step_yx: tuple[float, float], direction: float) -> None:
    """Frames of 0.2 h: 5 µm a frame are 20 µm in the shortest window, ± 0.5 h, whose ends are 4 frames apart."""
    t_h = 0.2 * np.arange(9)
    motion = motion_of(t_h, np.arange(9)[:, None] * np.array(step_yx, float), longest_h=2, least_um=8)
    assert motion.direction_deg == pytest.approx(direction)
    assert motion.distance_um[4] == pytest.approx(4 * np.hypot(*step_yx))


def test_a_cell_that_stays_has_no_direction() -> None:
    """It jitters by 1 µm."""
    places = np.random.default_rng(1).normal(0, 1, (30, 2))
    motion = motion_of(0.2 * np.arange(30), places, longest_h=2, least_um=8)
    assert np.isnan(motion.direction_deg).all()


def test_a_slow_cell_has_a_direction_over_a_longer_window() -> None:
    """0.5 µm a frame of 0.2 h, 8 µm in ± 1.6 h: none in the middle of ± 0.5 h, one in ± 2 h."""
    places = np.stack([np.zeros(41), 0.5 * np.arange(41)], axis=1)
    t_h = 0.2 * np.arange(41)
    assert math.isnan(motion_of(t_h, places, longest_h=0.5, least_um=8).direction_deg[20])
    assert motion_of(t_h, places, longest_h=2, least_um=8).direction_deg[20] == pytest.approx(0)


@pytest.mark.parametrize(
    ("main", "second", "motion", "roles"),
    [
        (0, 180, 10, ("leading", "trailing")),
        (180, 0, 10, ("trailing", "leading")),
        (0, 60, 50, ("side", "leading")),
        (0, 90, 0, ("leading", "side")),
        (0, None, 180, ("trailing", "none")),
        (None, None, 0, ("none", "none")),
        (0, 180, math.nan, ("unknown", "unknown")),
        (170, None, -170, ("leading", "none")),
    ],
)
def test_motion_tells_leading_from_trailing(
    main: float | None, second: float | None, motion: float, roles: tuple[str, str]
) -> None:
    processes = [None if angle is None else candidate(angle, 30) for angle in (main, second)]
    assert roles_of(processes[0], processes[1], motion) == roles
