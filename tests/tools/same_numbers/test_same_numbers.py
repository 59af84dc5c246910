"""Two recordings: what counts as a difference, its message, and what recording runs and keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from safetensors.numpy import save_file
from typer.testing import CliRunner

from tools.same_numbers.__main__ import app
from tools.same_numbers.recording import FILES, NUMBERS, RecordingRun, write_numbers
from tools.same_numbers.values import describe, read_parts
from tools.same_numbers.workload import merged, new_variants, stages

ROOT = Path(__file__).resolve().parents[3]
CELLS, DETAILS = "movies/real/cells.csv", "movies/real/details.csv"
WEIGHTS, LABELS, SCORES = "networks/paper/model.safetensors", "labels/image.tif", "scores/real.json"


def write_world(folder: Path) -> Path:
    """A table of three cells, a network of two tensors, a label image of 3 × 4 pixels, and scores."""
    files = folder / FILES
    for name in (CELLS, WEIGHTS, LABELS, SCORES):
        (files / name).parent.mkdir(parents=True, exist_ok=True)
    (files / CELLS).write_text("track_id,length_um,turn,censored\n1,2.5,0.5,\n2,4,,end\n3,1,0.25,\n")
    save_file({"bias": np.array([1.0, 2.0], np.float32), "weight": np.zeros((2, 3), np.float32)}, files / WEIGHTS)
    tifffile.imwrite(files / LABELS, np.eye(3, 4, dtype=np.uint16))
    scores = {"iou": 0.5, "bias": None, "interval95": [0.25, 0.75], "truth": {"name": "val"}, "train_seconds": 3.0}
    (files / SCORES).write_text(json.dumps(scores))
    write_numbers(folder)
    return folder


Change = Callable[[Path], object]
Compare = Callable[..., tuple[int, list[str]]]


def replace(name: str, old: str, new: str) -> Change:
    def change(files: Path) -> None:
        text = (files / name).read_text()
        assert old in text
        (files / name).write_text(text.replace(old, new))

    return change


def drop_column(files: Path) -> None:
    (files / CELLS).write_text("track_id,length_um,censored\n1,2.5,\n2,4,end\n3,1,\n")


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    """Compare the world with one in which something was changed: the exit status, and the lines before the last."""

    def compare(*changes: Change, options: tuple[str, ...] = ()) -> tuple[int, list[str]]:
        before, after = write_world(tmp_path / "before"), write_world(tmp_path / "after")
        for change in changes:
            change(after / FILES)
        write_numbers(after)
        done = CliRunner().invoke(app, ["compare", str(before), str(after), *options])
        *lines, last = done.output.splitlines()
        assert last.startswith((f"{sum(not line.startswith('note') for line in lines)} differences", "error"))
        return done.exit_code, lines if not last.startswith("error") else [last]

    return compare


# What differs


def test_equal_recordings_pass(compare: Compare) -> None:
    assert compare() == (0, [])


def test_a_changed_cell_is_named_with_its_column_row_and_size(compare: Compare) -> None:
    """4 µm became 7 µm and 1 µm became 1.5 µm: two of three differ, the larger change stands in row 1."""
    changes = (replace(CELLS, "2,4,", "2,7,"), replace(CELLS, "3,1,", "3,1.5,"))
    assert compare(*changes) == (1, [f"{CELLS}:length_um: 2 of 3 differ, most at row 1: 4 → 7"])


def test_a_number_that_became_unknown_is_the_largest_change(compare: Compare) -> None:
    changes = (replace(CELLS, "1,2.5,", "1,1000,"), replace(CELLS, "3,1,", "3,,"))
    assert compare(*changes) == (1, [f"{CELLS}:length_um: 2 of 3 differ, most at row 2: 1 → nan"])


def test_a_changed_text_is_shown(compare: Compare) -> None:
    found = compare(replace(CELLS, "end", "start"))
    assert found == (1, [f"{CELLS}:censored: 1 of 3 differ, most at row 1: 'end' → 'start'"])


def test_a_further_row_changes_the_size_of_every_column(compare: Compare) -> None:
    status, lines = compare(replace(CELLS, "3,1,0.25,\n", "3,1,0.25,\n4,1,1,\n"))
    assert (status, len(lines)) == (1, 4)
    assert lines[0] == f"{CELLS}:track_id: 3 values → 4 values"


def test_a_column_of_numbers_that_became_text_is_named(compare: Compare) -> None:
    assert compare(replace(CELLS, "2.5", "much")) == (1, [f"{CELLS}:length_um: float64 → text"])


def test_a_missing_column_is_named(compare: Compare) -> None:
    assert compare(drop_column) == (1, [f"{CELLS}:turn: missing"])


def test_a_column_that_moved_to_another_table_is_found_there(compare: Compare) -> None:
    def details(turn: str) -> Change:
        return lambda files: (files / DETAILS).write_text(f"track_id,turn\n1,0.5\n2,\n3,{turn}\n")

    moved = [f"{CELLS}:turn: missing; the same numbers are now in {DETAILS}", f"{DETAILS}: an extra file"]
    assert compare(drop_column, details("0.25")) == (1, moved)
    other = [f"{CELLS}:turn: missing", f"{DETAILS}: an extra file"]
    assert compare(drop_column, details("0.26")) == (1, other)


def test_a_renamed_column_is_recognised_by_its_values(compare: Compare) -> None:
    lines = [
        f"{CELLS}:turn: missing; the same numbers are now in {CELLS}:turn_cosine",
        f"{CELLS}:turn_cosine: extra",
    ]
    assert compare(replace(CELLS, "turn", "turn_cosine")) == (1, lines)


def test_columns_in_another_order_are_the_same_numbers_in_other_bytes(compare: Compare) -> None:
    def reorder(files: Path) -> None:
        (files / CELLS).write_text("length_um,track_id,turn,censored\n2.5,1,0.5,\n4,2,,end\n1,3,0.25,\n")

    assert compare(reorder) == (1, [f"{CELLS}: the same numbers in other bytes: order, format or metadata"])


def test_a_changed_weight_is_named_with_its_tensor(compare: Compare) -> None:
    def change(files: Path) -> None:
        weight = np.zeros((2, 3), np.float32)
        weight[1, 2] = 0.5
        save_file({"bias": np.array([1.0, 2.25], np.float32), "weight": weight}, files / WEIGHTS)

    most = "weight: 1 of 6 differ, most at place 1, 2: 0 → 0.5"
    assert compare(change) == (1, [f"{WEIGHTS}: 2 of 2 parts differ, most of all {most}"])


def test_a_changed_pixel_is_named_with_its_place(compare: Compare) -> None:
    def change(files: Path) -> None:
        labels = np.eye(3, 4, dtype=np.uint16)
        labels[0, 3] = 9
        tifffile.imwrite(files / LABELS, labels)

    assert compare(change) == (1, [f"{LABELS}:pixels: 1 of 12 differ, most at place 0, 3: 0 → 9"])


def test_extra_missing_and_renamed_files_are_named(compare: Compare) -> None:
    def rename(files: Path) -> None:
        (files / LABELS).rename(files / "labels/renamed.tif")

    lines = [
        f"{LABELS}: missing; the same numbers are now in labels/renamed.tif",
        "labels/renamed.tif: an extra file",
    ]
    assert compare(rename) == (1, lines)
    assert compare(lambda files: (files / SCORES).unlink())[1][-1] == f"{SCORES}: missing"


def test_of_json_numbers_count_and_neither_words_nor_times(compare: Compare) -> None:
    changes = (replace(SCORES, '"val"', '"validation"'), replace(SCORES, "3.0", "4.0"))
    assert compare(*changes) == (0, [])
    assert compare(replace(SCORES, "0.5,", "0.625,"))[1] == [f"{SCORES}:iou: 0.5 → 0.625"]
    assert compare(replace(SCORES, "null", "0"))[1] == [f"{SCORES}:bias: nan → 0"]
    assert compare(replace(SCORES, "0.75", "0.8"))[1] == [
        f"{SCORES}:interval95: 1 of 2 differ, most at row 1: 0.75 → 0.8"
    ]


def test_a_difference_in_the_last_digits_shows_them(compare: Compare) -> None:
    """1 − 1e-12 and 1 − 2e-12 agree in nine digits."""
    before, after = "0.25, 0.999999999999", "0.25, 0.999999999998"
    assert compare(replace(SCORES, "0.25, 0.75", before))[1][0].endswith("most at row 1: 0.75 → 1")
    values = [np.array(json.loads(f"[{text}]")) for text in (before, after)]
    assert describe(*values) == "1 of 2 differ, most at row 1: 0.999999999999 → 0.999999999998"


def test_hashes_alone_tell_what_differs_but_not_by_how_much(tmp_path: Path) -> None:
    before, after = write_world(tmp_path / "before"), write_world(tmp_path / "after")
    replace(CELLS, "2,4,", "2,7,")(after / FILES)
    write_numbers(after)
    (before / FILES / CELLS).unlink()
    done = CliRunner().invoke(app, ["compare", str(before), str(after)])
    assert done.exit_code == 1
    assert f"{CELLS}:length_um: differs; by how much is unknown" in done.output


# What is meant


def test_a_difference_that_is_meant_passes_with_its_reason(compare: Compare) -> None:
    options = ("--except", "movies/*/cells.csv:turn", "--because", "an internal")
    assert compare(drop_column, options=options) == (0, [f"{CELLS}:turn: missing (meant: an internal)"])


def test_an_exception_covers_no_other_column_and_a_file_all_of_its_own(compare: Compare) -> None:
    changes = (drop_column, replace(CELLS, "2,4,", "2,7,"))
    status, lines = compare(*changes, options=("--except", "*:turn", "--because", "an internal"))
    assert (status, [("meant" in line) for line in lines]) == (1, [True, False])
    status, lines = compare(*changes, options=("--except", CELLS, "--because", "all new"))
    assert (status, len(lines)) == (0, 2)


def test_an_exception_without_a_reason_is_refused(compare: Compare) -> None:
    status, [line] = compare(options=("--except", "*"))
    assert (status, line) == (1, "error: found 1 --except and 0 --because: give a reason for each exception.")


def test_an_exception_that_nothing_needs_is_noted(compare: Compare) -> None:
    status, lines = compare(options=("--except", "nowhere.csv", "--because", "once"))
    assert (status, lines) == (0, ["note: no difference matches --except 'nowhere.csv'; leave it out"])


def test_no_recording_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["compare", str(tmp_path), str(tmp_path)])
    assert (done.exit_code, len(done.output.splitlines())) == (1, 1)
    assert NUMBERS in done.output


# What is recorded


def recording(tmp_path: Path, *, checkout: Path = ROOT, data: Path | None = None) -> RecordingRun:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return RecordingRun(checkout, scratch, data)


def test_results_are_kept_and_neither_manifests_nor_the_store(tmp_path: Path) -> None:
    running = recording(tmp_path)
    results = {"a/tracks.csv", "a/summary.json", "m/model.safetensors"}
    others = {"a/manifest.json", "m/config.json", "r/runs/seed0.json", "mlruns/x/a.csv", ".dvc/b.csv", "a/report.html"}
    for name in results | others:
        path = running.scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    running.keep(tmp_path / "kept")
    assert {path.relative_to(tmp_path / "kept").as_posix() for path in (tmp_path / "kept").rglob("*.*")} == results


def test_the_code_that_runs_is_the_checkouts(tmp_path: Path) -> None:
    """A folder without the package would run whichever is installed."""
    recording(tmp_path).check_code()
    with pytest.raises(SystemExit, match=r"expected the code of|No module named"):
        RecordingRun(tmp_path, tmp_path / "scratch", None).check_code()


def test_a_command_that_fails_ends_the_recording_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"(?s)this command failed.*-c.*ends badly"):
        recording(tmp_path).python("-c", "import sys; sys.exit('ends badly')")


def test_commands_write_into_no_store_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////elsewhere/mlflow.db")
    monkeypatch.setenv("DVC_ROOT", "/elsewhere")
    told = recording(tmp_path).python("-c", "import os; print(*os.environ)").split()
    assert "PYTHONPATH" in told
    assert not {"MLFLOW_TRACKING_URI", "DVC_ROOT"} & set(told)


def test_absent_data_are_noted(tmp_path: Path) -> None:
    running = recording(tmp_path, data=tmp_path)
    (tmp_path / "there").touch()
    assert running.real("there") == tmp_path / "there"
    assert running.real("soma/val") is None
    assert running.left_out == [f"soma/val is not in {tmp_path}"]


def test_a_variant_runs_if_a_key_or_a_word_of_its_settings_is_new() -> None:
    """Other numbers go the same way through the code; `start` names a network, which says nothing of the way."""
    paper = {"start": "paper", "training": {"rate": 0.1, "blocks": 3}}
    params = {
        "pretrain": {"lite": {"training": {"rate": 0.1, "loss": "dice"}}},
        "finetune": {
            "first": paper,
            "other_numbers": {**paper, "training": {"rate": 0.2, "blocks": 5}},
            "other_start": {**paper, "start": "lite"},
            "other_word": {**paper, "training": {"rate": 0.1, "blocks": "all"}},
            "same_word": {**paper, "training": {"rate": 0.2, "blocks": "all"}},
            "new_key": {**paper, "images": 1},
            "word_of_a_network": {**paper, "training": {"loss": "dice"}},
            "new_in_a_list": {**paper, "training": {"rate": [0.1, True]}},
        },
    }
    known: set[str] = set()
    chosen = new_variants(params, known)
    assert list(chosen) == ["first", "other_word", "new_key", "new_in_a_list"]
    assert set(chosen.values()) == {"paper"}
    assert new_variants(params, known) == {}


def test_stages_run_in_order_once_for_each_key_but_the_check() -> None:
    graph = {
        "names": {"cmd": "python -m pipelines.names"},
        "data": {"cmd": "python -m pipelines.data"},
        "report": {"cmd": "python -m pipelines.report"},
        "train": {"foreach": "${networks}", "do": {"cmd": "python -m pipelines.train ${key}"}},
    }
    assert list(stages(graph, {"networks": {"a": {}, "b": {}}})) == [
        ("data", ["-m", "pipelines.data"]),
        ("report", ["-m", "pipelines.report"]),
        ("train@a", ["-m", "pipelines.train", "a"]),
        ("train@b", ["-m", "pipelines.train", "b"]),
    ]


def test_merging_changes_what_is_named_and_nothing_else() -> None:
    values = {"a": {"b": 1, "c": {"d": 2}}, "e": None}
    assert merged(values, {"a": {"c": {"d": 3}}, "e": {"f": 4}}) == {"a": {"b": 1, "c": {"d": 3}}, "e": {"f": 4}}
    assert values == {"a": {"b": 1, "c": {"d": 2}}, "e": None}


def test_an_unknown_part_and_a_folder_that_is_in_use_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    done = CliRunner().invoke(app, ["record", str(tmp_path / "new"), "--part", "label"])
    assert (done.exit_code, done.output.strip()) == (
        1,
        "error: there is no part 'label' to record; use some of simulation, pipeline, trainings, labels, movies.",
    )
    assert CliRunner().invoke(app, ["record", str(tmp_path)]).exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_two_recordings_of_the_same_code_are_equal(tmp_path: Path) -> None:
    for name in ("one", "other"):
        done = CliRunner().invoke(
            app, ["record", str(tmp_path / name), "--checkout", str(ROOT), "--part", "simulation"]
        )
        assert done.exit_code == 0, done.output
    assert {"track_id", "y_um"} <= set(read_parts(tmp_path / "one" / FILES / "simulated/movie_truth_tracks.csv"))
    done = CliRunner().invoke(app, ["compare", str(tmp_path / "one"), str(tmp_path / "other")])
    assert done.exit_code == 0, done.output
