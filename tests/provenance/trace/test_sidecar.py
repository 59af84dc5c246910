"""Files of the commands, by their sidecar files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from somanet.core.hashing import sha256_file
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
