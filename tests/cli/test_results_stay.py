"""Results of another movie, of another command or of a person: refused in one line, or kept whole under a name."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from somanet.cli import app
from somanet.core.errors import SomaNetError
from somanet.corrections import NAME, Recorder, making, read
from tests.analysis.worlds import frames_TYX, save_movie
from tests.cli.invoking import refusal, run
from tests.cli.test_analyze import QUICK
from tests.cli.test_correct import files_of
from tests.worlds import save_bright_network, somanet


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two movies of one file name and their automatic results; tables of the first one's tracks, two times cut."""
    folder = tmp_path_factory.mktemp("stay")
    save_bright_network(folder / "model")
    for name, jump_at in (("one", 6), ("two", 7)):
        (folder / name).mkdir()
        save_movie(folder / name / "movie.ome.tif", frames_TYX(jump_at=jump_at))
        arguments = (f"{name}/movie.ome.tif", "--model", "model", "--output", f"auto_{name}", *QUICK)
        assert somanet("analyze", *arguments, cwd=folder) is None
    table = pd.read_csv(folder / "auto_one" / "tracks.csv")
    for name, frame in (("first", 9), ("second", 8)):
        table[table["frame"] < frame].to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture
def lab(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "lab"))
    return Path()


ONE = ("--movie", "one/movie.ome.tif", *QUICK)


def correct(table: str, output: str, *options: object) -> str:
    return run("correct", "auto_one", "--from", table, "--output", output, *ONE, *options)


def test_tracks_alone_do_not_replace_an_analysis(lab: Path) -> None:
    """With --replace all that was there stays together, a person's file included."""
    (lab / "auto_one" / "notes.txt").write_text("mine")
    before = files_of(lab)
    line = refusal("tracks", "measure", "first.csv", "--output", "auto_one")
    assert "auto_one holds the results of `somanet analyze` of movie.ome.tif" in line
    assert files_of(lab) == before
    said = run("tracks", "measure", "first.csv", "--output", "auto_one", "--replace")
    assert "Kept the previous folder as auto_one.before\n" in said
    kept = {name: sha for name, sha in before.items() if name.startswith("auto_one/")}
    assert {f"auto_one/{name}": sha for name, sha in files_of(lab / "auto_one.before").items()} == kept
    assert not (lab / "auto_one" / "labels.tif").exists()
    run("tracks", "measure", "second.csv", "--output", "auto_one")  # its own results, as ever
    assert not (lab / "auto_one.before-2").exists()


@pytest.mark.parametrize("how", ["correct", "tracks", "edited"])
def test_tracks_alone_never_replace_what_a_person_corrected(lab: Path, how: str) -> None:
    if how == "correct":
        correct("first.csv", "out")
    elif how == "tracks":
        table = pd.read_csv("first.csv")[["track_id", "frame", "y_px", "x_px"]]
        table.assign(y_px=table["y_px"] + 0.5).to_csv("moved.csv", index=False)
        run("analyze", "one/movie.ome.tif", "--tracks", "moved.csv", "--output", "out", *QUICK)
    else:
        shutil.copytree("auto_one", "out")
        shutil.copyfile("first.csv", "out/tracks.csv")
    before = files_of(lab)
    words = {"correct": "results that a person", "tracks": "tracks that a person", "edited": "was changed after the"}
    for options in ((), ("--replace",)):
        assert words[how] in refusal("tracks", "measure", "second.csv", "--output", "out", *options)
        assert files_of(lab) == before


@pytest.mark.parametrize("by", ["correct", "analyze"])
def test_a_further_correction_loses_nothing_of_the_one_before(lab: Path, by: str) -> None:
    """A record of edits of the automatic results replaces another one: record and tracks are kept."""
    correct("first.csv", "out")
    tracks, record = (lab / "out" / "tracks.csv").read_bytes(), (lab / "out" / NAME).read_bytes()
    if by == "correct":
        said = correct("second.csv", "out")
        assert "corrections.before.jsonl" in said
        assert (lab / "out" / "corrections.before.jsonl").read_bytes() == record
    else:
        said = run("analyze", "one/movie.ome.tif", "--tracks", "second.csv", "--output", "out", *QUICK)
    assert "tracks.before.csv" in said
    assert (lab / "out" / "tracks.before.csv").read_bytes() == tracks
    assert pd.read_csv("out/tracks.csv")["frame"].max() == 7
    beside = (lab / "out" / NAME).read_bytes()
    assert beside == (lab / "out" / "automatic" / NAME).read_bytes()
    assert any(path.read_bytes().startswith(record) for path in (lab / "out").glob("corrections*.jsonl"))
    run("correct", "out", "--output", "again", *ONE)
    assert pd.read_csv("again/tracks.csv")["frame"].max() == 7


