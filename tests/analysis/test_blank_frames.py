"""What the report says of blank frames."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from somanet.analysis import names
from somanet.analysis.stages.report import notes_of


@pytest.mark.parametrize(("blank", "across"), [([2], True), ([0], False), ([4, 5], False), ([0, 3, 5], True)])
def test_cells_are_tracked_across_blank_frames_where_others_follow(
    tmp_path: Path, blank: list[int], across: bool
) -> None:
    movie = {"truncated": False, "n_frames": 6, "notes": []}
    for name, found in zip(
        names.STAGE_FILES, (movie, {"blank_frames": blank}, {"n_tracks": 1, "drift": None}), strict=True
    ):
        (tmp_path / name).write_text(json.dumps(found), encoding="utf-8")
    note = next(note for note in notes_of(tmp_path) if "blank" in note)
    assert ("cells were tracked across them" in note) is across
    assert note.endswith("they do not count as observed time.")
