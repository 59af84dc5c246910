"""What is subtracted as drift: the stage's table, the resting cells' common motion, or nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from somanet.core.errors import SomaNetError
from somanet.migration.direction import direction_of, headings
from somanet.migration.drift import COMMON_MOTION, drift_of, drift_of_cells
from somanet.migration.measures import measure_movie
from tests.migration.worlds import drift_table, simulated, track


def drifting(n_cells: int) -> pd.DataFrame:
    """Cells 10 µm apart on a stage that moves 2 µm down and 1 µm left per frame; cell 1 jumps 30 µm right."""
    places = [np.array([[10.0 * i, 0.0]]) + np.arange(6)[:, None] * [2.0, -1.0] for i in range(n_cells)]
    places[0] = places[0] + np.array([0, 0, 30, 30, 30, 30])[:, None] * [0.0, 1.0]
    return pd.concat([track(p, track_id=i + 1) for i, p in enumerate(places)], ignore_index=True)


def directed(*, seed: int = 0, n_frames: int = 37) -> pd.DataFrame:
    """Thirty cells that all move right by 1.5 µm in half of the frames, with 0.3 µm of noise, on a still stage."""
    rng = np.random.default_rng(seed)
    x = 1.5 * np.cumsum(rng.random((n_frames, 30)) < 0.5, axis=0)
    cells = [np.stack([np.full(n_frames, 20.0 * i), x[:, i]], axis=1) for i in range(30)]
    noisy = [place + rng.normal(0, 0.3, place.shape) for place in cells]
    return pd.concat([track(p, track_id=i + 1, interval_h=1 / 3) for i, p in enumerate(noisy)], ignore_index=True)


def test_the_stage_in_the_table_is_taken_off() -> None:
    """The jump stays, and so do the pixels."""
    tracks = drifting(3)
    drift = drift_of(tracks, "image", drift_table(np.arange(6)[:, None] * [2.0, -1.0]))
    still = drift.removed_from(tracks)
    np.testing.assert_allclose(still.loc[still.track_id == 2, ["y_um", "x_um"]], [[10, 0]] * 6)
    np.testing.assert_allclose(still.loc[still.track_id == 1, "x_um"], [0, 0, 30, 30, 30, 30])
    pd.testing.assert_frame_equal(still[["y_px", "x_px"]], tracks[["y_px", "x_px"]])
    pd.testing.assert_frame_equal(tracks, drifting(3))
    assert drift.farthest_um == pytest.approx(5 * 5**0.5)


@pytest.mark.parametrize("source", ["image", "none"])
def test_nothing_is_taken_off_where_nothing_is_known(source: str) -> None:
    """No table, or one that says that the stage stood still."""
    still = drift_table(np.ones((6, 2)), applied=False)
    for stage in (None, still):
        drift = drift_of(drifting(6), source, stage)  # type: ignore[arg-type]
        assert drift.source == "none"
        pd.testing.assert_frame_equal(drift.removed_from(drifting(6)), drifting(6))


def test_a_table_of_another_movie_is_refused() -> None:
    with pytest.raises(SomaNetError, match="every frame from 0 to 5, found 4"):
        drift_of(drifting(2), "image", drift_table(np.zeros((4, 2))))
    with pytest.raises(SomaNetError, match="'image', 'cells' or 'none'"):
        drift_of(drifting(2), "stage", None)  # type: ignore[arg-type]


def test_resting_cells_give_the_drift_where_it_is_asked_for() -> None:
    drift = drift_of(drifting(7), "cells")
    np.testing.assert_allclose(drift.shift_yx_um, np.arange(6)[:, None] * [2.0, -1.0])
    assert drift.warnings == (COMMON_MOTION,)
    assert "one direction" in COMMON_MOTION


def test_too_few_cells_have_no_drift() -> None:
    """With one track its own motion would be the drift, and it would stand still."""
    drift = drift_of_cells(drifting(2))
    assert not drift.shift_yx_um.any()
    assert "5 of 5 frame steps" in drift.warnings[1]
    assert drift_of_cells(drifting(2)[:0]).removed_from(drifting(2)[:0]).empty


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 999), dy=st.floats(-50, 50), dx=st.floats(-50, 50))
def test_the_drift_of_cells_does_not_see_a_steady_push(seed: int, dy: float, dx: float) -> None:
    tracks, _ = simulated(seed=seed, n_cells=20, hours=2)
    pushed = tracks.assign(y_um=tracks.y_um + dy * tracks.t_h, x_um=tracks.x_um + dx * tracks.t_h)
    found = [drift_of_cells(one) for one in (tracks, pushed)]
    assume(all(one.warnings == (COMMON_MOTION,) for one in found))  # in frames with too few resting cells none is seen
    a, b = (drift.removed_from(one)[["y_um", "x_um"]] for drift, one in zip(found, (tracks, pushed), strict=True))
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_directed_migration_stays() -> None:
    """Nothing is subtracted of a stage that stands still; the common motion of the cells is the migration itself."""
    tracks = directed()
    kept = measure_movie(tracks, sigma_um=0.3)
    lost = measure_movie(tracks, sigma_um=0.3, drift="cells")
    assert kept.direction.resultant > 0.99
    assert kept.migration.cells["net_um"].mean() == pytest.approx(1.5 * 18, abs=2.0)
    assert COMMON_MOTION in lost.warnings
    assert COMMON_MOTION not in kept.warnings


def test_motionless_cells_get_no_common_motion() -> None:
    """Cells that jitter by 0.5 µm, and a shift wrong by 0.05 µm, as registration leaves it.

    Of 20 random directions R is above 0.385 in 5 % of experiments (Zar 2010, table B.34);
    in 400, 7 % at most by chance.
    """
    rng = np.random.default_rng(3)
    rejected = 0
    for _ in range(400):
        places = rng.normal(0, 0.5, (20, 2, 2)).reshape(40, 2)
        tracks = track(places, frames=np.tile([0, 1], 20)).assign(track_id=np.repeat(np.arange(1, 21), 2))
        still = drift_of(tracks, "image", drift_table(rng.normal(0, 0.05, (2, 2)))).removed_from(tracks)
        ends = still[["y_um", "x_um"]].to_numpy().reshape(20, 2, 2)
        rejected += direction_of(headings(ends[:, 1] - ends[:, 0])).resultant > 0.385
    assert 0.02 <= rejected / 400 <= 0.07


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999), push=st.floats(-40, 40), removed=st.booleans())
def test_one_cell_does_not_change_the_drift_of_another(seed: int, push: float, removed: bool) -> None:
    tracks, _ = simulated(seed=seed, n_cells=6, hours=2)
    stage = drift_table(np.random.default_rng(seed).normal(0, 3, (13, 2)))
    first = tracks["track_id"] == 1
    edited = tracks[~first] if removed else tracks.assign(x_um=tracks.x_um + first * push * tracks.t_h)
    a, b = (drift_of(t, "image", stage).removed_from(t) for t in (tracks, edited))
    pd.testing.assert_frame_equal(a[a.track_id != 1].reset_index(drop=True), b[b.track_id != 1].reset_index(drop=True))
