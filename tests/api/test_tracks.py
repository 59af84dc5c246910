"""`somanet.read_tracks` and `somanet.measure`: the numbers of `somanet tracks measure`, in memory."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import somanet
from somanet.analysis.cell_tables import read_migration
from somanet.core.files import json_object
from tests import worlds

SCALE = somanet.Calibration(pixel_size_um=2.0, frame_interval_min=15.0)
N_FRAMES = 24


def straight_cells() -> pd.DataFrame:
    """Cell 1 goes 3 px right and 4 px down per frame, 5 px = 10 µm in 15 min: 40 µm/h. Cell 2 stays at (90, 7)."""
    frames = np.arange(N_FRAMES)
    moving = pd.DataFrame({"track_id": 1, "frame": frames, "y_px": 10.0 + 4 * frames, "x_px": 20.0 + 3 * frames})
    return pd.concat([moving, moving.assign(track_id=2, y_px=90.0, x_px=7.0)], ignore_index=True)


def test_tracks_in_pixels_are_measured_by_their_calibration() -> None:
    """23 steps of 10 µm: a path of 230 µm in 5.75 h."""
    found = somanet.measure(straight_cells(), SCALE, settings={"sigma_um": 0.1})
    cell = found.cells.set_index("track_id").loc[1]
    assert cell["path_um"] == pytest.approx(230)
    assert cell["net_um"] == pytest.approx(230)
    assert cell["observed_h"] == pytest.approx(5.75)
    assert cell["average_speed_um_per_h"] == pytest.approx(40)
    assert (cell["velocity_y_um_per_h"], cell["velocity_x_um_per_h"]) == (pytest.approx(32), pytest.approx(24))
    assert found.tracks["t_h"].max() == pytest.approx(5.75)
    assert found.tracks["y_um"].max() == pytest.approx(2 * (10 + 4 * 23))
    assert set(found.saltations["track_id"]) == {1}
    assert found.statistics.loc["average_speed_um_per_h", "value"] == pytest.approx(20)
    assert found.summary["n_cells"] == 2
    assert any("One movie only" in note for note in found.notes)


def test_uneven_times_are_those_of_the_calibration() -> None:
    """The same path in twice the time."""
    times = tuple(0.25 * 2 * frame + (0.01 if frame == 5 else 0) for frame in range(N_FRAMES))
    uneven = somanet.Calibration(2.0, 30.0, times)
    found = somanet.measure(straight_cells(), uneven, settings={"sigma_um": 0.1})
    assert found.tracks.query("frame == 5")["t_h"].tolist() == pytest.approx([2.51] * 2)
    assert found.cells.set_index("track_id").loc[1, "average_speed_um_per_h"] == pytest.approx(20)


def test_numbers_are_those_of_the_command(tmp_path: Path) -> None:
    straight_cells().to_csv(tmp_path / "cells.csv", index=False)
    given = ("--pixel-size-um", 2, "--frame-interval-min", 15, "--set", "migrate.sigma_um=0.1")
    assert worlds.somanet("tracks", "measure", "cells.csv", "--output", "out", *given, cwd=tmp_path) is None
    read = somanet.read_tracks(tmp_path / "cells.csv", pixel_size_um=2.0, frame_interval_min=15.0)
    found = somanet.measure(read, settings={"sigma_um": 0.1})
    summary = json_object(tmp_path / "out" / "summary.json")
    for name, row in found.statistics.iterrows():
        expected = summary["numbers"][name]
        np.testing.assert_allclose(row["value"], np.nan if expected["value"] is None else expected["value"])
        low, high = expected["interval95"] or (np.nan, np.nan)
        np.testing.assert_allclose([row["low"], row["high"]], [low, high], err_msg=str(name))
    assert list(found.notes) == summary["warnings"]
    cells = read_migration(tmp_path / "out")[list(found.cells.columns)]
    pd.testing.assert_frame_equal(found.cells.reset_index(drop=True), cells, check_dtype=False, rtol=1e-6)
    opened = somanet.open_analysis(tmp_path / "out")
    pd.testing.assert_frame_equal(opened.statistics, found.statistics, rtol=1e-6)
    assert opened.labels is None


def test_what_a_file_does_not_say_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    late = straight_cells().assign(frame=lambda table: table["frame"] + 1)
    late.rename(columns={"track_id": "TRACK_ID", "frame": "FRAME", "y_px": "POSITION_Y", "x_px": "POSITION_X"}).to_csv(
        tmp_path / "spots.csv", index=False
    )
    with caplog.at_level(logging.WARNING, logger="somanet"):
        found = somanet.read_tracks(
            tmp_path / "spots.csv", pixel_size_um=2.0, frame_interval_min=15.0, position_unit="px"
        )
    assert len(found) == 2 * N_FRAMES
    assert "No track is in frame 0" in caplog.text


def test_a_table_and_a_calibration_must_agree() -> None:
    complete = somanet.measure(straight_cells(), SCALE, settings={"sigma_um": 0.1}).tracks
    assert len(somanet.measure(complete, SCALE, settings={"sigma_um": 0.1}).cells) == 2
    for other in (somanet.Calibration(1.0, 15.0), somanet.Calibration(2.0, 10.0)):
        with pytest.raises(somanet.SomaNetError, match=r"contradict the calibration: expected (y_um|t_h)"):
            somanet.measure(complete, other)


@pytest.mark.parametrize(
    ("tracks", "calibration", "settings", "words"),
    [
        (straight_cells(), None, {}, "lack ['t_h', 'y_um', 'x_um']"),
        (straight_cells().drop(columns="y_px"), SCALE, {}, "lack ['y_px']"),
        (straight_cells().assign(frame=0), SCALE, {}, "two points in frame 0"),
        (straight_cells(), somanet.Calibration(2000.0, 15.0), {}, "a pixel size of 2000 µm cannot be right"),
        (straight_cells(), SCALE, {"sigma": 1}, "Did you mean 'sigma_um'"),
        (straight_cells(), SCALE, {"drift": "image"}, "tracks alone have none"),
    ],
)
def test_tracks_that_cannot_be_measured_are_refused(
    tracks: pd.DataFrame, calibration: somanet.Calibration | None, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(somanet.SomaNetError) as caught:
        somanet.measure(tracks, calibration, settings=settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def named_cells(*names: str) -> pd.DataFrame:
    table = straight_cells()
    return table.assign(track_id=[names[track - 1] for track in table["track_id"]])


@pytest.mark.parametrize(
    ("tracks", "words"),
    [
        ("cells.csv", "found str. A file is read by somanet.read_tracks"),
        (None, "found NoneType"),
        (straight_cells().to_dict("list"), "found dict"),
        (named_cells("soma a", "soma b"), "expected whole numbers in track_id, found 'soma a'"),
        (named_cells("soma a", "soma b").astype({"track_id": "category"}), "whole numbers in track_id"),
        (straight_cells().assign(track_id=lambda table: table["track_id"] + 0.5), "in track_id, found 1.5"),
        (straight_cells().assign(frame=lambda table: table["frame"] + 0.5), "in frame, found 0.5"),
        (straight_cells().assign(frame=lambda table: table["frame"].where(table.index != 4)), "in frame, found nan"),
        (pd.concat([straight_cells(), straight_cells()[["y_px"]]], axis=1), "several columns 'y_px'"),
    ],
)
def test_what_is_no_table_of_tracks_is_refused(tracks: object, words: str) -> None:
    """Neither cut to whole frames nor left to pandas' own errors."""
    with pytest.raises(somanet.SomaNetError) as caught:
        somanet.measure(tracks, SCALE)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["str", "float64", "Int64", "category"])
