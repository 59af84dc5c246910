"""`somanet correct` and `analyze --corrections`: the same bytes again, what was not edited stays, nothing is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from somanet.analysis.base import open_base
from somanet.analysis.movie import Options, correct_movie
from somanet.analysis.stages.files import read_tracks_of
from somanet.core.hashing import sha256_file
from somanet.corrections import NAME, Edit, Mask, Recorder, making, read
from somanet.io.movies import open_movie
from tests.analysis.worlds import N_FRAMES, save_movie
from tests.cli.invoking import refusal, run
from tests.cli.test_analyze import QUICK
from tests.worlds import save_bright_network, somanet

MEASURES = ["area_um2", "mean_intensity", "confidence", "solidity"]


def edits_of(folder: Path) -> list[Edit]:
    """Cell 1 loses a column of pixels in frame 2, cell 2 is cut from frame 6 on, and frame 3 has a soma more."""
    tracks = read_tracks_of(folder)
    with open_movie(folder / "labels.tif") as labels:
        own = Mask.of_label(labels[2], 1)
        assert own is not None
        smaller = own.pixels().copy()
        smaller[:, 0] = False
        after = Mask.of_pixels(smaller, top=own.top, left=own.left)
        free = np.zeros(labels.shape_YX, bool)
        free[2:6, 3:8] = True
        assert not labels[3][free].any()
    new = Mask.of_pixels(free)
    assert new is not None
    return [making.paint(2, 1, own, after), making.cut(tracks, 2, 6, 3), making.new(tracks, 3, 4, new)]


def record(folder: Path, edits: list[Edit], path: Path | None = None) -> Path:
    path = path or folder / NAME
    with Recorder(path, open_base(folder).header) as recorder:
        for edit in edits:
            recorder.append(edit)
    return path


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A movie, its automatic results, corrections beside them, and corrected results."""
    folder = tmp_path_factory.mktemp("corrections")
    save_bright_network(folder / "model")
    save_movie(folder / "movie.ome.tif")
    save_movie(folder / "other.ome.tif")
    with (folder / "other.ome.tif").open("ab") as file:
        file.write(b"\0")
    assert somanet("analyze", "movie.ome.tif", "--output", "auto", "--model", "model", cwd=folder) is None
    record(folder / "auto", edits_of(folder / "auto"))
    assert somanet("correct", "auto", "--output", "corrected", cwd=folder) is None
    return folder


def files_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".somanet.jsonl"
    }


def test_what_was_not_edited_stays_and_what_was_is_measured_anew(lab: Path) -> None:
    before, after = (pd.read_csv(lab / name / "tracks.csv") for name in ("auto", "corrected"))
    keys = ["frame", "y_px", "x_px", "label", *MEASURES]
    kept = after[after["edited"] == 0].merge(before, on=keys, suffixes=("", "_before"))
    assert len(kept) == len(before) - 1 == 2 * N_FRAMES - 1  # all but the painted one, with every measure
    assert (
        kept.loc[kept["track_id_before"] == 2, "track_id"]
        == np.where(kept.query("track_id_before == 2")["frame"] < 6, 2, 3)
    ).all()
    painted, added = after[after["edited"] == 1].to_dict("records")
    assert (painted["track_id"], painted["frame"], painted["area_um2"]) == (1, 2, 4 * 11 * 10)
    assert painted["mean_intensity"] == pytest.approx(3000)
    assert (added["track_id"], added["frame"], added["area_um2"]) == (4, 3, 4 * 4 * 5)
    assert np.isnan(painted["confidence"])
    frame = tifffile.imread(lab / "movie.ome.tif")[3]
    assert added["mean_intensity"] == pytest.approx(frame[2:6, 3:8].mean(), rel=1e-6)


def test_labels_are_those_of_the_table(lab: Path) -> None:
    tracks = pd.read_csv(lab / "corrected" / "tracks.csv")
    with open_movie(lab / "corrected" / "labels.tif") as labels:
        for t in range(N_FRAMES):
            rows = tracks[tracks["frame"] == t]
            ids, areas = np.unique(labels[t][labels[t] > 0], return_counts=True)
            assert dict(zip(ids.tolist(), (4 * areas).tolist(), strict=True)) == dict(
                zip(rows["track_id"], rows["area_um2"], strict=True)
            )


