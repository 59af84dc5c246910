"""`somanet analyze` as a user runs it: every file, the same bytes twice, and one clear line for what is wrong."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from somanet.analysis.cell_tables import read_migration
from somanet.analysis.report.definitions import estimate_in_words
from somanet.cli.analyze import _print_number
from somanet.core.calibration import FileCalibration
from somanet.core.hashing import sha256_file
from somanet.io.movies import open_movie
from somanet.migration.intervals import Estimate, not_estimated
from somanet.migration.settings import MigrateSettings
from tests.analysis.worlds import HEIGHT, N_FRAMES, WIDTH, frames_TYX, save_movie
from tests.worlds import somanet

TABLES = (
    "tracks.csv", "saltations.csv", "pauses.csv", "modes.csv", "migration.csv", "migration_internals.csv",
    "summary.json", "methods.md",
)  # fmt: skip
QUICK = ("--no-report", "--no-overlay")
EXPORTS = [word for kind in ("napari", "ctc", "geff", "trackmate", "deepcell") for word in ("--export", kind)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, bright: Path) -> Path:
    """A folder with a network and movies, one analysed with all there is to write."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(bright, folder / "model")
    save_movie(folder / "movie.ome.tif")
    assert somanet("analyze", "movie.ome.tif", "--output", "out", "--model", "model", *EXPORTS, cwd=folder) is None
    return folder


def test_every_result_is_there(lab: Path) -> None:
    names = {p.name for p in (lab / "out").iterdir()}
    assert names == {
        *TABLES, "somas.csv", "drift.csv", "labels.tif", "manifest.json", "report.html", "overlay.mp4",
        "tracks_napari.csv", "tracks_ctc", "tracks_geff.geff", "tracks_trackmate.xml", "tracks_deepcell.trk",
    }  # fmt: skip
    assert sorted(p.name for p in lab.iterdir()) == ["model", "movie.ome.tif", "out"]


def test_the_numbers_are_those_of_the_drawn_movie(lab: Path) -> None:
    """Two squares of 11 px = 22 µm: 484 µm². One jumps by 30 µm within one frame of 20 min: 90 µm/h."""
    tracks = pd.read_csv(lab / "out" / "tracks.csv")
    assert tracks.groupby("track_id").size().to_dict() == {1: N_FRAMES, 2: N_FRAMES}
    np.testing.assert_allclose(tracks["area_um2"], 484)
    np.testing.assert_allclose(tracks["mean_intensity"], 3000)
    [event] = pd.read_csv(lab / "out" / "saltations.csv").to_dict("records")
    assert event["track_id"] == 1
    assert event["length_um"] == pytest.approx(30)
    assert event["speed_um_per_h"] == pytest.approx(90)
    assert event["start_h"] == pytest.approx(5 / 3)
    cells = pd.read_csv(lab / "out" / "migration.csv")
    assert cells["n_saltations"].tolist() == [1, 0]
    assert cells["observed_h"].tolist() == pytest.approx([13 / 3] * 2)


@pytest.mark.parametrize(
    ("found", "unit", "said"),
    [
        (Estimate(0.104530, 0.09441, 0.11686), " %", "10.5 %  [9.4, 11.7]"),
        (Estimate(0.509495, 0.4905, 0.5204), " %", "50.9 %  [49.0, 52.0]"),
        (Estimate(1234.5, 990.4, 1500.0), " µm/h", "1234 µm/h  [990, 1500]"),
        (Estimate(-0.5, math.nan, math.nan), " h", "−0.500 h"),
        (not_estimated(0.3, "no cell rests"), " %", "not estimated: no cell rests"),
    ],
)
def test_the_terminal_shows_the_digits_of_the_report(
    capsys: pytest.CaptureFixture[str], found: Estimate, unit: str, said: str
) -> None:
    factor = 100.0 if unit == " %" else 1.0
    _print_number("steps of 10 min creeping", found, unit, factor=factor)
    printed = capsys.readouterr().out
    assert printed == f"{'steps of 10 min creeping':>30}  {said}\n"
    value, interval = estimate_in_words(found, factor=factor)
    if not found.problem:
        assert printed.split()[5] == value
        assert [one in printed for one in interval.split(" to ") if one != "–"] in ([True, True], [])


def test_labels_carry_the_tracks_identities_and_the_scale(lab: Path) -> None:
    tracks = pd.read_csv(lab / "out" / "tracks.csv")
    with open_movie(lab / "out" / "labels.tif") as labels:
        assert labels.dtype == np.uint16
        assert labels.file_calibration == FileCalibration(2.0, 20.0)
        for row in tracks.to_dict("records"):
            assert labels[row["frame"]][round(row["y_px"]), round(row["x_px"])] == row["track_id"]
        assert {int(v) for frame in labels for v in np.unique(frame)} == {0, 1, 2}


