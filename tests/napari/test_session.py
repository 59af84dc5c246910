"""Corrections while they are made: what they do, undo and redo, and that none is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.corrections import Recorder, apply, read
from tests.napari.worlds import HEADER, N_FRAMES, frames, session, square, squares, table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "corrections.jsonl"


def test_painting_makes_a_soma_larger_and_takes_from_its_neighbour(path: Path) -> None:
    """8 px of soma 2's left column go to soma 1, with 16 px of background: 64 + 24 and 64 − 8."""
    found = session(path)
    painted = found.frame(2)
    painted[16:24, 18:21] = 1
    [edit] = found.paint(2, painted)
    assert (edit.kind, edit.frame, edit.ids) == ("paint", 2, (1,))
    np.testing.assert_array_equal(found.frame(2), painted)
    assert [(found.frame(2) == track).sum() for track in (1, 2)] == [88, 56]
    np.testing.assert_array_equal(np.delete(frames(found), 2, axis=0), np.delete(squares(), 2, axis=0))


def test_painting_with_an_unused_id_is_a_new_track(path: Path) -> None:
    found = session(path)
    painted = found.frame(4)
    square(painted, found.next_id(), 4, 40)
    [edit] = found.paint(4, painted)
    assert (edit.kind, edit.ids) == ("new", (5,))
    assert found.frames_of(5) == [4]


def test_a_track_gets_a_soma_where_it_lacks_one(path: Path) -> None:
    """Track 3 ends in frame 2; painted with its id in frame 3, it has one more frame and its place 4 one less."""
    found = session(path)
    painted = found.frame(3)
    painted[painted == 4] = 3
    kinds = [edit.kind for edit in found.paint(3, painted)]
    assert kinds == ["new"]
    assert found.frames_of(3) == [0, 1, 2, 3]
    assert found.frames_of(4) == [4, 5]


def test_erasing_and_erasing_away(path: Path) -> None:
    found = session(path)
    painted = found.frame(1)
    painted[16:24, 20:22] = 0
    painted[painted == 3] = 0
    edits = found.paint(1, painted)
    assert sorted((edit.kind, edit.ids) for edit in edits) == [("delete", (3,)), ("erase", (2,))]
    np.testing.assert_array_equal(found.frame(1), painted)


def test_nothing_painted_is_no_edit(path: Path) -> None:
    found = session(path)
    assert found.paint(0, found.frame(0)) == []
    assert not path.exists()


def test_merging_keeps_the_longer_track(path: Path) -> None:
    """2 is seen in six frames, 4 in three."""
    found = session(path)
    assert found.merge(4, [4, 2]).ids == (2, 4)
    assert (found.frame(4) == 2).sum() == 128
    assert found.frames_of(4) == [3, 5]


def test_splitting_keeps_the_part_where_the_track_was(path: Path) -> None:
    """Two cells taken for one in frame 2 only: soma 2 reaches to column 35, but was at columns 20 to 27 before."""
    labels = squares()
    labels[2, 16:24, 20:40] = 2
    found = session(path, labels)
    edit = found.split(2, 2, (10, 27.5), (30, 27.5))
    assert edit.ids == (2, 5)
    np.testing.assert_array_equal(np.flatnonzero((found.frame(2) == 2).any(axis=0)), range(20, 28))
    np.testing.assert_array_equal(np.flatnonzero((found.frame(2) == 5).any(axis=0)), range(28, 40))


def test_deleting_here_leaves_a_gap(path: Path) -> None:
    found = session(path)
    found.delete(3, 1)
    assert found.frames_of(1) == [0, 1, 2, 4, 5]


def test_joining_two_parts_of_a_cell(path: Path) -> None:
    found = session(path)
    assert found.join(4, 3, 3).ids == (3, 4)  # the earlier one's id, whichever was selected first
    assert found.frames_of(3) == list(range(N_FRAMES))
    assert (frames(found) == 3).sum() == N_FRAMES * 64