def test_manifest_report_methods_and_lineage_say_what_was_corrected(lab: Path) -> None:
    corrected = lab / "corrected"
    manifest, automatic = (json.loads((lab / name / "manifest.json").read_text()) for name in ("corrected", "auto"))
    found = manifest["corrections"]
    assert found["sha256"] == sha256_file(lab / "auto" / NAME)
    assert found["applied"] == {"new": 1, "erase": 1, "cut": 1}
    assert found["made_on_these_results"] is True
    assert {name: manifest[name] for name in ("model", "parameters", "input", "drift")} == {
        name: automatic[name] for name in ("model", "parameters", "input", "drift")
    }
    summary, before = (json.loads((lab / name / "summary.json").read_text()) for name in ("corrected", "auto"))
    assert summary["before_corrections"]["numbers"] == before["numbers"]
    assert summary["before_corrections"]["n_tracks"] == 2
    page = (corrected / "report.html").read_text(encoding="utf-8")
    assert "What the corrections changed" in page
    assert "A person corrected these results by 3 edits" in page
    assert sha256_file(lab / "auto" / NAME) in (corrected / "methods.md").read_text(encoding="utf-8")
    lineage = run("trace", corrected / "summary.json")
    assert "corrections.jsonl" in lineage
    assert sha256_file(lab / "auto" / NAME)[:8] in lineage


def test_the_same_bytes_again_by_either_command(lab: Path, tmp_path: Path) -> None:
    first = files_of(lab / "corrected")
    assert somanet("correct", lab / "auto", "--output", tmp_path / "again", cwd=lab) is None
    assert files_of(tmp_path / "again") == first
    # Corrected results are corrected from their automatic ones.
    assert somanet("correct", lab / "corrected", "--output", tmp_path / "twice", cwd=lab) is None
    assert files_of(tmp_path / "twice") == first
    corrections = ("--corrections", lab / "auto" / NAME)
    arguments = ("--output", tmp_path / "whole", "--model", "model", *corrections)
    assert somanet("analyze", "movie.ome.tif", *arguments, cwd=lab) is None
    whole = files_of(tmp_path / "whole")
    assert {name: whole[name] for name in whole if name != "manifest.json"} == {
        name: first[name] for name in first if name != "manifest.json"
    }
    manifests = [
        json.loads((folder / "manifest.json").read_text()) for folder in (lab / "corrected", tmp_path / "whole")
    ]
    assert {**manifests[0], "request": ""} == {**manifests[1], "request": ""}


def test_an_edit_that_no_longer_fits_is_listed(lab: Path, tmp_path: Path) -> None:
    shutil.copytree(lab / "auto", tmp_path / "auto")
    (tmp_path / "auto" / NAME).unlink()
    edits = edits_of(tmp_path / "auto")
    contradiction = making.delete(2, 1, edits[0].before[0])  # type: ignore[arg-type]
    record(tmp_path / "auto", [*edits, contradiction])
    out = tmp_path / "out"
    assert (
        somanet("correct", tmp_path / "auto", "--movie", lab / "movie.ome.tif", "--output", out, *QUICK, cwd=lab)
        is None
    )
    table = pd.read_csv(out / "corrections.csv")
    assert table["status"].tolist() == ["applied"] * 3 + ["does not fit"]
    assert "another edit contradicts it" in table["reason"].iat[3]
    notes = json.loads((out / "manifest.json").read_text())["notes"]
    assert any("1 edit does not fit" in note and "edit 4 (delete)" in note for note in notes)