def test_the_manifest_says_where_the_numbers_come_from(lab: Path) -> None:
    manifest = json.loads((lab / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["input"]["sha256"] == sha256_file(lab / "movie.ome.tif")
    assert manifest["model"]["sha256"] == sha256_file(lab / "model" / "model.safetensors")
    assert manifest["parameters"]["track"]["max_step_um"] > 0
    assert manifest["parameters"]["migrate"] == MigrateSettings().model_dump(mode="json")
    assert {"torch", "numpy", "somanet"} <= set(manifest["code"]["versions"])
    assert manifest["files"]["tracks.csv"] == sha256_file(lab / "out" / "tracks.csv")
    assert set(manifest["files"]) == {p.name for p in (lab / "out").iterdir()} - {"manifest.json"}
    assert str(lab) not in json.dumps(manifest)


def test_the_same_inputs_give_the_same_bytes(lab: Path) -> None:
    before = {name: (lab / "out" / name).read_bytes() for name in (*TABLES, "labels.tif", "report.html")}
    (lab / "out" / "notes.txt").write_text("mine")
    assert somanet("analyze", "movie.ome.tif", "--output", "out", "--model", "model", *EXPORTS, cwd=lab) is None
    assert {name: (lab / "out" / name).read_bytes() for name in before} == before
    assert (lab / "out" / "notes.txt").read_text() == "mine"


def test_tracks_of_another_program_are_measured_without_outlines(lab: Path, tmp_path: Path) -> None:
    """The cells a third of a pixel off, and the second one cut in two; no network is used."""
    table = pd.read_csv(lab / "out" / "tracks.csv")[["track_id", "frame", "y_px", "x_px"]]
    table.loc[(table["track_id"] == 2) & (table["frame"] > 6), "track_id"] = 3
    table.assign(x_px=table["x_px"] + 1 / 3).to_csv(tmp_path / "theirs.csv", index=False)
    movie = lab / "movie.ome.tif"
    arguments = ("--tracks", tmp_path / "theirs.csv", "--no-overlay")
    assert somanet("analyze", movie, "--output", tmp_path / "out", *arguments, cwd=lab) is None
    assert pd.read_csv(tmp_path / "out" / "migration.csv")["track_id"].tolist() == [1, 2, 3]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["tracks_from"] == "theirs.csv"
    assert "model" not in manifest
    assert not (tmp_path / "out" / "labels.tif").exists()
    assert "did not find them" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "tracks_ctc",
        "tracks_geff.geff",
        "tracks_trackmate.xml",
        "tracks_napari.csv",
        "tracks_deepcell.trk",
        "labels.tif",
    ],
)
def test_every_exported_format_comes_back_as_the_same_numbers(lab: Path, tmp_path: Path, name: str) -> None:
    arguments = ("--tracks", lab / "out" / name, *QUICK)
    assert somanet("analyze", lab / "movie.ome.tif", "--output", tmp_path / "o", *arguments, cwd=lab) is None
    columns = ["n_saltations", "observed_h", "complete_um", "net_um"]
    expected, found = (read_migration(p)[columns] for p in (lab / "out", tmp_path / "o"))
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6, atol=1e-6)
    masks = name in ("tracks_ctc", "tracks_deepcell.trk", "labels.tif")
    assert (tmp_path / "o" / "labels.tif").exists() is masks
    if masks:
        assert np.array_equal(
            tifffile.imread(tmp_path / "o" / "labels.tif"), tifffile.imread(lab / "out" / "labels.tif")
        )


def test_several_movies_are_compared(lab: Path, tmp_path: Path) -> None:
    """Two donors a group; the patients' cells jump, the controls' do not."""
    rows = []
    for group, jump_at in (("control", 99), ("patient", 6)):
        for donor in "ab":
            name = f"{group}_{donor}"
            frames = frames_TYX(jump_at=jump_at + (donor == "b"))
            frames[0, 0, 0] += ord(donor)  # no two movies are the same
            save_movie(tmp_path / "movies" / f"{name}.tif", frames)
            rows.append(f"{name}.tif,{name},{group}")
    (tmp_path / "conditions.csv").write_text("\n".join(["movie,donor,group", *rows]) + "\n")
    arguments = ("--model", lab / "model", "--conditions", "conditions.csv", "--reference", "control", *QUICK)
    assert somanet("analyze", "movies", "--output", "out", *arguments, cwd=tmp_path) is None
    movies = pd.read_csv(tmp_path / "out" / "movies.csv")
    assert movies["group"].tolist() == ["control"] * 2 + ["patient"] * 2
    assert movies["n_events"].tolist() == [0, 0, 1, 1]
    assert len(pd.read_csv(tmp_path / "out" / "cells.csv")) == 8
    comparison = pd.read_csv(tmp_path / "out" / "comparison.csv").set_index("number")
    assert set(comparison["group"]) == {"patient"}
    frequency = comparison.loc["frequency_corrected_per_h"]
    assert frequency["mean_reference"] == 0
    assert frequency["mean_group"] > 0
    length = comparison.loc["mean_length_corrected_um"]  # of movies without saltations there is none
    assert (length["donors_reference"], length["donors_group"]) == (0, 2)
    assert "control_a, control_b of control" in length["notes"]
    assert (tmp_path / "out" / "figures" / "frequency_corrected_per_h.svg").stat().st_size > 5_000
    assert (tmp_path / "out" / "patient_a" / "manifest.json").exists()


