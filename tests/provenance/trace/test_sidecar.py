"""Files of the commands, by their sidecar files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from somanet.core.hashing import sha256_file
from somanet.provenance.trace.chain import chain_text
from somanet.provenance.trace.trace import trace
from tests.provenance.trace.worlds import kinds, link
from tests.worlds import somanet


@pytest.mark.parametrize("name", ["migration.csv", "report.html", "labels.tif", "manifest.json", ""])
def test_a_file_of_an_analysis(lab: Path, runs: dict[str, str], name: str) -> None:
    chain = trace(lab / "out" / name)
    assert kinds(chain)[:2] == ["file", "analysis"]
    analysis = link(chain, "analysis")
    assert analysis["made_from"] == ["data movie", f"network {runs['sha256']}"]
    assert "track" in analysis["parameters"]
    movie = next(one for one in chain.links if one.id == "data movie")
    assert movie.metadata["sha256"] == sha256_file(lab / "movie.tif")
    assert f"run {runs['mine']}" in {one.id for one in chain.links}
    assert f"network {runs['base_sha256']}" in {one.id for one in chain.links}
    assert not [one for one in chain.changed if one.startswith("file")]


def test_a_table_that_was_edited(lab: Path, tmp_path: Path) -> None:
    """Copied as a whole, an analysis can be traced anywhere; networks are named, their runs are elsewhere."""
    shutil.copytree(lab / "out", tmp_path / "out")
    assert trace(tmp_path / "out", root=lab).changed == ()
    with (tmp_path / "out" / "migration.csv").open("a") as file:
        file.write("\n")
    for asked in ("out", "out/migration.csv"):
        [changed] = trace(tmp_path / asked, root=lab).changed
        assert "migration.csv is now" in changed
    assert trace(tmp_path / "out" / "summary.json", root=lab).changed == ()


@pytest.mark.parametrize("where", [".", "out", "here"])
def test_the_movie_of_results_is_compared_where_it_is_found(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Beside the results, in them, or in the current folder: it is the same, another, unread, or not there."""
    shutil.copytree(lab / "out", tmp_path / "out")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def said() -> list[list[str]]:
        chain = trace(tmp_path / "out" / "tracks.csv", root=lab)
        return [[one for one in texts if one.startswith("data movie: ")] for texts in (chain.missing, chain.changed)]

    missing, changed = said()
    assert ["movie.tif is not beside the results" in one for one in missing] == [True]
    assert changed == []
    assert "  ? movie.tif is not" in chain_text(trace(tmp_path / "out" / "tracks.csv", root=lab))
    movie = tmp_path / where / "movie.tif"
    shutil.copyfile(lab / "movie.tif", movie)
    assert said() == [[], []]
    with movie.open("ab") as file:
        file.write(b"more")
    missing, changed = said()
    assert missing == []
    assert [f"movie.tif is now {sha256_file(movie)}, manifest.json has " in one for one in changed] == [True]
    assert "1 thing has changed since the record" in str(somanet("trace", "../out/tracks.csv", cwd=tmp_path / "here"))
    monkeypatch.setattr("somanet.provenance.trace.sidecar.LARGEST_BYTES", 10)
    missing, changed = said()
    assert ["movie.tif was not compared" in one for one in missing] == [True]
    assert changed == []


def test_a_table_of_tracks_without_a_movie_is_not_told_from_one_of_the_same_name(lab: Path, tmp_path: Path) -> None:
    """Its name is a common one, also of the results' own table: another file of it says nothing."""
    table = tmp_path / "tracks.csv"
    shutil.copyfile(lab / "out" / "tracks.csv", table)
    scale = ("--pixel-size-um", 1, "--frame-interval-min", 10)
    assert somanet("tracks", "measure", "tracks.csv", *scale, "--output", "alone", cwd=tmp_path) is None
    assert not [one for one in trace(tmp_path / "alone", root=lab).missing if one.startswith("data")]
    table.write_text("another")
    chain = trace(tmp_path / "alone", root=lab)
    assert chain.changed == ()
    assert ["tracks.csv is now" in one for one in chain.missing if one.startswith("data")] == [True]
    table.unlink()
    [missing] = [one for one in trace(tmp_path / "alone", root=lab).missing if one.startswith("data")]
    assert "tracks.csv is not beside the results" in missing


def test_a_cohort_is_of_its_movies_tables(lab: Path, tmp_path: Path) -> None:
    """A movie's table that was changed after the comparison is found, and a script is told by the exit status."""
    study = tmp_path / "study"
    shutil.copytree(lab / "out", study / "a")
    (study / "comparison.csv").write_text("number\n")
    movie = {"results": "a", "manifest_sha256": sha256_file(study / "a" / "manifest.json")}
    files = {"comparison.csv": sha256_file(study / "comparison.csv")}
    record = {"somanet": "0", "movies": {"a": movie}, "files": files, "code": {"commit": "a" * 40}}
    (study / "cohort.json").write_text(json.dumps(record))
    assert trace(study / "comparison.csv", root=lab).changed == ()
    assert somanet("trace", "study/comparison.csv", cwd=tmp_path) is None
    with (study / "a" / "migration.csv").open("a") as file:
        file.write("\n")
    [changed] = trace(study / "comparison.csv", root=lab).changed
    assert changed.startswith("analysis")
    assert "migration.csv is now" in changed
    assert "1 thing has changed since the record" in (somanet("trace", "study/comparison.csv", cwd=tmp_path) or "")


def test_labels_and_their_scores(lab: Path, runs: dict[str, str]) -> None:
    labels = trace(lab / "labels" / "a.tif")
    assert kinds(labels)[:2] == ["file", "predictions"]
    scores = trace(lab / "scores.json")
    assert kinds(scores)[:2] == ["file", "scores"]
    for chain in (labels, scores):
        assert {"data set.zip", f"network {runs['sha256']}"} <= {one.id for one in chain.links}


def test_an_exported_network_leads_to_the_one_it_was_made_from(lab: Path, runs: dict[str, str]) -> None:
    chain = trace(lab / "half")
    first, second = [one for one in chain.links if one.what == "network"][:2]
    assert first.made_from == (f"network {runs['sha256']}",)
    assert second.name == runs["sha256"]
    assert f"run {runs['mine']}" in {one.id for one in chain.links}
