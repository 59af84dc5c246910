"""`somanet.analyze`: the files of the command, as tables, and its refusals in the words of a Python call."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import somanet
from somanet.core.calibration import FileCalibration
from somanet.core.hashing import sha256_file, sha256_tree
from tests.analysis.worlds import N_FRAMES, save_movie

QUICK = {"report": False, "overlay": False}


def test_files_are_those_of_the_command(analysis: somanet.Analysis, by_command: Path) -> None:
    names = {path.name for path in by_command.iterdir()}
    assert {path.name for path in analysis.folder.iterdir()} == names
    assert {"report.html", "overlay.mp4", "tracks_napari.csv"} <= names
    manifest = json.loads((by_command / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["parameters"]["migrate"]["sigma_um"] == 0.5
    for name in sorted(names):
        assert sha256_tree(analysis.folder / name) == sha256_tree(by_command / name), name


def test_tables_are_those_of_the_drawn_movie(analysis: somanet.Analysis) -> None:
    """Two cells, one of which jumps by 30 µm within 20 min: 90 µm/h; each is seen for 13 intervals, 13/3 h."""
    assert analysis.tracks.groupby("track_id").size().to_dict() == {1: N_FRAMES, 2: N_FRAMES}
    [event] = analysis.saltations.to_dict("records")
    assert (event["track_id"], event["length_um"]) == (1, pytest.approx(30))
    assert event["speed_um_per_h"] == pytest.approx(90)
    assert analysis.cells["observed_h"].tolist() == pytest.approx([13 / 3] * 2)
    assert analysis.pauses["track_id"].tolist() == [1, 1, 2]
    assert analysis.report == analysis.folder / "report.html"
    assert analysis.labels == analysis.folder / "labels.tif"
    assert any("the frequency counts 1 saltation, and it takes" in note for note in analysis.notes)
    assert analysis.manifest["input"]["n_frames"] == N_FRAMES


def test_statistics_are_those_of_the_summary(analysis: somanet.Analysis) -> None:
    """One start in 26/3 h that are observed; no interval where the reason stands there."""
    numbers = json.loads((analysis.folder / "summary.json").read_text(encoding="utf-8"))["numbers"]
    table = analysis.statistics
    assert list(table.columns) == ["value", "low", "high", "unit", "supported", "problem"]
    assert list(table.index) == list(numbers)
    row = table.loc["frequency_per_h"]
    assert (row["value"], row["unit"]) == (pytest.approx(3 / 26), "1/h")
    assert not row["supported"]
    none = table["problem"] != ""
    assert none.any()
    assert not none.all()
    assert table.loc[none, ["low", "high"]].isna().all(axis=None)
    assert (table.loc[~none, "low"] <= table.loc[~none, "high"]).all()


def test_results_are_opened_again(by_command: Path, tmp_path: Path) -> None:
    opened = somanet.open_analysis(by_command)
    assert len(opened.tracks) == 2 * N_FRAMES
    with pytest.raises(somanet.SomaNetError, match="expected results of a movie"):
        somanet.open_analysis(tmp_path)


def test_a_network_can_be_named_and_settings_nested(bright: Path, movie: Path, tmp_path: Path) -> None:
    settings = {"migrate": {"min_track_h": 99.0}}
    found = somanet.analyze(str(movie), str(tmp_path / "a"), model=str(bright), settings=settings, **QUICK)
    assert found.report is None
    assert found.cells["long_enough"].tolist() == [0, 0]
    assert found.statistics["problem"].ne("").all()


def test_tracks_from_elsewhere_need_no_network(analysis: somanet.Analysis, movie: Path, tmp_path: Path) -> None:
    file = tmp_path / "given.csv"
    shutil.copyfile(analysis.folder / "tracks_napari.csv", file)
    found = somanet.analyze(movie, tmp_path / "a", model="nowhere", tracks=file, **QUICK)
    np.testing.assert_allclose(found.tracks[["y_um", "x_um"]], analysis.tracks[["y_um", "x_um"]])
    assert found.manifest["tracks_from"] == "given.csv"


def test_an_option_of_the_command_is_named_as_an_argument(bright: Path, tmp_path: Path) -> None:
    bare = save_movie(tmp_path / "bare.ome.tif", scale=FileCalibration(None, None))
    with pytest.raises(somanet.SomaNetError) as caught:
        somanet.analyze(bare, tmp_path / "out", model=bright, **QUICK)
    assert "pixel_size_um and frame_interval_min were not given" in str(caught.value)
    assert "--" not in str(caught.value)
    given = {"pixel_size_um": 2.0, "frame_interval_min": 20.0}
    assert len(somanet.analyze(bare, tmp_path / "out", model=bright, **given, **QUICK).saltations) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"settings": {"migrate.sigma": 1}}, "unknown parameter 'migrate.sigma'. Did you mean 'sigma_um'"),
        ({"settings": {"sigma_um": 1}}, "unknown parameter 'sigma_um'"),
        ({"export": ["excel"]}, "Unknown export format 'excel'"),
        ({"export": "excel"}, "Unknown export format 'excel'"),
        ({"style": "somas", "overlay": False}, "style is that of overlay.mp4"),
        ({"style": "boxes"}, "Unknown style 'boxes' of overlay.mp4; there are outlines, somas"),
        ({"settings": ["migrate.sigma_um=1"]}, "Expected settings as a dictionary"),
        ({"channel": 3}, "channel"),
        ({"tracks": "missing.csv"}, "missing.csv"),
        ({"model": "missing"}, "missing"),
    ],
)
def test_wrong_arguments_are_refused_before_the_work(
    arguments: dict[str, object], words: str, bright: Path, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"model": bright, **arguments}
    with pytest.raises(somanet.SomaNetError) as caught:
        somanet.analyze(movie, tmp_path / "out", **given)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_several_movies_is_refused(movie: Path, tmp_path: Path) -> None:
    folder = tmp_path / "movies"
    folder.mkdir()
    for name in ("a.ome.tif", "b.ome.tif"):
        shutil.copyfile(movie, folder / name)
    with pytest.raises(somanet.SomaNetError, match=r"expected one movie, found 2 \(a, b, …\)"):
        somanet.analyze(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nobody_s_files_are_replaced(bright: Path, movie: Path, tmp_path: Path) -> None:
    """A file under the name of a result, the movie as the output, and the network's own folder."""
    before, mine = sha256_file(movie), tmp_path / "out" / "tracks.csv"
    mine.parent.mkdir()
    mine.write_text("my own table\n", encoding="utf-8")
    refused = "contains files other than|was not written by SomaNet"
    with pytest.raises(somanet.SomaNetError, match=refused) as caught:
        somanet.analyze(movie, tmp_path / "out", model=bright, **QUICK)
    assert "replace=True" in str(caught.value)
    assert [path.name for path in mine.parent.iterdir()] == ["tracks.csv"]
    for output in (movie, bright):
        with pytest.raises(somanet.SomaNetError):
            somanet.analyze(movie, output, model=somanet.load_model(bright), **QUICK)
    assert sha256_file(movie) == before
    found = somanet.analyze(movie, tmp_path / "out", model=bright, replace=True, **QUICK)
    assert [path.read_text(encoding="utf-8") for path in found.kept] == ["my own table\n"]
    assert len(pd.read_csv(mine)) == 2 * N_FRAMES
