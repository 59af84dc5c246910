"""A batch goes on: finished and corrected movies stay, a broken one costs only itself, and all are checked first."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.analysis.movie import AnalysisNetworks, Options, is_finished
from somanet.analysis.network import open_networks
from somanet.analysis.source import MovieSource
from somanet.core.calibration import FileCalibration
from somanet.core.hashing import sha256_tree
from somanet.migration.settings import MigrateSettings
from tests.analysis.worlds import frames_TYX, save_movie
from tests.worlds import save_bright_network, somanet

QUICK = ("--no-report", "--no-overlay")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three movies in folders of their donors, and a network; the second donor's are analysed."""
    root = tmp_path_factory.mktemp("batch")
    save_bright_network(root / "model")
    for name, jump_at in (("d1/a", 6), ("d2/b", 7), ("d2/c", 8)):
        save_movie(root / "movies" / f"{name}.tif", frames_TYX(jump_at=jump_at))
    assert analyze(root, "movies/d2") is None
    return root


@pytest.fixture
def lab(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "lab"))


def analyze(root: Path, *movies: str, options: tuple[object, ...] = ()) -> str | None:
    return somanet("analyze", *movies, "--output", "study", "--model", "model", *QUICK, *options, cwd=root)


def state(folder: Path) -> dict[str, tuple[str, int]]:
    return {path.name: (sha256_tree(path), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_finished_movies_are_skipped_and_folders_searched_inside(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other movies' files are not even written again; the cohort has all three."""
    before = {name: state(lab / "study" / name) for name in "bc"}
    capsys.readouterr()
    assert analyze(lab, "movies") is None
    said = capsys.readouterr().out
    assert "movie 1 of 3: a" in said
    assert said.count("finished before") == 2
    assert {name: state(lab / "study" / name) for name in "bc"} == before
    assert pd.read_csv(lab / "study" / "movies.csv")["movie"].tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("change", ["none", "settings", "movie", "network", "results"])
def test_what_decides_the_results_makes_a_movie_unfinished(lab: Path, change: str) -> None:
    options = Options(report=False, overlay=False)
    movie, folder = lab / "movies" / "d2" / "b.tif", lab / "study" / "b"
    if change == "settings":
        options = replace(options, migrate=MigrateSettings(sigma_um=0.5))
    elif change == "movie":
        save_movie(movie, frames_TYX(jump_at=5))
    elif change == "network":
        config = json.loads((lab / "model" / "config.json").read_text())
        config["spec" if "spec" in config else "model"]["instances"] = {"min_area_px": 10}
        (lab / "model" / "config.json").write_text(json.dumps(config))
    elif change == "results":
        (folder / "summary.json").unlink()
    network = AnalysisNetworks(open_networks([str(lab / "model")], engine="auto").segmenter)
    finished = is_finished(folder, MovieSource(movie, "b"), network=network, options=options)
    assert finished == (change == "none")


def test_a_broken_movie_is_reported_at_the_end_and_costs_nothing_else(
    lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that cannot be opened, and one whose sixth frame is not a number."""
    (lab / "movies" / "bad.tif").write_bytes(b"II*\0 no movie")
    nan = frames_TYX().astype(np.float32)
    nan[5, 3, 4] = np.nan
    save_movie(lab / "movies" / "nan.tif", nan)
    message = analyze(lab, "movies")
    assert message is not None
    assert "2 of 5 movies could not be analysed" in message
    assert "bad, nan" in message
    assert "\n" not in message
    assert "frame 5" in capsys.readouterr().out
    assert pd.read_csv(lab / "study" / "movies.csv")["movie"].tolist() == ["a", "b", "c"]
    record = json.loads((lab / "study" / "cohort.json").read_text(encoding="utf-8"))
    assert [note.split(" ")[0] for note in record["notes"]] == ["bad", "nan"]
    assert not (lab / "study" / "nan").exists()


def test_scales_and_conditions_are_checked_before_the_first_movie(lab: Path) -> None:
    shutil.rmtree(lab / "study")
    save_movie(lab / "movies" / "z.tif", scale=FileCalibration(2.0, None))
    message = analyze(lab, "movies")
    assert message is not None
    assert "--frame-interval-min" in message
    (lab / "movies" / "z.tif").unlink()
    (lab / "c.csv").write_text("movie,donor,group\na,1,x\nb,2,y\nc,3,y\n")
    for options, words in (
        (("--conditions", "c.csv", "--reference", "w"), "no group 'w'"),
        (("--reference", "w"), "--conditions"),
        (("--paired", "donor"), "--conditions"),
    ):
        message = analyze(lab, "movies", options=options)
        assert message is not None
        assert words in message
    assert not (lab / "study").exists()


def correct(lab: Path, name: str = "b", *, shift: float = 0.0) -> None:
    """A person cuts the second cell's track, and has the movie measured again."""
    table = pd.read_csv(lab / "study" / name / "tracks.csv")[["track_id", "frame", "y_px", "x_px"]]
    table.loc[(table["track_id"] == 2) & (table["frame"] > 6), "track_id"] = 3
    table["x_px"] += shift
    table.to_csv(lab / f"{name}.csv", index=False)
    arguments = ("--tracks", f"{name}.csv", "--output", f"study/{name}", *QUICK)
    assert somanet("analyze", f"movies/d2/{name}.tif", *arguments, cwd=lab) is None


@pytest.mark.parametrize("options", [(), ("--replace",)])
def test_nothing_deletes_what_a_person_corrected(lab: Path, options: tuple[str, ...]) -> None:
    """Neither a batch nor an analysis of the movie alone; the cohort counts the corrected tracks."""
    correct(lab)
    before = state(lab / "study" / "b")
    assert analyze(lab, "movies", options=options) is None
    assert state(lab / "study" / "b") == before
    movies = pd.read_csv(lab / "study" / "movies.csv").set_index("movie")
    assert movies["corrected"].to_dict() == {"a": 0, "b": 1, "c": 0}
    message = somanet(
        "analyze", "movies/d2/b.tif", "--output", "study/b", "--model", "model", *QUICK, *options, cwd=lab
    )
    assert message is not None
    assert "corrected" in message
    assert state(lab / "study" / "b") == before
    assert somanet("cohort", "study", cwd=lab) is None
    assert pd.read_csv(lab / "study" / "movies.csv").equals(movies.reset_index())


def test_a_further_correction_keeps_the_one_before(lab: Path) -> None:
    correct(lab)
    first = (lab / "study" / "b" / "tracks.csv").read_bytes()
    correct(lab, shift=1.0)
    assert (lab / "study" / "b" / "tracks.before.csv").read_bytes() == first
    assert (lab / "study" / "b" / "tracks.csv").read_bytes() != first
    correct(lab, shift=2.0)
    assert (lab / "study" / "b" / "tracks.before.csv").read_bytes() == first
    assert len(list((lab / "study" / "b").glob("tracks.before*.csv"))) == 2


def edit(lab: Path, name: str = "b") -> Path:
    """A person changes the table of tracks among the results, and nothing else."""
    path = lab / "study" / name / "tracks.csv"
    table = pd.read_csv(path)
    table.loc[(table["track_id"] == 2) & (table["frame"] > 6), "track_id"] = 3
    table.to_csv(path, index=False)
    return path


def test_tracks_edited_in_place_stay_and_the_command_that_is_named_takes_them(
    lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No automatic analysis replaces them; the movie is left out until the edit is put into effect, and then counts."""
    path = edit(lab)
    edited = path.read_bytes()
    command = "--tracks study/b/tracks.csv --output study/b --replace"
    alone = ("movies/d2/b.tif", "--output", "study/b", "--model", "model", "--replace", *QUICK)
    for message in (analyze(lab, "movies/d2", options=("--replace",)), somanet("analyze", *alone, cwd=lab)):
        assert message is not None
        assert path.read_bytes() == edited
    assert command in str(message)
    assert command in capsys.readouterr().out
    assert pd.read_csv(lab / "study" / "movies.csv")["movie"].tolist() == ["c"]
    assert somanet("analyze", "movies/d2/b.tif", *command.split(), *QUICK, cwd=lab) is None
    assert (path.parent / "tracks.before.csv").read_bytes() == edited
    assert set(pd.read_csv(path.parent / "migration.csv")["track_id"]) == {1, 2, 3}
    assert somanet("cohort", "study", cwd=lab) is None
    movies = pd.read_csv(lab / "study" / "movies.csv").set_index("movie")
    assert movies["corrected"].to_dict() == {"b": 1, "c": 0}


def test_one_movie_of_a_study_is_not_written_over_it(lab: Path) -> None:
    before = {path.name for path in (lab / "study").iterdir()}
    for options in ((), ("--replace",)):
        arguments = ("movies/d1/a.tif", "--output", "study", "--model", "model", *QUICK, *options)
        message = somanet("analyze", *arguments, cwd=lab)
        assert message is not None
        assert "--output study/a" in message
    assert {path.name for path in (lab / "study").iterdir()} == before


def test_the_same_movie_twice_is_refused_before_the_work(lab: Path) -> None:
    shutil.copy(lab / "movies" / "d2" / "b.tif", lab / "movies" / "d2" / "d.tif")
    message = analyze(lab, "movies")
    assert message is not None
    assert "b.tif and movies/d2/d.tif are the same movie under two names" in message
    assert not (lab / "study" / "a").exists()


def test_a_batch_adds_to_the_study_and_conditions_name_all_of_it(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The third movie is analysed with a table of groups: all three are in the cohort; then nothing is asked."""
    (lab / "c.csv").write_text("movie;Donor;Group\na;01;x\nb;1;y\n")
    asked = ("--conditions", "c.csv", "--reference", "x")
    message = analyze(lab, "movies/d1", options=asked)
    assert message is not None
    assert "no row for 'c'" in message
    (lab / "c.csv").write_text("movie;Donor;Group\na;01;x\nb;1;y\nc;2;y\n;;\n")
    assert analyze(lab, "movies/d1", options=asked) is None
    assert pd.read_csv(lab / "study" / "movies.csv", dtype=str)["donor"].tolist() == ["01", "1", "2"]
    assert "somanet trace study/comparison.csv" in capsys.readouterr().out
    assert somanet("cohort", "study", "--conditions", "c.csv", cwd=lab) is None
    said = capsys.readouterr().out
    assert "--reference x compares" in said
    assert "(not written by this run): comparison.csv, comparison.json\n" in said
    assert "somanet trace study/movies.csv" in said


def test_movies_of_one_name_are_told_apart_by_their_folders(lab: Path) -> None:
    save_movie(lab / "movies" / "d1" / "b.tif", frames_TYX(jump_at=9))
    (lab / "c.csv").write_text("movie,donor\nd1/a.tif,1\nd1/b.tif,1\nd2/b.tif,2\nc.tif,2\n")
    assert analyze(lab, "movies", options=("--conditions", "c.csv")) is None
    donors = pd.read_csv(lab / "study" / "movies.csv").set_index("movie")["donor"].to_dict()
    assert donors == {"a": 1, "d1_b": 1, "d2_b": 2, "c": 2}
