"""`somanet tracks measure`: migration from tracks alone, of any program, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from somanet.analysis import tracks_alone
from somanet.analysis.stages.migrate import migrate_movie
from somanet.core.calibration import Calibration
from somanet.core.files import read_json
from somanet.core.hashing import sha256_file
from somanet.migration.measures import Measures
from tests.cli.invoking import refusal, run
from tests.tracking.foreign import write_foreign

SCALE = Calibration(pixel_size_um=0.5, frame_interval_min=10.0)
N_FRAMES, N_CELLS = 40, 7


def walkers(seed: int = 3) -> pd.DataFrame:
    """Cells that rest with noise, and run 8 px a frame in a third of the frames; T = 40, y ≠ x."""
    rng = np.random.default_rng(seed)
    rows = []
    for cell in range(1, N_CELLS + 1):
        run = np.repeat(rng.random(N_FRAMES // 4) < 0.33, 4)
        x = 20.0 * cell + np.cumsum(np.where(run, 8.0, 0.0)) + rng.normal(0, 0.3, N_FRAMES)
        y = 35.0 * cell + rng.normal(0, 0.3, N_FRAMES)
        rows += [(cell, t, y[t], x[t]) for t in range(N_FRAMES)]
    return pd.DataFrame(rows, columns=["track_id", "frame", "y_px", "x_px"])


GIVEN = ("--pixel-size-um", 0.5, "--frame-interval-min", 10)


@pytest.fixture
def spots(tmp_path: Path) -> Path:
    write_foreign(tmp_path / "spots.csv", "trackmate-spots", walkers(), SCALE)
    return tmp_path / "spots.csv"


def test_a_folder_of_results_without_a_movie(spots: Path, tmp_path: Path) -> None:
    """The frame interval is the file's own; the path is that of the points, in µm."""
    output = run("tracks", "measure", spots, "--pixel-size-um", 0.5, "--output", tmp_path / "out")
    assert "note: The tracks were measured without their movie" in output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"tracks.csv", "migration.csv", "saltations.csv", "summary.json", "methods.md", "manifest.json"} <= names
    assert not names & {"report.html", "overlay.mp4", "drift.csv", "movie.json", "segmentation.json", "tracking.json"}
    manifest = read_json(tmp_path / "out" / "manifest.json", expected="a manifest")
    assert manifest["tracks_from"] == "spots.csv"
    assert manifest["tracks_sha256"] == manifest["input"]["sha256"] == sha256_file(spots)
    assert (manifest["input"]["pixel_size_um"], manifest["input"]["frame_interval_min"]) == (0.5, 10.0)
    assert manifest["files"]["tracks.csv"] == sha256_file(tmp_path / "out" / "tracks.csv")
    cells = pd.read_csv(tmp_path / "out" / "migration.csv").set_index("track_id")
    points = walkers()
    for cell, mine in points.groupby("track_id"):
        path_um = 0.5 * np.hypot(np.diff(mine["y_px"]), np.diff(mine["x_px"])).sum()
        assert cells.loc[cell, "average_speed_um_per_h"] == pytest.approx(path_um / ((N_FRAMES - 1) / 6), rel=1e-3)
    methods = (tmp_path / "out" / "methods.md").read_text(encoding="utf-8")
    assert "measured without images" in methods
    assert "spots.csv" in methods


