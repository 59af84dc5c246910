"""Speeds that no neuron has are named with their likely cause, and those that one has are not."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from somanet.migration.kinematics import steps_of
from somanet.migration.measures import measure_movie
from somanet.migration.plausibility import plausibility_warnings
from tests.migration.worlds import along_x, simulated


def walkers(um_per_h: float, *, interval_h: float = 1 / 6, n_frames: int = 61) -> pd.DataFrame:
    """Twenty cells at even speeds of up to twice the given one, which is their median."""
    speeds = um_per_h * np.linspace(0, 2, 21)
    tracks = [
        along_x(speed * interval_h * np.arange(n_frames), interval_h=interval_h, track_id=number)
        for number, speed in enumerate(speeds, 1)
    ]
    return pd.concat(tracks, ignore_index=True)


def warnings(tracks: pd.DataFrame) -> list[str]:
    return list(plausibility_warnings(steps_of(tracks)))


@pytest.mark.parametrize(("um_per_h", "implausible"), [(40, False), (290, False), (310, True), (40 * 60, True)])
def test_a_usual_speed_of_no_neuron_asks_for_the_unit(um_per_h: float, implausible: bool) -> None:
    told = warnings(walkers(um_per_h))
    assert len(told) == implausible
    if implausible:
        assert told[0].startswith(f"Half of the cells would move by {um_per_h:,.0f} µm/h or more")
        assert "is the frame interval in minutes (not seconds)" in told[0]


def test_the_speed_is_that_of_an_hour_or_of_all_of_a_short_movie() -> None:
    """Noise of 0.5 µm in frames 10 s apart is 250 µm/h from frame to frame, and 4 µm/h over ten minutes."""
    rng = np.random.default_rng(0)
    noisy = walkers(40, interval_h=1 / 360)
    noisy[["y_um", "x_um"]] += rng.normal(0, 0.5, (len(noisy), 2))
    assert warnings(noisy) == []
    assert len(warnings(walkers(400, interval_h=1 / 360))) == 1
    assert len(warnings(walkers(400, interval_h=2.0, n_frames=4))) == 1


def test_positions_without_their_decimal_point_are_named() -> None:
    """Two in a hundred: 310.25 became 31025. A single exchange of two cells, of 1,200 steps, is another warning's."""
    tracks = walkers(40)
    lost = np.random.default_rng(1).random(len(tracks)) < 0.02
    tracks.loc[lost, "x_um"] = (tracks.loc[lost, "x_um"] + 310) * 100
    [told] = warnings(tracks)
    assert "would be longer than 100 µm and faster than 5 mm/h" in told
    assert "was a decimal point lost" in told
    assert re.search(r"of track \d+ from frame \d+ on\)", told)
    exchanged = walkers(40)
    late = exchanged["track_id"].eq(20) & exchanged["frame"].gt(30)
    exchanged.loc[late, "x_um"] += 2000
    assert warnings(exchanged) == []


def test_simulated_neurons_are_plausible_and_an_empty_movie_is_silent() -> None:
    tracks, _ = simulated(seed=4, n_cells=12, hours=8)
    assert warnings(tracks) == []
    assert warnings(tracks.iloc[:0]) == []
    assert any("not seconds" in text for text in measure_movie(walkers(40 * 60), drift="none").warnings)
