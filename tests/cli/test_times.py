"""`somanet analyze` of movies whose frames are uneven in time, stored twice, or have a scale bar in them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.hashing import sha256_file
from somanet.io.movies import open_movie
from tests.analysis.worlds import N_FRAMES, frames_TYX, save_movie
from tests.worlds import somanet

QUICK = ("--no-report", "--no-overlay")
AFTER_PAUSE = 8
TIMES_H = tuple(t / 3 + 2.0 * (t >= AFTER_PAUSE) for t in range(N_FRAMES))
PAUSED = Calibration(2.0, 20.0, TIMES_H)
TABLES = ("tracks.csv", "saltations.csv", "pauses.csv", "migration.csv")


def noisy() -> np.ndarray:
    """The drawn movie with a camera's noise: no two frames are alike."""
    frames = frames_TYX()
    return (frames + np.random.default_rng(8).integers(0, 60, frames.shape)).astype(np.uint16)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, bright: Path) -> Path:
    """One movie in several files, and the results of the plain one and of that with a pause."""
    folder = tmp_path_factory.mktemp("times")
    shutil.copytree(bright, folder / "model")
    save_movie(folder / "plain.tif", noisy())
    save_movie(folder / "paused.ome.tif", noisy(), PAUSED)
    save_movie(folder / "twice.tif", np.repeat(noisy(), 2, axis=0), Calibration(2.0, 10.0))
    rows = "".join(f"{t},{60 * hours:.10g}\n" for t, hours in enumerate(TIMES_H))
    (folder / "times.csv").write_text(f"frame,t_min\n{rows}")
    rows = "".join(f"{t},{720 * t}\n" for t in range(len(TIMES_H)))  # seconds of 12 min under the heading of minutes
    (folder / "seconds.csv").write_text(f"frame,t_min\n{rows}")
    for name in ("plain.tif", "paused.ome.tif"):
        assert analyze(folder, name, "--output", name.split(".")[0], "--no-overlay") is None
    return folder


def analyze(folder: Path, *arguments: object) -> str | None:
    return somanet("analyze", *map(str, arguments), "--model", "model", cwd=folder)


def manifest_of(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def notes_of(folder: Path) -> str:
    return " ".join(manifest_of(folder)["notes"])


def test_the_planes_times_reach_every_table(lab: Path) -> None:
    """The same pictures: the same cells and steps, two hours later after the pause, which is not observed."""
    plain, paused = (pd.read_csv(lab / name / "tracks.csv") for name in ("plain", "paused"))
    pd.testing.assert_frame_equal(plain.drop(columns="t_h"), paused.drop(columns="t_h"))
    assert paused["t_h"].tolist() == pytest.approx(np.array(TIMES_H)[paused["frame"]])
    cells = pd.read_csv(lab / "paused" / "migration.csv")
    assert (cells["end_h"] - cells["start_h"]).tolist() == pytest.approx([13 / 3 + 2] * 2)
    assert cells["observed_h"].tolist() == pytest.approx([4] * 2)
    [event] = pd.read_csv(lab / "paused" / "saltations.csv").to_dict("records")
    assert event["start_h"] == pytest.approx(5 / 3)
    assert event["speed_um_per_h"] == pytest.approx(90, rel=0.05)


def test_the_times_are_said_and_recorded(lab: Path) -> None:
    found = manifest_of(lab / "paused")
    assert found["input"]["times_h"] == pytest.approx(TIMES_H)
    assert found["input"]["times"] is None
    assert found["input"]["frame_interval_min"] == 20
    assert "There is a pause (140 min after frame 7)" in notes_of(lab / "paused")
    assert "usually one every 20 min, at times of their own" in (lab / "paused" / "methods.md").read_text()
    page = (lab / "paused" / "report.html").read_text(encoding="utf-8")
    assert "14, usually one every 20 min" in page
    assert '"times_h": [0.0, 0.333' in page or '"times_h":[0.0,0.333' in page
    assert '"times_h": null' in (lab / "plain" / "report.html").read_text() or '"times_h":null' in (
        lab / "plain" / "report.html"
    ).read_text(encoding="utf-8")


def test_the_labels_claim_no_even_interval(lab: Path) -> None:
    with open_movie(lab / "paused" / "labels.tif") as labels:
        assert labels.file_calibration == FileCalibration(2.0, None)


def test_a_table_of_times_does_the_same(lab: Path) -> None:
    assert analyze(lab, "plain.tif", "--times", "times.csv", "--output", "given", *QUICK) is None
    for name in TABLES:
        assert (lab / "given" / name).read_bytes() == (lab / "paused" / name).read_bytes(), name
    found = manifest_of(lab / "given")
    assert found["input"]["times"] == {"file": "times.csv", "sha256": sha256_file(lab / "times.csv")}
    assert sha256_file(lab / "times.csv") in (lab / "given" / "methods.md").read_text()


def test_a_given_interval_wins_over_the_planes_and_it_is_said(lab: Path) -> None:
    assert analyze(lab, "paused.ome.tif", "--frame-interval-min", "20", "--output", "forced", *QUICK) is None
    assert (lab / "forced" / "tracks.csv").read_bytes() == (lab / "plain" / "tracks.csv").read_bytes()
    assert "The file has uneven times" in notes_of(lab / "forced")
    assert "--frame-interval-min 20" in notes_of(lab / "forced")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plain.tif", "--times", "times.csv", "--frame-interval-min", "20"), "Give one of --times and"),
        (("plain.tif", "--times", "none.csv"), "none.csv: no such times table"),
        (("plain.tif", "--times", "seconds.csv"), "seconds.csv: frames that are usually 720 min apart cannot be right"),
        (("twice.tif", "--times", "times.csv"), "expected one row for each frame from 0 to 27"),
        (("plain.tif", "twice.tif", "--times", "times.csv"), "--times has the times of one movie"),
    ],
)
def test_times_that_do_not_fit_are_refused_before_any_work(lab: Path, arguments: tuple[str, ...], message: str) -> None:
    found = analyze(lab, *arguments, "--output", "refused", *QUICK)
    assert message in str(found)
    assert not (lab / "refused").exists()


