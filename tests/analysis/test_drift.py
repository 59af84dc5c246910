"""The stage in the files of an analysis: `drift.csv`, the summary, the notes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.analysis import names
from somanet.analysis.source import MovieSource
from somanet.analysis.stages.files import read_drift_of, read_metadata
from somanet.analysis.stages.given_tracks import take_tracks
from somanet.analysis.stages.migrate import migrate_movie
from somanet.analysis.stages.report import NO_DRIFT_MEASURED, notes_of
from somanet.io.movies import write_movie
from somanet.migration.settings import MigrateSettings
from tests.analysis import worlds
from tests.tracking.scenes import N_FRAMES, SCALE, scene, wandering


def points(stage: np.ndarray, *, n_cells: int, push: float = 0.0) -> pd.DataFrame:
    """Cells that stay where they are on a moving stage, as seen; the first walks right by ``push`` px per frame."""
    rows = [
        (cell, t, 40.0 * cell + dy, 100.0 + dx + push * t * (cell == 1))
        for cell in range(1, n_cells + 1)
        for t, (dy, dx) in enumerate(stage)
    ]
    return pd.DataFrame(rows, columns=["track_id", "frame", "y_px", "x_px"])


def test_correcting_one_cell_changes_no_other_and_the_stage_is_taken_off(tmp_path: Path) -> None:
    """Three cells at rest on a stage that jumps by 50 px = 65 µm: they go nowhere, whatever is done to the first."""
    made = scene(seed=21, stage=wandering(22), renewed=0)
    write_movie(tmp_path / "movie.tif", made.frames, SCALE)
    source = MovieSource(tmp_path / "movie.tif", "movie")
    cells, drifts = [], []
    for name, push, kept in (("as found", 0.0, (1, 2, 3)), ("corrected", 3.0, (1, 2, 3)), ("without", 0.0, (2, 3))):
        table = points(made.stage, n_cells=3, push=push)
        table[table["track_id"].isin(kept)].to_csv(tmp_path / f"{name}.csv", index=False)
        take_tracks(source, tmp_path / f"{name}.csv", tmp_path / name)
        measures = migrate_movie(tmp_path / name, tmp_path / name, MigrateSettings(sigma_um=0.5))
        drifts.append((tmp_path / name / names.DRIFT).read_bytes())
        cells.append(measures.migration.cells.set_index("track_id"))
    assert drifts[0] == drifts[1] == drifts[2]
    for other in cells[1:]:
        pd.testing.assert_frame_equal(cells[0].loc[[2, 3]], other.loc[[2, 3]])
    assert (cells[0]["net_um"] < 1.0).all()
    summary = read_metadata(tmp_path / "as found" / names.SUMMARY)
    assert summary["drift_removed_from"] == "image"
    assert summary["drift_removed_um"] == pytest.approx(np.hypot(*made.stage.T).max() * SCALE.pixel_size_um, abs=0.5)
    assert any("The stage drifted by up to" in note for note in notes_of(tmp_path / "as found"))
    table = read_drift_of(tmp_path / "as found")
    assert table is not None
    assert len(table) == N_FRAMES


def test_results_of_an_older_version_are_measured_without_drift(tmp_path: Path) -> None:
    folder = worlds.save_results(tmp_path / "old", worlds.tracks(3, seed=0, jumps=2))
    assert read_drift_of(folder) is None
    assert read_metadata(folder / names.SUMMARY)["drift_removed_from"] == "none"
    assert "no drift was removed" in NO_DRIFT_MEASURED
