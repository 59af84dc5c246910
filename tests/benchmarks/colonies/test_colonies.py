"""The third simulator: cells move as a colony says, tracks show them, and true numbers are those of the paths."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.colonies import score
from benchmarks.colonies.colony import LEAST_UM, STEP_H, Colony, film, simulate_cells
from benchmarks.colonies.truth import true_numbers
from somanet.migration.cells import migration_of

EVEN = Colony(
    resting_share=0.0, slow_um_per_h=60.0, fast_um_per_h=60.0, ramp=0.0, wander_deg=0.0, turn_deg=0.0, run_shape=400.0,
    cells_cv=0.0, pull=1.0, pull_kappa=1e4,
)  # fmt: skip
"""Straight runs of 0.4 h at 60 µm/h, so of 24 µm, towards the axis, all cells alike."""


def test_runs_and_pauses_follow_from_the_colony() -> None:
    """Renewals at a rate of 1 / (1.5 + 0.4) per hour; a run of 24 µm; moving for 0.4 of 1.9 h, at 60 µm/h."""
    true = true_numbers(EVEN, n_cells=300)
    rate = 1 / 1.9
    assert true["frequency_corrected_per_h"] == pytest.approx(rate, rel=0.05)
    assert true["mean_length_corrected_um"] == pytest.approx(24, rel=0.03)
    assert true["mobile_speed_corrected_um_per_h"] == pytest.approx(60, rel=1e-6)
    assert true["pause_fraction_corrected"] == pytest.approx(1 - 0.4 * rate, abs=0.02)
    assert true["mean_pause_corrected_h"] == pytest.approx(1.5, rel=0.08)
    assert true["average_speed_corrected_um_per_h"] == pytest.approx(24 * rate, rel=0.05)
    assert true["velocity_along_um_per_h"] == pytest.approx(true["average_speed_corrected_um_per_h"], rel=0.01)
    assert true["straightness_corrected"] == pytest.approx(1, abs=0.01)
    assert true["mean_cosine"] == pytest.approx(1, abs=0.01)
    assert true["rest_share"] + true["creep_share"] + true["run_share"] == pytest.approx(1)


def test_speed_is_weighted_by_distance_and_slow_ends_shorten_runs() -> None:
    """Half of the runs at 40, half at 80: Σ v²t / Σ vt = (40² + 80²) / 120; ramps of half of a run halve its length."""
    two = replace(EVEN, slow_um_per_h=40.0, fast_um_per_h=80.0, fast_share=0.5)
    assert true_numbers(two, n_cells=150)["mobile_speed_corrected_um_per_h"] == pytest.approx(8000 / 120, rel=0.05)
    assert true_numbers(replace(EVEN, ramp=0.5), n_cells=150)["mean_length_corrected_um"] == pytest.approx(12, rel=0.05)


def test_walks_have_their_speed_and_no_saltation() -> None:
    walks = Colony(walking_share=1.0, walk_um_per_h=30.0, walk_h=50.0)
    cells = simulate_cells(walks, np.random.default_rng(2), n_cells=40)
    speed = np.hypot(*np.diff(cells.place_yx_um, axis=1).transpose(2, 0, 1)) / STEP_H
    assert np.sqrt((speed**2).mean()) == pytest.approx(30, rel=0.15)
    assert not cells.jumping.any()
    assert not cells.cell.size


def test_tracks_are_the_places_with_errors_until_a_cell_leaves_the_field() -> None:
    colony = replace(EVEN, n_cells=40, hours=10.0, interval_min=15.0, error_um=0.7, missed=0.1)
    rng = np.random.default_rng(3)
    cells = simulate_cells(colony, rng, n_cells=colony.n_cells)
    tracks = film(colony, cells, rng)
    assert tracks["frame"].max() == 40
    assert np.allclose(tracks["t_h"], tracks["frame"] / 4)
    seen = cells.place_yx_um[tracks["track_id"] - 1, 30 * tracks["frame"]]
    error = tracks[["y_um", "x_um"]].to_numpy() - seen
    error -= pd.DataFrame(error).groupby(tracks["track_id"]).transform("median").to_numpy()  # where the cell began
    assert error.std() == pytest.approx(0.7, rel=0.1)
    last = tracks.groupby("track_id")["frame"].max()
    assert (last < 40).any()  # towards the axis, out of the field
    per_frame = len(tracks) / (last + 1).sum()
    assert per_frame == pytest.approx(0.9, abs=0.03)


def test_shorter_runs_are_no_saltations() -> None:
    short = replace(EVEN, run_h=(LEAST_UM - 1) / 60)
    cells = simulate_cells(short, np.random.default_rng(4), n_cells=20)
    assert np.hypot(*cells.place_yx_um[:, -1].T).min() > LEAST_UM
    assert not cells.cell.size


def test_a_colony_is_scored_on_every_number_that_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "colony_of", lambda seed: replace(Colony(), n_cells=6, hours=6.0))
    monkeypatch.setattr(score, "true_numbers", lambda colony, seed: true_numbers(colony, seed=seed, n_cells=150))
    row = score.score_colony(5).iloc[0]
    for name in score.COUNTED:
        assert {name, f"{name}_low", f"{name}_high", f"{name}_true"} <= set(row.index)
        assert math.isfinite(row[f"{name}_true"]) or name == "mean_direction_deg"
    assert row["in_scope"]
    movies = score.colony_movies(5)
    (first, _), (tracks, error_of) = next(movies), next(movies)
    assert not first.equals(tracks)
    assert abs(error_of(migration_of(tracks, drift="none").cells)["frequency"]) < 0.6
