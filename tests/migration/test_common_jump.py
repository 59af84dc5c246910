"""A jump of the whole scene in the tracks: told where there is one, and nowhere else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from somanet.migration.common_jump import common_jump_warnings

N_FRAMES = 30


def tracks(*, jump_um: float = 0.0, broken: float = 0.0, directed_um: float = 0.0, n_cells: int = 12) -> pd.DataFrame:
    """Random walks of 2 µm a step and axis; a jump between frames 11 and 12, at which a part of the tracks breaks."""
    rng = np.random.default_rng(5)
    steps = rng.normal([directed_um, 0], 2, (n_cells, N_FRAMES, 2))
    steps[:, 12] += [jump_um, -jump_um]
    place = 500 * rng.random((n_cells, 1, 2)) + steps.cumsum(axis=1)
    cell, frame = np.indices((n_cells, N_FRAMES))
    track = np.where((frame >= 12) & (cell < broken * n_cells), cell + n_cells, cell)
    return pd.DataFrame(
        {
            "track_id": track.ravel(),
            "frame": frame.ravel(),
            "y_um": place[..., 0].ravel(),
            "x_um": place[..., 1].ravel(),
        }
    )


@pytest.mark.parametrize("changes", [{"jump_um": 15.0}, {"broken": 0.6}, {"jump_um": 15.0, "broken": 0.3}])
def test_a_jump_is_told_with_its_frames(changes: dict[str, float]) -> None:
    [told] = common_jump_warnings(tracks(**changes))
    assert told.startswith("Between frames 11 and 12 ")


@pytest.mark.parametrize(
    "changes", [{}, {"directed_um": 6.0}, {"jump_um": 1.0}, {"broken": 0.25}, {"jump_um": 15.0, "n_cells": 4}]
)
def test_motion_in_one_direction_and_single_ends_are_no_jump(changes: dict[str, float]) -> None:
    assert common_jump_warnings(tracks(**changes)) == ()


def test_frames_that_miss_and_no_tracks() -> None:
    all_of_them = tracks()
    assert common_jump_warnings(all_of_them[all_of_them["frame"] % 5 != 0]) == ()
    assert common_jump_warnings(all_of_them.iloc[:0]) == ()
