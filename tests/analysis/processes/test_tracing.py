"""A movie's processes, and the true ones of simulated movies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from somanet.analysis.processes.following import turn_deg
from somanet.analysis.processes.tracing import PROCESSES, Traced, trace_processes
from somanet.analysis.processes.truth import stem_of, true_processes
from somanet.analysis.processes.writing import without_drift
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.simulation import simulate_movie
from somanet.simulation.cells import random_cells
from somanet.simulation.settings import NeuronSettings
from tests.analysis.processes.worlds import disc, photo, ray

SCALE = Calibration(1.25, 12.0)
N_FRAMES = 5


def moving_cell(angle_deg: float = 0.0, *, speed_px: float = 6.0, blank: int | None = None) -> Traced:
    """A cell that moves to the right, with a process of 36 px ahead of the angle and one of 20 px opposite to it."""
    frames, labels, rows = [], [], []
    for t in range(N_FRAMES):
        centre = (72.0, 70.0 + speed_px * t)
        label = disc([centre])
        lines = [ray(centre, angle_deg, 36), ray(centre, angle_deg + 180, 20)]
        frame = photo(label, lines, seed=t)
        frames.append(np.full_like(frame, 1000.0) if t == blank else frame)
        labels.append(label)
        y_um, x_um = (c * SCALE.pixel_size_um for c in centre)
        rows.append((1, t, float(SCALE.hours(t)), *centre, y_um, x_um))
    columns = ["track_id", "frame", "t_h", "y_px", "x_px", "y_um", "x_um"]
    tracks = pd.DataFrame(rows, columns=columns)
    return trace_processes(np.stack(frames), np.stack(labels), tracks, tracks, calibration=SCALE)


def test_the_process_ahead_leads_and_the_one_behind_trails() -> None:
    table = moving_cell().table
    assert tuple(table.columns) == PROCESSES.names
    for role, direction, length_px in (("leading", 0, 36), ("trailing", 180, 20)):
        rows = table[table["role"] == role]
        assert len(rows) == N_FRAMES
        assert turn_deg(rows["direction_deg"].to_numpy(), direction).max() < 6
        assert rows["length_um"].to_numpy() == pytest.approx(length_px * 1.25, abs=5)
        assert rows["confidence"].between(0, 1).all()


def test_the_longer_process_trails_if_the_cell_moves_away_from_it() -> None:
    table = moving_cell(180.0).table
    assert (
        table[table["role"] == "trailing"]["length_um"].median()
        > table[table["role"] == "leading"]["length_um"].median()
    )


def test_without_motion_no_process_leads() -> None:
    table = moving_cell(speed_px=0.0).table
    assert set(table["role"]) == {"unknown"}
    assert table["motion_deg"].isna().all()


def test_a_blank_frame_has_one_row_without_numbers() -> None:
    traced = moving_cell(blank=2)
    row = traced.table[traced.table["frame"] == 2]
    assert list(row["role"]) == ["none"]
    assert row[["length_um", "direction_deg", "tip_y_px", "confidence", "at_edge"]].isna().all(axis=None)
    assert 2 not in traced.lines
    assert 3 in traced.lines


def test_labels_of_another_size_are_refused() -> None:
    frames, labels = np.zeros((2, 40, 50), np.float32), np.zeros((2, 40, 51), np.int32)
    tracks = pd.DataFrame(
        [(1, 0, 0.0, 5.0, 5.0, 5.0, 5.0)], columns=["track_id", "frame", "t_h", "y_px", "x_px", "y_um", "x_um"]
    )
    with pytest.raises(SomaNetError, match="Expected label images of"):
        trace_processes(frames, labels, tracks, tracks, calibration=SCALE)


def test_drift_is_removed_where_it_is_applied() -> None:
    """The stage moves by 3 µm down and 4 µm left; in the second case it was measured and not used."""
    tracks = pd.DataFrame({"track_id": [1, 1], "frame": [0, 1], "y_um": [10.0, 13.0], "x_um": [10.0, 6.0]})
    drift = pd.DataFrame({"frame": [0, 1], "shift_y_um": [0.0, 3.0], "shift_x_um": [0.0, -4.0], "applied": [1, 1]})
    assert without_drift(tracks, drift)[["y_um", "x_um"]].to_numpy().tolist() == [[10, 10], [10, 10]]
    assert without_drift(tracks, drift.assign(applied=0)).equals(tracks)
    assert without_drift(tracks, None) is tracks


def test_true_processes_are_where_the_simulation_draws_them() -> None:
    """Cells without noise and clutter: the middle of a line is brighter than 5 µm beside it on both sides."""
    clean = NeuronSettings(
        neighbours_per_mm2=0, ghosts_per_mm2=0, debris_per_mm2=0, filopodia_per_cone=0, read_noise_counts=0,
        counts_per_photon=0, touching_fraction=0, somas_per_mm2=60, illumination_falloff=0, trailing_fraction=0,
    )  # fmt: skip
    movie = simulate_movie(seed=4, n_frames=2, shape_YX=(260, 300), calibration=SCALE, settings=clean)
    true, lines = true_processes(movie, 4)
    assert len(true) == len(lines)
    assert true["in_view"].sum() >= 5
    brighter = []
    for row, line in zip(true.itertuples(), lines, strict=True):
        if not row.in_view:
            continue
        along = np.diff(line, axis=0)[8]
        aside = np.array([-along[1], along[0]]) / np.hypot(*along) * 5 / SCALE.pixel_size_um
        values = [movie.frames_TYX[row.frame][tuple(np.rint(line[8] + k * aside).astype(int))] for k in (-1, 0, 1)]
        brighter.append(int(values[1]) > max(int(values[0]), int(values[2])))
    assert np.mean(brighter) > 0.8
    cells = movie.tracks.set_index(["track_id", "frame"])
    for row in true.itertuples():
        place = cells.loc[(row.track_id, row.frame)]
        towards = np.degrees(np.arctan2(row.tip_y_px - place["y_px"], row.tip_x_px - place["x_px"]))
        assert turn_deg(towards, float(row.direction_deg)) < 1e-6


def test_a_stem_begins_at_its_soma_and_has_its_length() -> None:
    """Without waves and bend it is straight: from 0.85 radii on, length times factor."""
    cells = random_cells(
        np.random.SeedSequence(3), np.array([0.0, 0.2]), extent_yx_um=np.array([200.0, 300.0]),
        drift_yx_um=np.zeros((2, 2)), settings=NeuronSettings(),
    )  # fmt: skip
    cell, look = cells[0], cells[0].processes[0]
    line = stem_of(cell, look, 1, 1.0)
    ahead = np.array([np.sin(cell.heading_rad[1]), np.cos(cell.heading_rad[1])])
    start = np.hypot(*(line[0] - cell.centre_yx_um[1] - cell.nucleus_lag_um[1] * ahead))
    assert start == pytest.approx(0.85 * cell.radius_um[1])
    straight = np.hypot(*(line[-1] - line[0]))
    assert straight >= 0.8 * look.length_um * cell.length_factor[1]


@pytest.mark.slow
def test_traced_processes_of_a_simulated_movie_point_the_right_way() -> None:
    """The page's figures on one small movie: the median within 12°, and four of five within 30°."""
    movie = simulate_movie(seed=11, n_frames=10, shape_YX=(260, 300), calibration=SCALE)
    true, _ = true_processes(movie, 11)
    traced = trace_processes(movie.frames_TYX, movie.labels_TYX, movie.tracks, movie.tracks, calibration=SCALE).table
    both = traced[traced["role"] == "leading"].merge(
        true[(true["role"] == "leading") & (true["in_view"] == 1)], on=["track_id", "frame"]
    )
    errors = turn_deg(both["direction_deg_x"].to_numpy(), both["direction_deg_y"].to_numpy())
    assert len(errors) >= 15
    assert np.median(errors) < 12
    assert np.mean(errors < 30) > 0.8