def test_a_movie_in_which_nothing_is_found_has_empty_tables_and_a_page_that_says_so(lab: Path, tmp_path: Path) -> None:
    dark = np.random.default_rng(0).normal(200, 3, (N_FRAMES, HEIGHT, WIDTH))
    dark[:, 5:7, 5:8] = 60_000  # hot pixels, smaller than any soma; the network's threshold is half their intensity
    save_movie(tmp_path / "dark.tif", dark.astype(np.uint16))
    arguments = ("--model", lab / "model", "--set", "track.min_soma_area_um2=50")
    assert somanet("analyze", "dark.tif", "--output", "out", *arguments, cwd=tmp_path) is None
    for name in ("tracks.csv", "saltations.csv", "migration.csv", "migration_internals.csv"):
        table = pd.read_csv(tmp_path / "out" / name)
        assert table.empty
        assert "track_id" in table.columns
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "No cell was found" in page
    with open_movie(tmp_path / "out" / "labels.tif") as labels:
        assert labels.n_frames == N_FRAMES
        assert not any(frame.any() for frame in labels)


def test_a_label_movie_larger_than_a_tiff_should_be_is_zarr(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same labels, and an earlier analysis' file of a smaller movie does not stay next to them."""
    arguments = (
        "analyze",
        lab / "movie.ome.tif",
        "--output",
        tmp_path / "out",
        "--model",
        lab / "model",
        "--no-overlay",
    )
    assert somanet(*arguments, cwd=lab) is None
    monkeypatch.setattr("somanet.analysis.stages.track.CLASSIC_TIFF_BYTES", 1000)
    assert somanet(*arguments, cwd=lab) is None
    assert not (tmp_path / "out" / "labels.tif").exists()
    with open_movie(tmp_path / "out" / "labels.zarr") as large, open_movie(lab / "out" / "labels.tif") as small:
        assert large.file_calibration == small.file_calibration
        np.testing.assert_array_equal(np.stack(list(large)), np.stack(list(small)))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert "labels.zarr" in manifest["files"]


def test_black_frames_are_tracked_through_and_reported(lab: Path, tmp_path: Path) -> None:
    frames = frames_TYX(20)
    frames[8:13] = 0
    save_movie(tmp_path / "m.tif", frames)
    assert (
        somanet("analyze", "m.tif", "--output", "out", "--model", lab / "model", "--no-overlay", cwd=tmp_path) is None
    )
    tracks = pd.read_csv(tmp_path / "out" / "tracks.csv")
    assert tracks.groupby("track_id").size().to_dict() == {1: 15, 2: 15}
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["blank_frames"] == [8, 9, 10, 11, 12]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "5 of 20 frames are blank" in page


def test_the_frames_before_a_cut_are_analysed_when_asked(lab: Path, tmp_path: Path) -> None:
    save_movie(tmp_path / "m.tif", frames_TYX(20))
    data = (tmp_path / "m.tif").read_bytes()
    (tmp_path / "m.tif").write_bytes(data[: int(0.7 * len(data))])
    arguments = ("analyze", "m.tif", "--output", "out", "--model", lab / "model", *QUICK)
    message = somanet(*arguments, cwd=tmp_path)
    assert message is not None
    assert "truncated" in message
    assert not (tmp_path / "out").exists()
    assert somanet(*arguments, "--allow-truncated", cwd=tmp_path) is None
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["input"]["truncated"]
    assert 12 <= manifest["input"]["n_frames"] <= 14


def change(table: pd.DataFrame, how: str) -> pd.DataFrame:
    if how == "lacks":
        return table.drop(columns=["x_px", "x_um"])
    if how == "twice":
        return pd.concat([table, table.head(1)])
    if how == "late":
        return table.assign(frame=table["frame"] + 50, t_h=(table["frame"] + 50) / 3)
    return table.assign(x_px=table["x_px"] * 100, x_um=table["x_um"] * 100)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("lacks", "x_px"),
        ("twice", "(two|more than one|twice)"),
        ("late", "outside the movie of 14 frames"),
        ("far", "outside the movie"),
    ],
)
def test_bad_tracks_are_refused(lab: Path, tmp_path: Path, how: str, words: str) -> None:
    change(pd.read_csv(lab / "out" / "tracks.csv"), how).to_csv(tmp_path / "t.csv", index=False)
    message = somanet(
        "analyze", lab / "movie.ome.tif", "--output", tmp_path / "o", "--tracks", tmp_path / "t.csv", cwd=lab
    )
    assert message is not None
    assert re.search(words, message)
    assert "\n" not in message
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, lab: Path) -> Path:
    """Files that cannot be analysed, and a movie that can."""
    folder = tmp_path_factory.mktemp("bad")
    shutil.copytree(lab / "model", folder / "model")
    frames = frames_TYX()
    save_movie(folder / "good.tif")
    save_movie(folder / "one.tif", frames[:1])
    save_movie(folder / "no_scale.tif", scale=FileCalibration())
    save_movie(folder / "nonsense.tif", scale=FileCalibration(2000.0, 20.0))
    tifffile.imwrite(folder / "rgb.tif", np.stack([(frames // 15).astype(np.uint8)] * 3, -1), photometric="rgb")
    tifffile.imwrite(
        folder / "two.tif", np.stack([frames, frames], 1), imagej=True, metadata={"axes": "TCYX", "finterval": 600}
    )
    nan = frames.astype(np.float32)
    nan[5, 3, 4] = np.nan
    save_movie(folder / "nan.tif", nan)
    with tifffile.TiffWriter(folder / "sizes.tif") as writer:
        for size in (40, 50):
            writer.write(frames[0][:size], metadata=None)
    (folder / "other").mkdir()
    (folder / "other" / "thesis.doc").write_text("years")
    (folder / "conditions.csv").write_text("movie,donor\ngood,a\n")
    (folder / "empty_folder").mkdir()
    return folder


SCALE = ("--pixel-size-um", "2", "--frame-interval-min", "20")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.tif"], "no such file"),
        (["one.tif"], "at least 2 frames, found 1"),
        (["no_scale.tif"], "physical scale is unknown"),
        (["no_scale.tif", "--pixel-size-um", "-1", "--frame-interval-min", "20"], "positive number"),
        (["nonsense.tif"], "cannot be right"),
        (["rgb.tif", *SCALE], "--channel"),
        (["two.tif", *SCALE], "--channel"),
        (["two.tif", *SCALE, "--channel", "7"], "there is no channel 7"),
        (["nan.tif"], "frame 5"),
        (["sizes.tif", *SCALE], "sizes.tif"),
        (["good.tif", "--model", "nowhere"], "No checkpoint"),
        (["good.tif", "--output", "other"], "contains files other than"),
        (["good.tif", "--set", "track.max_steps=3"], "Did you mean 'max_step_um'"),
        (["good.tif", "--set", "track.max_step_um=-3"], "track.max_step_um"),
        (["good.tif", "--export", "excel"], "Unknown export format 'excel'"),
        (["good.tif", "--conditions", "conditions.csv"], "several movies"),
        (["good.tif", "--reference", "a"], "--conditions"),
        (["good.tif", "no_scale.tif"], "no_scale.tif"),
        (["good.tif", "two.tif", *SCALE, "--channel", "0", "--conditions", "conditions.csv"], "no row for 'two'"),
        (["good.tif", "nan.tif", "--tracks", "conditions.csv"], "one movie"),
        (["empty_folder"], "found none"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(bad: Path, arguments: list[str], words: str) -> None:
    before = sorted(p.relative_to(bad) for p in bad.rglob("*"))
    options = [] if "--model" in arguments else ["--model", "model"]
    options += [] if "--output" in arguments else ["--output", "out"]
    message = somanet("analyze", *arguments, *options, *QUICK, cwd=bad)
    assert message is not None
    assert words in message
    assert "\n" not in message
    assert sorted(p.relative_to(bad) for p in bad.rglob("*")) == before


@pytest.mark.parametrize("channel", ["1", "green"])
def test_a_channel_can_be_chosen(bad: Path, tmp_path: Path, channel: str) -> None:
    movie = "two.tif" if channel == "1" else "rgb.tif"
    arguments = ("--output", tmp_path / "o", "--model", "model", "--channel", channel, *SCALE, *QUICK)
    assert somanet("analyze", movie, *arguments, cwd=bad) is None
    assert len(pd.read_csv(tmp_path / "o" / "migration.csv")) == 2