def test_joining_tracks_that_are_both_seen_relinks_from_here_on(path: Path) -> None:
    """From frame 3 on 1 goes on as 2; what 1 went on as becomes a track of its own."""
    found = session(path)
    edit = found.join(1, 2, 3)
    assert (edit.kind, edit.ids) == ("relink", (1, 2, 5))
    expected = squares()
    ahead = expected[3:]
    ahead[ahead == 1] = 5
    ahead[ahead == 2] = 1
    np.testing.assert_array_equal(frames(found), expected)


def test_cutting_and_swapping(path: Path) -> None:
    found = session(path)
    found.cut(2, 4)
    found.swap(1, 2, 2)
    expected = squares()
    expected[4:][expected[4:] == 2] = 5
    ahead = expected[2:]
    one, two = ahead == 1, ahead == 2
    ahead[one], ahead[two] = 2, 1
    np.testing.assert_array_equal(frames(found), expected)


@pytest.mark.parametrize("soma", [True, False])
def test_deleting_a_track(soma: bool, path: Path) -> None:
    found = session(path)
    assert found.delete_track(2, soma=soma).kind == ("delete_track" if soma else "not_a_soma")
    assert not (frames(found) == 2).any()
    assert 2 not in set(found.points["track_id"])


@pytest.mark.parametrize(
    ("do", "words"),
    [
        (lambda s: s.merge(0, [1]), "needs two somas"),
        (lambda s: s.merge(0, [1, 4]), "has no soma in frame 0"),
        (lambda s: s.split(0, 4, (0, 0), (9, 9)), "has no soma in frame 0"),
        (lambda s: s.split(0, 1, (0, 50), (9, 50)), "does not cross"),
        (lambda s: s.cut(2, 0), "nothing to cut"),
        (lambda s: s.join(1, 1, 0), "needs two tracks"),
        (lambda s: s.swap(2, 2, 0), "needs two tracks"),
        (lambda s: s.delete(5, 3), "has no soma in frame 5"),
        (lambda s: s.new(0, np.zeros((40, 60), bool)), "no pixels"),
        (lambda s: s.delete_track(77), "Track 77 is not"),
    ],
)
def test_what_cannot_be_is_refused_and_recorded_nowhere(do: object, words: str, path: Path) -> None:
    found = session(path)
    with pytest.raises(SomaNetError, match=words):
        do(found)  # type: ignore[operator]
    assert found.edits == []
    assert not path.exists()
    np.testing.assert_array_equal(frames(found), squares())


# Undo and redo


def test_undo_and_redo_go_through_all_states(path: Path) -> None:
    found = session(path)
    states = [frames(found)]
    for do in (
        lambda: found.delete(1, 2), lambda: found.join(3, 4, 3), lambda: found.cut(1, 3), lambda: found.swap(1, 2, 4)
    ):  # fmt: skip
        do()
        states.append(frames(found))
    for state in reversed(states[:-1]):
        assert found.undo() is not None
        np.testing.assert_array_equal(frames(found), state)
    assert found.undo() is None
    for state in states[1:]:
        assert found.redo() is not None
        np.testing.assert_array_equal(frames(found), state)
    assert found.redo() is None
    assert found.n_active == 4


def test_a_new_edit_ends_redoing(path: Path) -> None:
    found = session(path)
    found.delete(1, 2)
    found.undo()
    found.delete(2, 1)
    assert found.redo() is None
    found.undo()
    assert found.redo() is not None
    assert not (found.frame(2) == 1).any()
    assert (found.frame(1) == 2).any()


def test_undo_after_redo_takes_back_the_same_edit(path: Path) -> None:
    found = session(path)
    found.delete(1, 2)
    found.undo()
    found.redo()
    found.undo()
    np.testing.assert_array_equal(frames(found), squares())
    assert found.undo() is None


def test_the_next_sitting_goes_on_where_the_last_one_ended(path: Path) -> None:
    first = session(path)
    first.delete(1, 2)
    first.join(3, 4, 3)
    expected = frames(first)
    assert first.close() is None
    second = session(path)
    np.testing.assert_array_equal(frames(second), expected)
    second.undo()
    assert second.frames_of(4) == [3, 4, 5]