def test_whole_numbers_of_any_type_are_ids(kind: str) -> None:
    expected = somanet.measure(straight_cells(), SCALE, settings={"sigma_um": 0.1})
    found = somanet.measure(straight_cells().astype({"track_id": kind}), SCALE, settings={"sigma_um": 0.1})
    pd.testing.assert_frame_equal(found.cells, expected.cells)


@pytest.mark.parametrize("edited", ["y_px", "x_px", "y_um", "x_um"])
def test_a_table_of_which_one_of_two_columns_was_edited_is_refused(edited: str) -> None:
    """The other one would be measured, or drawn, as if nothing had been corrected."""
    complete = somanet.measure(straight_cells(), SCALE, settings={"sigma_um": 0.1}).tracks
    assert len(somanet.measure(complete, settings={"sigma_um": 0.1}).cells) == 2
    moved = complete[edited].where(complete["track_id"] != 2, complete[edited] + 5)
    with pytest.raises(somanet.SomaNetError, match=r"track 2 has ._um = .* \(24 of 48 points differ\)"):
        somanet.measure(complete.assign(**{edited: moved}))


@pytest.mark.parametrize("settings", [["sigma_um"], "sigma_um=1", 0.5])
def test_settings_are_a_dictionary(settings: object) -> None:
    with pytest.raises(somanet.SomaNetError, match="Expected settings as a dictionary"):
        somanet.measure(straight_cells(), SCALE, settings=settings)  # type: ignore[arg-type]


def test_a_calibration_is_one() -> None:
    with pytest.raises(somanet.SomaNetError, match=r"Expected calibration=somanet\.Calibration"):
        somanet.measure(straight_cells(), (2.0, 15.0))  # type: ignore[arg-type]


def test_an_unknown_unit_is_refused_whatever_the_file_says(tmp_path: Path) -> None:
    straight_cells().to_csv(tmp_path / "cells.csv", index=False)
    scale = {"pixel_size_um": 2.0, "frame_interval_min": 15.0}
    with pytest.raises(somanet.SomaNetError, match="Unknown position_unit 'mm'; there are px, um"):
        somanet.read_tracks(tmp_path / "cells.csv", position_unit="mm", **scale)  # type: ignore[arg-type]
    with pytest.raises(somanet.SomaNetError, match="Unknown time_unit 'days'; there are frame, s, min, h"):
        somanet.read_tracks(tmp_path / "cells.csv", time_unit="days", **scale)  # type: ignore[arg-type]


def test_a_file_without_a_scale_names_the_arguments(tmp_path: Path) -> None:
    straight_cells().to_csv(tmp_path / "cells.csv", index=False)
    with pytest.raises(somanet.SomaNetError) as caught:
        somanet.read_tracks(tmp_path / "cells.csv", pixel_size_um=2.0)
    assert "Give it: pixel_size_um and frame_interval_min" in str(caught.value)
    with pytest.raises(somanet.SomaNetError, match="no such file"):
        somanet.read_tracks(tmp_path / "none.csv")