def test_tracks_that_change_while_they_are_read_leave_no_results(
    spots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def saved_meanwhile(*arguments: Any, **named: Any) -> Measures:
        write_foreign(spots, "trackmate-spots", walkers(seed=4), SCALE)
        return migrate_movie(*arguments, **named)

    monkeypatch.setattr(tracks_alone, "migrate_movie", saved_meanwhile)
    words = refusal("tracks", "measure", spots, "--pixel-size-um", 0.5, "--output", tmp_path / "out")
    assert "spots.csv was changed while it was read" in words
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spots.csv"]


def test_the_same_numbers_from_every_program(spots: Path, tmp_path: Path) -> None:
    found = []
    for kind in ("trackmate-spots", "imaris", "mtrackj"):
        write_foreign(tmp_path / kind, kind, walkers(), SCALE)
        run("tracks", "measure", tmp_path / kind, *GIVEN, "--output", tmp_path / f"out {kind}")
        summary = json.loads((tmp_path / f"out {kind}" / "summary.json").read_text())
        found.append(summary["numbers"]["rms_speed_1h_um_per_h"]["value"])
    assert found[0] > 0
    assert found == pytest.approx([found[0]] * 3, rel=1e-6)


def test_a_cohort_takes_such_folders(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        write_foreign(tmp_path / f"{name}.csv", "btrack", walkers(seed), SCALE)
        run("tracks", "measure", tmp_path / f"{name}.csv", *GIVEN, "--output", tmp_path / "study" / name)
    output = run("cohort", tmp_path / "study")
    movies = pd.read_csv(tmp_path / "study" / "movies.csv")
    assert movies["movie"].tolist() == ["a", "b"]
    assert movies["density_per_mm2"].isna().all()
    assert movies["n_cells"].tolist() == [N_CELLS, N_CELLS]
    assert "Written" in output


def test_divisions_are_in_the_table(tmp_path: Path) -> None:
    lines = ["track_id,t,y,x,id,parent_id"]
    lines += [f"1,{t},5,{5 + t},{t},{t - 1 if t else ''}" for t in range(20)]
    for cell, y in ((2, 4), (3, 6)):
        lines += [
            f"{cell},{t},{y},{5 + t},{100 * cell + t},{19 if t == 20 else 100 * cell + t - 1}" for t in range(20, 40)
        ]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    assert "1 cell divides" in run("tracks", "measure", tmp_path / "t.csv", *GIVEN, "--output", tmp_path / "out")
    tracks = pd.read_csv(tmp_path / "out" / "tracks.csv").drop_duplicates("track_id")
    assert tracks["parent_id"].fillna(0).tolist() == [0, 1, 1]


def test_edited_tracks_are_taken_by_the_command_that_the_message_names(
    spots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("tracks", "measure", spots, *GIVEN, "--output", "study/out")
    table = Path("study/out/tracks.csv")
    edited = pd.read_csv(table).query("track_id != 2")
    edited.to_csv(table, index=False)
    error = refusal("cohort", "study")
    command = error.split("`")[1]
    assert command == "somanet tracks measure study/out/tracks.csv --name spots --output study/out --replace"
    run(*command.split()[1:])
    assert 2 not in set(pd.read_csv(table)["track_id"])
    assert "Written" in run("cohort", "study")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("spots.csv", (), "pixel size of these tracks"),
        ("spots.csv", ("--pixel-size-um", 0.5, "--frame-interval-min", 5), "10 min apart, those given 5"),
        ("spots.csv", ("--pixel-size-um", 50), "cannot be right"),
        ("spots.csv", ("--pixel-size-um", -1), "positive"),
        ("one.csv", GIVEN, "at least 2 frames, found 1"),
        ("unknown.csv", GIVEN, "--position-unit px` (or um)"),
        ("nowhere.csv", GIVEN, "no such file"),
        ("far.csv", GIVEN, "track 1 is at (1.5, 2e+307) µm in frame 1; expected positions within 1e+06 µm"),
    ],
)
def test_what_is_refused_leaves_nothing(
    name: str, options: tuple[object, ...], words: str, spots: Path, tmp_path: Path
) -> None:
    (tmp_path / "one.csv").write_text("track_id,frame,y_px,x_px\n1,0,2,3\n")
    (tmp_path / "unknown.csv").write_text("track,frame,x,y\n1,0,2,3\n1,1,2,3\n")
    (tmp_path / "far.csv").write_text("track_id,frame,y_px,x_px\n1,0,2,3\n1,1,3,4e307\n")
    before = set(tmp_path.iterdir())
    assert words in refusal("tracks", "measure", tmp_path / name, *options, "--output", tmp_path / "out")
    assert set(tmp_path.iterdir()) == before


def test_the_advice_about_units_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("track,frame,x,y\n1,0,2,3\n1,1,4,6\n")
    advice = refusal("tracks", "convert", "t.csv", "c.csv", *GIVEN).split("`")[1]
    assert advice == "somanet tracks convert t.csv tracks.csv --position-unit px"
    run(*advice.split()[1:], *GIVEN)
    assert pd.read_csv("tracks.csv")["x_um"].tolist() == [1, 2]


def test_displacements_are_measured_alone_and_not_on_a_movie(tmp_path: Path) -> None:
    header = (
        "ImageNumber,ObjectNumber,TrackObjects_Label,TrackObjects_ParentImageNumber,TrackObjects_ParentObjectNumber,"
    )
    header += "TrackObjects_TrajectoryX,TrackObjects_TrajectoryY\n"
    rows = "".join(f"{t + 1},1,1,{t},{min(t, 1)},{3 if t else 0},{4 if t else 0}\n" for t in range(N_FRAMES))
    (tmp_path / "t.csv").write_text(header + rows)
    output = run("tracks", "measure", tmp_path / "t.csv", *GIVEN, "--output", tmp_path / "out")
    assert "distances between cells, and where they are, mean nothing" in output
    speed = pd.read_csv(tmp_path / "out" / "migration.csv")["average_speed_um_per_h"].iloc[0]
    assert speed == pytest.approx(5 * 0.5 * 6)


def test_no_number_is_printed_without_its_interval_or_the_reason(tmp_path: Path) -> None:
    """Two cells that rest: what they do in an hour is not clear of noise."""
    rng = np.random.default_rng(5)
    place = np.array([[[30.0, 60.0]], [[80.0, 20.0]]]) + rng.normal(0, 0.5, (2, N_FRAMES, 2))
    rows = [(cell + 1, t, *place[cell, t]) for cell in range(2) for t in range(N_FRAMES)]
    pd.DataFrame(rows, columns=["track", "frame", "y_um", "x_um"]).to_csv(tmp_path / "still.csv", index=False)
    output = run("tracks", "measure", tmp_path / "still.csv", *GIVEN, "--output", tmp_path / "out")
    numbers = [line for line in output.splitlines() if line[30:32] == "  " and line[:30].strip()][:10]
    assert any("net speed over an hour  " in line for line in numbers)
    for line in numbers:
        assert "[" in line or "not estimated: " in line or line.endswith("this movie alone cannot tell")
        assert "e-" not in line


def test_a_published_definition_is_the_same_as_its_settings(spots: Path, tmp_path: Path) -> None:
    """`--preset vaswani2019` is `--set migrate.preset=vaswani2019`: at rest below 10 µm/h, in tables and methods."""
    for name, options in (("preset", ("--preset", "vaswani2019")), ("set", ("--set", "migrate.preset=vaswani2019"))):
        run("tracks", "measure", spots, *GIVEN, *options, "--output", tmp_path / name)
        manifest = read_json(tmp_path / name / "manifest.json", expected="a manifest")
        assert manifest["parameters"]["migrate"]["preset"] == "vaswani2019"
        assert read_json(tmp_path / name / "summary.json", expected="it")["mobile_threshold_um_per_h"] == 10.0
    assert manifest["files"] == read_json(tmp_path / "preset" / "manifest.json", expected="a manifest")["files"]
    assert "somebody" in refusal("tracks", "measure", spots, *GIVEN, "--preset", "somebody", "--output", tmp_path / "x")
