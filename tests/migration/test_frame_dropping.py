"""Leaving out frames: a saltating world whose numbers stay, a walk whose numbers follow the interval."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from somanet.migration.cells import migration_of
from somanet.migration.frame_dropping import NAMES, every_nth, frame_dropping
from tests.migration.test_motion_modes import movie
from tests.migration.worlds import along_x, simulated

FREQUENCY, LENGTH = NAMES


def measured(tracks: pd.DataFrame) -> pd.DataFrame:
    return migration_of(tracks, drift="none").cells


def test_every_nth_frame_from_each_first_one() -> None:
    """Frames 0 to 6 without 4: every third is 0 3 6 (numbered 0 1 2), 1 alone (4 is missing) and 2 5."""
    tracks = along_x([0.0, 1, 2, 3, 5, 6], frames=[0, 1, 2, 3, 5, 6], interval_h=0.5)
    kept = [every_nth(tracks, 3, phase) for phase in range(3)]
    assert [one["x_um"].tolist() for one in kept] == [[0, 3, 6], [], [2, 5]]
    assert kept[0]["frame"].tolist() == [0, 1, 2]
    assert kept[0]["t_h"].tolist() == [0, 1.5, 3.0]


def test_numbers_of_saltating_cells_stay_and_those_of_walks_follow_the_interval() -> None:
    tracks, _ = simulated(seed=6, n_cells=30)
    whole, half, third = frame_dropping(tracks, measured(tracks), measured)
    assert [one.factor for one in (whole, half, third)] == [1, 2, 3]
    assert half.interval_h == pytest.approx(2 / 6)
    assert whole.changes == {}
    assert "relative_changes" not in whole.as_dict()
    assert set(half.as_dict()["relative_changes"]) == set(NAMES)
    for name in NAMES:
        assert abs(half.changes[name].value) < 0.12
        assert half.changes[name].low < half.changes[name].value < half.changes[name].high
    walks = movie("w" * 20, seed=7)
    walked = frame_dropping(walks, measured(walks), measured)
    assert walked[1].changes[FREQUENCY].high < -0.2
    assert walked[1].changes[LENGTH].low > 0.2


def test_the_pairing_makes_changes_better_known_than_the_numbers() -> None:
    tracks, _ = simulated(seed=8, n_cells=30)
    half = frame_dropping(tracks, measured(tracks), measured)[1]
    number, change = half.numbers[FREQUENCY], half.changes[FREQUENCY]
    assert math.log((1 + change.high) / (1 + change.low)) < 0.8 * math.log(number.high / number.low)


def test_short_movies_keep_their_frames_and_no_cells_have_no_curve() -> None:
    tracks, _ = simulated(seed=9, n_cells=5, hours=3)
    assert len(frame_dropping(tracks, measured(tracks), measured)) == 1
    few = tracks[tracks["frame"] < 3]
    assert frame_dropping(few, measured(few), measured) == ()


def test_one_cell_has_numbers_without_intervals() -> None:
    tracks, _ = simulated(seed=10, n_cells=1, hours=12)
    half = frame_dropping(tracks, measured(tracks), measured)[1]
    assert np.isnan(half.changes[FREQUENCY].low)


def test_intervals_that_say_nothing_are_not_given() -> None:
    """Three cells, of which the first saltates ten times as often: the frequency may be anything."""
    tracks, _ = simulated(seed=11, n_cells=3, hours=12)
    table = measured(tracks)
    first = table["track_id"] == table["track_id"].min()
    table["n_saltations"] = np.where(first, 30.0, 1.0)
    [whole, *_] = frame_dropping(tracks, table, lambda one: measured(one))
    found = whole.numbers[FREQUENCY]
    assert np.isfinite(found.value)
    assert np.isnan(found.low)
    assert found.problem
