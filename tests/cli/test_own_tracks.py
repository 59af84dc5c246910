"""`analyze --tracks` of tracks that SomaNet exported: it keeps outlines where the results are near, and says so."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.analysis import own_tracks
from somanet.corrections import NAME, read
from tests.analysis.worlds import save_movie
from tests.cli.test_analyze import QUICK
from tests.worlds import save_bright_network, somanet

COMPARED = ("tracks.csv", "migration.csv", "labels.tif")
SUFFIXES = {"trackmate": ".xml", "napari": ".csv", "csv": ".csv", "geff": ".geff"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    save_bright_network(folder / "model")
    save_movie(folder / "movie.ome.tif")
    assert somanet("analyze", "movie.ome.tif", "--output", "auto", "--model", "model", *QUICK, cwd=folder) is None
    return folder


@pytest.fixture
def lab(made: Path, tmp_path: Path) -> Path:
    """A movie and its results, in a folder of their own."""
    for name in ("movie.ome.tif", "auto"):
        (shutil.copytree if name == "auto" else shutil.copy)(made / name, tmp_path / name)
    return tmp_path


def corrected(lab: Path, kind: str = "csv", **changes: object) -> Path:
    """The tracks in a format, the second one cut in two before frame 7."""
    table = pd.read_csv(lab / "auto" / "tracks.csv")
    table.loc[(table["track_id"] == 2) & (table["frame"] > 6), "track_id"] = 3
    table.assign(**changes).to_csv(lab / "own.csv", index=False)
    if kind == "csv":
        return lab / "own.csv"
    path = lab / f"corrected{SUFFIXES[kind]}"
    assert somanet("tracks", "convert", lab / "own.csv", path, "--to", kind, cwd=lab) is None
    (lab / "own.csv").unlink()
    return path


def analyze(lab: Path, file: Path, *options: object, capsys: pytest.CaptureFixture[str]) -> str:
    """What it says on the side."""
    capsys.readouterr()
    assert somanet("analyze", "movie.ome.tif", "--tracks", file, "--output", "out", *QUICK, *options, cwd=lab) is None
    return capsys.readouterr().err


def kept_outlines(lab: Path) -> bool:
    manifest = json.loads((lab / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert ("corrections" in manifest) != ("tracks_from" in manifest)
    assert (lab / "out" / "labels.tif").exists() == ("corrections" in manifest)
    return "corrections" in manifest


@pytest.mark.parametrize("kind", SUFFIXES)
def test_they_become_edits_as_by_correct(lab: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = corrected(lab, kind)
    said = analyze(lab, file, capsys=capsys)
    command = rf"`somanet correct \S*auto --from {re.escape(str(file))} --output \S*auto_corrected`"
    assert re.search(rf"as by {command}: 1 edit \(tracks cut: 1\)", said)
    assert somanet("correct", "auto", "--from", file, "--output", "by_correct", *QUICK, cwd=lab) is None
    for name in COMPARED:
        assert (lab / "out" / name).read_bytes() == (lab / "by_correct" / name).read_bytes(), name
    assert [edit.kind for edit in read(lab / "out" / NAME).edits] == ["cut"]
    before, after = (pd.read_csv(lab / name / "tracks.csv") for name in ("auto", "out"))
    for column in ("area_um2", "mean_intensity", "confidence"):
        np.testing.assert_array_equal(np.sort(before[column]), np.sort(after[column]))
    assert kept_outlines(lab)


def test_a_second_round_goes_on_from_the_first(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The corrected results are those that most positions are of; their edits stay, and a new one is added."""
    analyze(lab, corrected(lab), capsys=capsys)
    table = pd.read_csv(lab / "out" / "tracks.csv")
    table[table["track_id"] != 1].to_csv(lab / "again.csv", index=False)
    shutil.rmtree(lab / "auto")
    said = analyze(lab, lab / "again.csv", capsys=capsys)
    assert "1 edit (tracks removed: 1)" in said
    assert [edit.kind for edit in read(lab / "out" / NAME).edits] == ["cut", "delete_track"]
    assert set(pd.read_csv(lab / "out" / "tracks.csv")["track_id"]) == {2, 3}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--pixel-size-um", "3"), "the scale is another one (3 µm/px, 20 min) than there (2 µm/px, 20 min)"),
        (("--axis-deg", "30"), "other settings of the measurement"),
        (("--channel", "0"), "another --channel"),
    ],
)  # fmt: skip
def test_other_questions_are_answered_without_outlines_and_it_is_said(
    lab: Path, options: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = analyze(lab, corrected(lab, "napari"), *options, capsys=capsys)
    assert why in said
    assert "somanet correct" in said
    assert len([line for line in said.splitlines() if "somanet correct" in line]) == 1
    assert not kept_outlines(lab)


def test_dividing_cells_stay(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.read_csv(lab / "auto" / "tracks.csv")
    late = (table["track_id"] == 2) & (table["frame"] > 6)
    table = table.assign(track_id=table["track_id"].mask(late, 3), parent_id=pd.array([pd.NA] * len(table), "Int64"))
    table.loc[late, "parent_id"] = 2
    table.to_csv(lab / "divided.csv", index=False)
    assert "cells divide in it" in analyze(lab, lab / "divided.csv", capsys=capsys)
    assert not kept_outlines(lab)


def test_nothing_corrected(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = analyze(lab, lab / "auto" / "tracks.csv", capsys=capsys)
    assert "nothing was corrected in it" in said
    assert not kept_outlines(lab)


def test_corrections_that_results_do_not_show_are_in_the_way(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was exported cannot be told then."""
    file = corrected(lab)
    assert somanet("correct", "auto", "--from", file, "--output", "by_correct", *QUICK, cwd=lab) is None
    shutil.copy(lab / "by_correct" / NAME, lab / "auto" / NAME)
    shutil.rmtree(lab / "by_correct")
    before = (lab / "auto" / NAME).read_bytes()
    assert "has corrections that these results do not show" in analyze(lab, file, capsys=capsys)
    assert not kept_outlines(lab)
    assert (lab / "auto" / NAME).read_bytes() == before


def test_a_table_edited_among_the_results_has_no_original_any_more(
    lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corrected(lab).replace(lab / "auto" / "tracks.csv")
    assert "there is no original to compare it with" in analyze(lab, lab / "auto" / "tracks.csv", capsys=capsys)
    assert not kept_outlines(lab)


@pytest.mark.parametrize(("kind", "named"), [("csv", True), ("trackmate", True), ("napari", False)])
def test_where_the_results_are_not_found_an_export_is_named_as_one(
    lab: Path, kind: str, named: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Deeper than they are looked for; napari's columns are anyone's."""
    file = corrected(lab, kind)
    (lab / "deep" / "er").mkdir(parents=True)
    (lab / "auto").rename(lab / "deep" / "er" / "auto")
    said = analyze(lab, file, capsys=capsys)
    assert ("is an export of SomaNet's" in said) == named
    assert not kept_outlines(lab)


@pytest.mark.parametrize("world", ["another's positions", "another movie's results"])
def test_tracks_from_elsewhere_are_measured_as_they_are(
    lab: Path, world: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A third of a pixel off, in bare columns; and results of a movie with one pixel more of noise."""
    table = pd.read_csv(corrected(lab))[["track_id", "frame", "y_px", "x_px"]]
    (lab / "own.csv").unlink()
    if world == "another movie's results":
        with (lab / "movie.ome.tif").open("ab") as file:
            file.write(b"\0")
    else:
        table["y_px"] += 1 / 3
    table.to_csv(lab / "theirs.csv", index=False)
    assert analyze(lab, lab / "theirs.csv", capsys=capsys) == ""
    assert not kept_outlines(lab)


def test_damaged_results_beside_it_are_passed_over(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = corrected(lab)
    for number, damage in enumerate(({"input": 5}, {"files": []}, {"input": {"sha256": None}}, {})):
        other = lab / f"a{number}"
        shutil.copytree(lab / "auto", other)
        manifest = json.loads((other / "manifest.json").read_text(encoding="utf-8"))
        (other / "manifest.json").write_text(json.dumps(manifest | damage), encoding="utf-8")
        (other / "tracks.csv").write_text("broken", encoding="utf-8")
    assert str(Path("auto")) in analyze(lab, file, capsys=capsys)
    assert kept_outlines(lab)


def test_so_many_folders_are_looked_at(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_tracks, "MOST_FOLDERS", 2)
    for name in ("x", "y", "z"):
        (lab / "inside" / name).mkdir(parents=True)
    assert [path.name for path in own_tracks._folders_in(lab / "inside")] == ["x", "y"]
    assert own_tracks._folders_in(lab / "missing") == []
