"""Corrections that numbers do not show are told; those that they show are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from somanet.cli.unapplied import note_unapplied


def record(place: Path, words: str) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(words)
    return place


@pytest.mark.parametrize(
    ("applied_in", "applied", "told"),
    [
        (None, "", True),
        ("study/a", "edits", False),
        ("study/a", "fewer edits", True),
        ("study/a_corrected", "edits", False),
        ("study/a_corrected", "edits and further ones", False),
        ("study/a_corrected", "fewer edits", True),
    ],
)
def test_corrections_are_told_where_no_results_that_count_have_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], applied_in: str | None, applied: str, told: bool
) -> None:
    record(tmp_path / "study/a/corrections.jsonl", "edits")
    if applied_in is not None:
        record(tmp_path / applied_in / "automatic/corrections.jsonl", applied)
    note_unapplied(tmp_path / "study/a", [tmp_path / "study/a", tmp_path / "study/a_corrected"])
    assert ("corrections that these numbers do not show" in capsys.readouterr().err) == told