def test_frames_stored_twice_count_once(lab: Path) -> None:
    """28 frames 10 min apart are 14 frames 20 min apart."""
    assert analyze(lab, "twice.tif", "--output", "once", "--no-overlay", "--export", "trackmate") is None
    for name in TABLES:
        assert (lab / "once" / name).read_bytes() == (lab / "plain" / name).read_bytes(), name
    found = manifest_of(lab / "once")
    assert found["input"]["stored_frames"] == list(range(0, 28, 2))
    assert (found["input"]["n_frames"], found["input"]["frame_interval_min"]) == (14, 20)
    assert "14 of 28 frames repeat the one before" in notes_of(lab / "once")
    assert "14, one every 20 min" in (lab / "once" / "report.html").read_text(encoding="utf-8")


def test_their_tracks_come_back_and_those_of_all_frames_do_not(lab: Path, tmp_path: Path) -> None:
    table = pd.read_csv(lab / "plain" / "tracks.csv")
    table.to_csv(tmp_path / "mine.csv", index=False)
    arguments = ("twice.tif", "--tracks", tmp_path / "mine.csv", "--output", tmp_path / "out", *QUICK)
    assert analyze(lab, *arguments) is None
    again = table[["track_id", "frame", "y_px", "x_px"]]
    pd.concat([again.assign(frame=2 * again["frame"]), again.assign(frame=2 * again["frame"] + 1)]).to_csv(
        tmp_path / "mine.csv", index=False
    )
    assert "The file repeats frames, and SomaNet numbers the others only" in str(analyze(lab, *arguments, "--replace"))


def test_a_frame_stored_again_shows_nothing(lab: Path, tmp_path: Path) -> None:
    frames = noisy()
    frames[9] = frames[8]
    save_movie(tmp_path / "hung.tif", frames)
    assert analyze(lab, tmp_path / "hung.tif", "--output", tmp_path / "out", *QUICK) is None
    tracks = pd.read_csv(tmp_path / "out" / "tracks.csv")
    assert set(range(N_FRAMES)) - set(tracks["frame"]) == {9}
    assert tracks["track_id"].nunique() == 2
    assert "1 of 14 frames repeat the one before (9, counted from 0)" in notes_of(tmp_path / "out")


def test_a_still_image_is_no_movie(lab: Path, tmp_path: Path) -> None:
    save_movie(tmp_path / "still.tif", np.repeat(noisy()[:1], 5, axis=0))
    assert "5 frames that are all the same picture" in str(
        analyze(lab, tmp_path / "still.tif", "--output", tmp_path / "out", *QUICK)
    )
    assert not (tmp_path / "out").exists()


def test_real_times_of_given_tracks_are_taken(lab: Path, tmp_path: Path) -> None:
    """The movie knows the interval only; the table's times are the truth."""
    shutil.copy(lab / "paused" / "tracks.csv", tmp_path / "mine.csv")
    given = ("--tracks", tmp_path / "mine.csv", "--output", tmp_path / "out", *QUICK)
    assert analyze(lab, "plain.tif", *given) is None
    for name in ("tracks.csv", "saltations.csv", "migration.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (lab / "paused" / name).read_bytes()
    found = manifest_of(tmp_path / "out")
    assert found["input"]["times_h"] == pytest.approx(TIMES_H)
    assert "Times are those in mine.csv" in notes_of(tmp_path / "out")


def test_a_scale_bar_is_ignored(lab: Path, tmp_path: Path) -> None:
    """The network outlines whatever is bright. A bar below the cells, and the same cells as without it."""
    frames = noisy()
    frames[:, 56:59, 30:50] = 65535
    save_movie(tmp_path / "bar.tif", frames)
    assert analyze(lab, tmp_path / "bar.tif", "--output", tmp_path / "out", *QUICK) is None
    plain, found = (pd.read_csv(folder / "tracks.csv") for folder in (lab / "plain", tmp_path / "out"))
    pd.testing.assert_frame_equal(
        plain[["track_id", "frame", "y_px", "x_px"]], found[["track_id", "frame", "y_px", "x_px"]]
    )
    assert "burnt into the frames (rows 54 to 60, columns 28 to 51" in notes_of(tmp_path / "out")
    assert "burnt into" not in notes_of(lab / "plain")


def test_why_there_is_no_cell_is_said_and_the_advice_works(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """14 frames 20 s apart: two cells in each, all in tracks shorter than half an hour.

    In 20 s no cell jumps by 30 µm, so that one of them becomes two.
    """
    save_movie(tmp_path / "fast.tif", noisy(), Calibration(2.0, 20 / 60))
    arguments = (tmp_path / "fast.tif", "--output", tmp_path / "out", "--replace", *QUICK)
    assert analyze(lab, *arguments) is None
    told = capsys.readouterr().out
    assert "the network outlined 28 objects in 14 frames: 28 are in tracks shorter than 0.5 h" in told
    assert "lasts 4.33 min only, at 0.333 min between frames" in told
    for advice, n_cells in (("--frame-interval-min 20", 2), ("--set track.min_track_h=0", 3)):
        assert advice in told
        assert analyze(lab, *arguments, *advice.split()) is None
        assert "No cell was found" not in notes_of(tmp_path / "out")
        assert pd.read_csv(tmp_path / "out" / "tracks.csv")["track_id"].nunique() == n_cells