@pytest.mark.parametrize("where", ["beside", "elsewhere", "in place"])
def test_a_record_that_only_grew_needs_no_copy_of_the_tracks(lab: Path, where: str) -> None:
    """Wherever it lies, and with the corrected folder as its own output. The edits that there were give the tracks."""
    correct("first.csv", "out")
    before = (lab / "out" / "tracks.csv").read_bytes()
    record = lab / "out" / NAME
    found = read(record)
    if where == "elsewhere":
        record = Path(shutil.copyfile(record, lab / "mine.jsonl"))
    with Recorder(record, found.header) as recorder:
        recorder.append(making.undo(found.edits[0]))
    given = ("out",) if where == "in place" else ("auto_one", record)
    said = run("correct", *given, "--output", "out", *ONE)
    assert "Kept" not in said
    assert not list((lab / "out").glob("*.before*"))
    assert len(read(lab / "out" / NAME).edits) == len(found.edits) + 1
    assert (lab / "out" / "tracks.csv").read_bytes() != before
    with Recorder(record, found.header) as recorder:
        recorder.append(making.undo(read(record).edits[-1]))
    run("correct", *given, "--output", "out", *ONE)
    assert (lab / "out" / "tracks.csv").read_bytes() == before


def test_the_same_table_taken_back_again_keeps_nothing_twice(lab: Path) -> None:
    """Only the times of its edits are others. The same edits by a person's hand are kept."""
    correct("first.csv", "out")
    assert "Kept" not in correct("first.csv", "out")
    found = read(lab / "out" / NAME)
    (lab / "out" / NAME).unlink()
    with Recorder(lab / "out" / NAME, found.header) as recorder:
        recorder.append(replace(found.edits[0], program="napari", time=""))
    assert f"Kept the previous file as out/{NAME.replace('.', '.before.')}\n" in correct("first.csv", "out")


def test_corrections_applied_to_other_automatic_results_keep_the_tracks_before(lab: Path) -> None:
    """Another network's somas are others, so that the record alone does not give the earlier tracks."""
    correct("first.csv", "out")
    before = (lab / "out" / "tracks.csv").read_bytes()
    arguments = ("--model", "model", "--rescale", "0.5", "--corrections", f"out/{NAME}", "--output", "out", *QUICK)
    assert "tracks.before.csv" in run("analyze", "one/movie.ome.tif", *arguments)
    assert (lab / "out" / "tracks.before.csv").read_bytes() == before


def test_automatic_results_can_be_corrected_where_they_are(lab: Path) -> None:
    """As by napari: the automatic tracks and labels stay in `automatic`, a person's files where they are."""
    (lab / "auto_one" / "notes.txt").write_text("mine")
    before = {name: (lab / "auto_one" / name).read_bytes() for name in ("tracks.csv", "labels.tif")}
    correct("first.csv", "apart")
    said = correct("first.csv", "auto_one")
    assert "Written: auto_one" in said
    assert {name: (lab / "auto_one" / "automatic" / name).read_bytes() for name in before} == before
    assert (lab / "auto_one" / "notes.txt").read_text() == "mine"
    for name in ("tracks.csv", "labels.tif", "migration.csv", "summary.json"):
        assert (lab / "auto_one" / name).read_bytes() == (lab / "apart" / name).read_bytes(), name