@pytest.mark.parametrize("change", ["ctc", "tif", "csv", "trackmate"])
def test_what_another_program_changed_comes_back_as_edits(lab: Path, tmp_path: Path, change: str) -> None:
    """From frame 8 on, the two cells are exchanged; in labels one pixel row of a soma is erased as well."""
    auto = tmp_path / "auto"
    shutil.copytree(lab / "auto", auto)
    (auto / NAME).unlink()
    tracks = pd.read_csv(auto / "tracks.csv")
    late = tracks["frame"] >= 8
    exchanged = tracks.assign(track_id=np.where(late, 3 - tracks["track_id"], tracks["track_id"]))
    file = tmp_path / {"ctc": "ctc", "tif": "labels.tif", "csv": "c.csv", "trackmate": "c.xml"}[change]
    with open_movie(auto / "labels.tif") as labels:
        frames = np.stack(list(labels))
    frames[8:] = np.where(frames[8:] > 0, 3 - frames[8:], 0)
    rows = np.flatnonzero((frames[4] == 1).any(axis=1))
    frames[4, rows[0]][frames[4, rows[0]] == 1] = 0
    if change == "csv":
        exchanged.to_csv(file, index=False)
    elif change == "trackmate":
        exchanged.to_csv(tmp_path / "e.csv", index=False)
        assert somanet("tracks", "convert", tmp_path / "e.csv", file, cwd=lab) is None
    elif change == "tif":
        tifffile.imwrite(file, frames.astype(np.uint8), metadata={"axes": "TYX"}, imagej=True)
    else:
        assert somanet("tracks", "convert", auto / "tracks.csv", file, "--labels", auto / "labels.tif", cwd=lab) is None
        for t, frame in enumerate(frames):
            tifffile.imwrite(file / f"mask{t:03d}.tif", frame.astype(np.uint16))
    out = tmp_path / "out"
    arguments = ("--from", file, "--movie", lab / "movie.ome.tif", "--output", out, *QUICK)
    assert somanet("correct", auto, *arguments, cwd=lab) is None
    found = pd.read_csv(out / "tracks.csv")
    masks = change in ("tif", "ctc")
    assert found["edited"].sum() == masks
    assert found.loc[found["edited"] == 0, MEASURES].notna().all().all()  # areas, intensities, confidence stay
    merged = found[found["edited"] == 0].merge(exchanged, on=["frame", "y_px", "x_px"], suffixes=("", "_theirs"))
    assert len(merged) == len(tracks) - masks
    assert (merged.groupby("track_id")["track_id_theirs"].nunique() == 1).all()
    assert found["track_id"].nunique() == 2
    if masks:
        with open_movie(out / "labels.tif") as labels:
            np.testing.assert_array_equal(np.stack(list(labels)) > 0, frames > 0)
    made = read(out / NAME)
    assert (
        somanet(
            "correct",
            auto,
            out / NAME,
            "--movie",
            lab / "movie.ome.tif",
            "--output",
            tmp_path / "again",
            *QUICK,
            cwd=lab,
        )
        is None
    )
    assert files_of(tmp_path / "again") == files_of(out)
    assert {edit.kind for edit in made.edits} == {"swap", *(["erase"] if masks else [])}


def test_a_copy_that_was_cut_short_loses_its_last_line_and_says_so(lab: Path, tmp_path: Path) -> None:
    whole = (lab / "auto" / NAME).read_bytes()
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(whole[:-40])
    assert somanet("correct", "auto", cut, "--output", tmp_path / "out", *QUICK, cwd=lab) is None
    notes = json.loads((tmp_path / "out" / "manifest.json").read_text())["notes"]
    assert sum("last line of cut.jsonl is incomplete" in note for note in notes) == 1
    assert len(pd.read_csv(tmp_path / "out" / "corrections.csv")) == 2
    assert cut.read_bytes() == whole[:-40]
    assert not any(
        "incomplete" in note for note in json.loads((lab / "corrected" / "manifest.json").read_text())["notes"]
    )


def test_no_command_replaces_or_removes_corrections(lab: Path, tmp_path: Path) -> None:
    """Every command that writes into a folder of results, with --replace."""
    movie, model = lab / "movie.ome.tif", lab / "model"
    shutil.copytree(lab / "auto", tmp_path / "r")
    before = (tmp_path / "r" / NAME).read_bytes()
    tracks = tmp_path / "tracks.csv"
    shutil.copyfile(lab / "auto" / "tracks.csv", tracks)
    r, analyze = tmp_path / "r", ("analyze", movie, "--model", model, *QUICK)
    for command in (
        (*analyze, "--output", r),
        (*analyze, "--output", r, "--corrections", r / NAME),
        (*analyze, "--output", r),  # refused: a person corrected them
        ("correct", lab / "auto", "--output", r, *QUICK),
        ("analyze", movie, "--tracks", tracks, "--output", r, *QUICK),
        ("tracks", "measure", tracks, "--output", r),
        ("predict", movie, "--model", model, "--output", r),
        ("cohort", tmp_path),
        ("tracks", "convert", tracks, r / NAME, "--to", "csv"),
        ("export", model, "--output", r),
    ):
        told = somanet(*command, "--replace", cwd=lab)
        kept = [path for path in r.glob("corrections*.jsonl") if path.read_bytes() == before]
        assert kept, (command, told)
        if kept != [r / NAME]:  # only what is told to write that very file may move it
            assert r / NAME in command
            kept[0].rename(r / NAME)