def test_the_file_gives_the_same_labels_by_itself(path: Path) -> None:
    found = session(path)
    found.delete(1, 2)
    found.undo()
    found.swap(1, 2, 2)
    found.close()
    edits = read(path, movie_sha256=HEADER.movie_sha256).edits
    alone = apply(list(squares()), table(squares()), edits)
    np.testing.assert_array_equal(np.stack(list(alone)), frames(found))


# No correction is lost


def test_each_edit_is_on_the_disk_at_once(path: Path) -> None:
    found = session(path)
    for n in range(1, 4):
        found.delete(n, 1)
        assert [edit.frame for edit in read(path).edits] == list(range(1, n + 1))


KILLED = """
import os, sys
from pathlib import Path
from tests.napari.worlds import session
found = session(Path(sys.argv[1]))
for t in range(int(sys.argv[2])):
    found.delete(t, 1)
    print(t, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_killed_program_loses_nothing(path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), "4"], cwd=root, env=environment, capture_output=True, check=False
    )
    assert done.returncode == -9
    found = session(path)
    assert found.problem == ""
    assert found.frames_of(1) == [4, 5]


def fails(*_: object, **__: object) -> None:
    raise SomaNetError("Cannot write it: the disk is full.")


def test_what_cannot_be_written_is_kept_and_written_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = session(path)
    found.delete(0, 1)
    with monkeypatch.context() as full:
        full.setattr(Recorder, "append", fails)
        found.delete(1, 1)
        found.delete(2, 1)
        assert "disk is full" in found.problem
        assert len(found.unsaved) == 2
        assert found.frames_of(1) == [3, 4, 5]  # the work goes on
        with pytest.raises(SomaNetError, match="disk is full"):
            found.save()
    assert [edit.frame for edit in read(path).edits] == [0]
    found.delete(3, 1)
    assert found.problem == ""
    assert [edit.frame for edit in read(path).edits] == [0, 1, 2, 3]


def test_unsaved_corrections_are_kept_elsewhere_when_it_is_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The disk of the results is full, that of the user's folder is not."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    (tmp_path / "home").mkdir()
    found = session(path)
    found.delete(0, 1)
    append = Recorder.append

    def full(recorder: Recorder, edit: object) -> object:
        return fails() if recorder.path == path else append(recorder, edit)  # type: ignore[arg-type]

    monkeypatch.setattr(Recorder, "append", full)
    found.delete(1, 1)
    rescued = found.close()
    assert rescued is not None
    assert rescued.parent == tmp_path / "home"
    assert [edit.frame for edit in read(rescued).edits] == [0, 1]
    assert session(rescued).frames_of(1) == [2, 3, 4, 5]


def test_corrections_can_go_to_another_file(path: Path, tmp_path: Path) -> None:
    found = session(path)
    found.delete(0, 1)
    found.save_to(tmp_path / "other.jsonl")
    found.delete(1, 1)
    assert [edit.frame for edit in read(path).edits] == [0]
    assert [edit.frame for edit in read(tmp_path / "other.jsonl").edits] == [0, 1]
    with pytest.raises(SomaNetError, match="is there already"):
        found.save_to(path)


def test_two_programs_do_not_write_one_file(path: Path) -> None:
    first, second = session(path), session(path)
    first.delete(0, 1)
    second.delete(1, 2)
    assert second.problem
    assert len(second.unsaved) == 1
    assert [edit.frame for edit in read(path).edits] == [0]


def test_corrections_of_another_movie_are_refused(path: Path) -> None:
    found = session(path)
    found.delete(0, 1)
    found.close()
    header, *rest = path.read_text().splitlines()
    other = {**json.loads(header), "movie_sha256": "d" * 64}
    path.write_text("\n".join([json.dumps(other), *rest]) + "\n")
    with pytest.raises(SomaNetError, match="corrections of the movie"):
        session(path)