@pytest.mark.parametrize("whole", [True, False])
def test_tracks_of_another_program_after_a_correction_lose_nothing_of_the_network(
    lab: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    """Its automatic results and detections are kept, too, whether the folder is swapped or not."""
    correct("first.csv", "out")
    tracked = pd.read_csv("first.csv")[["track_id", "frame", "y_px", "x_px"]]
    tracked.assign(y_px=tracked["y_px"] + 0.5).to_csv("moved.csv", index=False)
    before = files_of(lab / "out")
    root = "" if whole else "../"
    if not whole:
        monkeypatch.chdir("out")
    output = "out" if whole else "."
    said = run("analyze", f"{root}one/movie.ome.tif", "--tracks", f"{root}moved.csv", "--output", output, *QUICK)
    after = files_of(Path(output))
    assert {sha256 for name, sha256 in before.items() if name.startswith("automatic/")} <= set(after.values())
    for name in ("labels.tif", "somas.csv", "tracks.csv"):
        assert after[name.replace(".", ".before.")] == before[name], name
        assert f"{name}," not in said.partition("Removed from")[2]


def test_a_folder_that_cannot_be_swapped_keeps_them_too(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder receives results file by file."""
    correct("first.csv", "out")
    record = (lab / "out" / NAME).read_bytes()
    monkeypatch.chdir("out")
    run("correct", "../auto_one", "--from", "../second.csv", "--output", ".", "--movie", "../one/movie.ome.tif", *QUICK)
    assert Path("corrections.before.jsonl").read_bytes() == record
    assert pd.read_csv("tracks.before.csv")["frame"].max() == 8
    assert pd.read_csv("tracks.csv")["frame"].max() == 7


def test_results_of_another_movie_are_refused_and_with_replace_kept_whole(lab: Path) -> None:
    before = files_of(lab)
    for command in (
        ("analyze", "two/movie.ome.tif", "--model", "model", "--output", "auto_one", *QUICK),
        ("analyze", "two/movie.ome.tif", "--tracks", "first.csv", "--output", "auto_one", *QUICK),
        ("correct", "auto_one", "--from", "first.csv", "--output", "auto_two", *ONE),
    ):
        line = refusal(*command)
        place = command[command.index("--output") + 1]
        assert f"{place} holds the results of another movie: of movie.ome.tif (SHA-256 " in line
        assert ("one" if command[0] == "correct" else "two") + "/movie.ome.tif (SHA-256 " in line
        assert f"keeps that folder as {place}.before." in line
        assert files_of(lab) == before
        assert f"{place}.before" in run(*command, "--replace")
        kept = {name: sha for name, sha in before.items() if name.startswith(f"{place}/")}
        assert {f"{place}/{name}": sha for name, sha in files_of(lab / f"{place}.before").items()} == kept
        shutil.rmtree(place)
        (lab / f"{place}.before").rename(place)


def test_corrected_results_of_another_movie_are_never_replaced(lab: Path) -> None:
    correct("first.csv", "out")
    table = pd.read_csv("auto_two/tracks.csv")
    table[table["frame"] < 9].to_csv("other.csv", index=False)
    before = files_of(lab)
    for options in ((), ("--replace",)):
        for command in (
            ("correct", "auto_two", "--from", "other.csv", "--movie", "two/movie.ome.tif"),
            ("analyze", "two/movie.ome.tif", "--tracks", "other.csv"),
        ):
            line = refusal(*command, "--output", "out", *QUICK, *options)
            assert "out holds results of another movie that a person corrected: those of movie.ome.tif" in line
            assert "two/movie.ome.tif" in line
            assert files_of(lab) == before


def batch(*options: object) -> tuple[str, str]:
    """What a batch prints, and its error, if there is one."""
    done = CliRunner().invoke(app, ["analyze", *BATCH, *map(str, options)])
    assert isinstance(done.exception, SomaNetError | None)
    return done.output, str(done.exception or "")


BATCH = ("one", "--model", "model", "--output", "study", *QUICK)


def test_a_batch_leaves_results_of_another_movie_of_the_name(lab: Path) -> None:
    """As of a microscope that counts anew each day. It costs only itself; results of the same movie are replaced."""
    save_movie(lab / "one" / "next.ome.tif", frames_TYX(jump_at=5))
    run("analyze", *BATCH)
    before = files_of(lab / "study" / "movie")
    save_movie(lab / "one" / "movie.ome.tif", frames_TYX(jump_at=4))
    said, error = batch("--set", "migrate.sigma_um=0.5")
    why = "study/movie holds the results of another movie: of movie.ome.tif (SHA-256 "
    assert why in said
    assert "1 of 2 movies could not be analysed" in error
    assert files_of(lab / "study" / "movie") == before
    parameters = json.loads((lab / "study" / "next" / "manifest.json").read_text(encoding="utf-8"))["parameters"]
    assert parameters["migrate"]["sigma_um"] == 0.5
    assert why.partition(" (SHA")[0] in refusal("analyze", "one/movie.ome.tif", *BATCH[1:3], "--output", "study/movie")
    assert "Kept the previous folder as study/movie.before\n" in batch("--replace")[0]
    assert files_of(lab / "study" / "movie.before") == before
    assert pd.read_csv("study/movies.csv")["movie"].tolist() == ["movie", "next"]


def test_a_batch_does_not_take_a_correction_of_another_movie_of_the_name_for_its_own(lab: Path) -> None:
    correct("first.csv", "study/movie")
    before = files_of(lab / "study" / "movie")
    assert "kept: a person corrected its results" in batch()[0]
    save_movie(lab / "one" / "movie.ome.tif", frames_TYX(jump_at=4))
    for options in ((), ("--replace",)):
        assert "study/movie holds results of another movie that a person corrected" in "".join(batch(*options))
        assert files_of(lab / "study" / "movie") == before


def test_an_export_that_is_no_longer_asked_for_is_gone_and_named(lab: Path) -> None:
    """Tracks of the run before beside new numbers would be wrong ones."""
    arguments = ("analyze", "one/movie.ome.tif", "--model", "model", "--output", "auto_one", *QUICK)
    run(*arguments, "--export", "csv", "--export", "geff")
    said = run(*arguments, "--export", "geff")
    assert "Removed from auto_one (not written by this run): tracks_csv.csv\n" in said
    assert not (lab / "auto_one" / "tracks_csv.csv").exists()
    assert "Removed" not in run(*arguments, "--export", "geff")
