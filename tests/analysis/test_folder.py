"""Results move in whole or not at all, and nothing else in the folder is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from somanet.analysis import names
from somanet.analysis.folder import check_output, staged
from somanet.errors import SomaNetError


def content(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_results_replace_older_ones_and_leave_the_rest(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with staged(out) as folder:
        (folder / names.MANIFEST).write_text("1")
        (folder / names.REPORT).write_text("page")
        (folder / "tracks_ctc").mkdir()
        (folder / "tracks_ctc" / "mask000.tif").write_text("old")
    (out / "corrected.csv").write_text("hours of work")
    with staged(out) as folder:
        (folder / names.MANIFEST).write_text("2")
        (folder / "tracks_ctc").mkdir()
        (folder / "tracks_ctc" / "mask001.tif").write_text("new")
        (folder / ".scratch").write_text("not a result")
    assert content(out) == {names.MANIFEST: "2", "corrected.csv": "hours of work", "mask001.tif": "new"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_failure_changes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with staged(out) as folder:
        (folder / names.MANIFEST).write_text("1")

    def fail(place: Path) -> None:
        with staged(place) as folder:
            (folder / names.MANIFEST).write_text("2")
            raise ValueError("halfway")

    for place in (out, tmp_path / "new"):
        with pytest.raises(ValueError, match="halfway"):
            fail(place)
    assert content(out) == {names.MANIFEST: "1"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_place_of_other_things_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.doc").write_text("years")
    with pytest.raises(SomaNetError, match="holds other things"):
        check_output(tmp_path / "thesis")
    (tmp_path / "file").write_text("x")
    with pytest.raises(SomaNetError, match="is a file"):
        check_output(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    check_output(tmp_path / "empty")
    check_output(tmp_path / "new" / "deeper")