def test_numbers_that_do_not_show_recorded_corrections_say_so(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new analysis beside a person's corrections, and a cohort of it; corrected results have no such note."""
    words = "has corrections that these numbers do not show"
    shutil.copytree(lab / "auto", tmp_path / "study" / "movie")
    again = ("analyze", lab / "movie.ome.tif", "--model", lab / "model", *QUICK)
    assert somanet(*again, "--output", tmp_path / "study" / "movie", "--replace", cwd=lab) is None
    assert words in capsys.readouterr().err
    assert somanet("cohort", tmp_path / "study", cwd=lab) is None
    assert words in capsys.readouterr().err

    assert somanet("correct", lab / "auto", "--output", tmp_path / "corrected" / "movie", *QUICK, cwd=lab) is None
    assert somanet("cohort", tmp_path / "corrected", cwd=lab) is None
    assert words not in capsys.readouterr().err


def test_corrections_that_only_the_results_have_outlive_new_results(lab: Path, tmp_path: Path) -> None:
    """The file beside the results was moved away; then tracks of another origin replace them."""
    tracks, folder = tmp_path / "tracks.csv", tmp_path / "corrected"
    shutil.copyfile(lab / "auto" / "tracks.csv", tracks)
    shutil.copytree(lab / "corrected", folder)
    (folder / NAME).unlink()
    command = ("analyze", lab / "movie.ome.tif", "--tracks", tracks, *QUICK)
    assert somanet(*command, "--output", folder, cwd=lab) is None
    assert (folder / "corrections.before.jsonl").read_bytes() == (lab / "auto" / NAME).read_bytes()
    assert not (folder / "automatic").exists()


def test_a_folder_that_cannot_be_swapped_gets_corrected_results_too(lab: Path, tmp_path: Path) -> None:
    """The current folder receives them file by file."""
    shutil.copytree(lab / "auto", tmp_path / "here")
    movie = lab / "movie.ome.tif"
    for _ in range(2):
        arguments = (lab / "auto", "--movie", movie, "--output", ".", *QUICK)
        assert somanet("correct", *arguments, cwd=tmp_path / "here") is None
        assert (tmp_path / "here" / NAME).read_bytes() == (lab / "auto" / NAME).read_bytes()
        assert sha256_file(tmp_path / "here" / "tracks.csv") == sha256_file(lab / "corrected" / "tracks.csv")


def test_what_is_wrong_is_one_line_and_nothing_is_written(lab: Path, tmp_path: Path) -> None:
    recorded = lab / "auto" / NAME
    before = files_of(lab)
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(recorded.read_bytes() + b"{broken\n")
    old = tmp_path / "old.jsonl"
    old.write_bytes(recorded.read_bytes().replace(b'"somanet_corrections":1', b'"somanet_corrections":7', 1))
    other = tmp_path / "other.jsonl"
    other.write_bytes(recorded.read_bytes().replace(sha256_file(lab / "movie.ome.tif").encode(), b"e" * 64, 1))
    out = tmp_path / "out"
    for words, command in {
        "line 5": ("correct", "auto", bad),
        "version '7'": ("correct", "auto", old),
        "corrections of the movie 'movie'": ("correct", "auto", other),
        "expected results of a movie": ("correct", "model", recorded),
        "is not the movie of": ("correct", "auto", "--movie", "other.ome.tif"),
        "does not exist": ("correct", "auto", "--movie", "none.tif"),
        "missing": ("correct", "auto", tmp_path / "none.jsonl"),
        "nothing was corrected in it": ("correct", "auto2", "--from", "auto/tracks.csv"),
        "do not show": ("correct", "auto", "--from", "auto/labels.tif"),
        "Unknown export format": ("correct", "auto", "--export", "xls"),
        "and this one has": ("analyze", "other.ome.tif", "--model", "model", "--corrections", recorded),
    }.items():
        if "auto2" in command:
            shutil.copytree(lab / "auto", tmp_path / "auto2")
            (tmp_path / "auto2" / NAME).unlink()
            command = (command[0], tmp_path / "auto2", *command[2:], "--movie", lab / "movie.ome.tif")
        told = somanet(*command, "--output", out, cwd=lab)
        assert told is not None, command
        if words != "missing":
            assert words in told
        assert "\n" not in told
        assert not out.exists()
    assert files_of(lab) == before


def test_results_are_corrected_in_place_while_recording_goes_on(lab: Path, tmp_path: Path) -> None:
    folder, quick = tmp_path / "r", Options(report=False, overlay=False)
    shutil.copytree(lab / "auto", folder)
    header = open_base(folder).header
    arguments: dict[str, Any] = {"corrections_file": folder / NAME, "movie": lab / "movie.ome.tif", "options": quick}
    with Recorder(folder / NAME, header) as recorder:
        correct_movie(folder, folder, **arguments)
        assert (folder / "tracks.csv").read_bytes() == (lab / "corrected" / "tracks.csv").read_bytes()
        assert open_base(folder).header == header
        recorder.append(making.delete_track(read_tracks_of(folder), 3))
        correct_movie(folder, folder, **arguments)
    assert len(read(folder / NAME).edits) == 4
    assert set(pd.read_csv(folder / "tracks.csv")["track_id"]) == {1, 2, 4}
    assert (folder / "automatic" / "tracks.csv").read_bytes() == (lab / "auto" / "tracks.csv").read_bytes()
    assert sorted(path.name for path in folder.glob("corrections*")) == ["corrections.csv", NAME]


def test_positions_without_outline_are_no_outlines_measured_anew_and_no_format_of_masks_takes_them(
    lab: Path, tmp_path: Path
) -> None:
    shutil.copytree(lab / "auto", auto := tmp_path / "auto")
    (auto / NAME).unlink()
    table = pd.read_csv(auto / "tracks.csv")[["track_id", "frame", "y_px", "x_px"]]
    added = pd.DataFrame({"track_id": [9, 9], "frame": [2, 3], "y_px": [8.0, 8.5], "x_px": [5.0, 5.0]})
    pd.concat([table, added]).to_csv(more := tmp_path / "more.csv", index=False)
    options = ("--movie", lab / "movie.ome.tif", *QUICK)
    run("correct", auto, "--from", more, "--output", tmp_path / "added", *options)
    found = json.loads((tmp_path / "added/manifest.json").read_text())["corrections"]
    assert (found["applied"], found["n_edited_masks"]) == ({"place": 2}, 0)
    assert "0 edited outlines" in (tmp_path / "added/methods.md").read_text()
    bare = pd.read_csv(tmp_path / "added/tracks.csv").query("edited == 1")
    assert len(bare) == 2
    assert bare[[*MEASURES, "max_intensity", "sum_intensity", "top_px"]].isna().all().all()
    line = refusal("correct", auto, "--from", more, "--output", tmp_path / "ctc", *options, "--export", "ctc")
    assert f"2 of {len(table) + 2} positions have none, such as track 3 in frame 2" in line
    far = pd.DataFrame({"track_id": [9], "frame": [N_FRAMES], "y_px": [8.0], "x_px": [5.0]})
    pd.concat([table, far]).to_csv(more, index=False)
    line = refusal("correct", auto, "--from", more, "--output", tmp_path / "far", *options)
    assert f"track 9 is at frame {N_FRAMES}" in line
    assert not (tmp_path / "ctc").exists()
    assert not (tmp_path / "far").exists()


def test_an_undo_that_is_undone_is_listed_as_undone(lab: Path, tmp_path: Path) -> None:
    shutil.copyfile(lab / "auto" / NAME, tmp_path / NAME)
    with Recorder(tmp_path / NAME, open_base(lab / "auto").header) as recorder:
        first = recorder.append(making.undo(read(tmp_path / NAME).edits[0]))
        recorder.append(making.undo(first))
    recorded, options = tmp_path / NAME, Options(report=False, overlay=False)
    correct_movie(lab / "auto", tmp_path / "out", corrections_file=recorded, options=options)
    assert pd.read_csv(tmp_path / "out/corrections.csv")["status"].tolist() == ["applied"] * 3 + ["undone", "applied"]


def test_an_export_that_results_do_not_have_is_refused_before_anything_is_computed(lab: Path) -> None:
    line = refusal("correct", lab / "auto", "--output", lab / "labels", "--export", "labels")
    assert "Unknown export format 'labels'" in line
    assert not (lab / "labels").exists()
