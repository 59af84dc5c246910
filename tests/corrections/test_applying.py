"""Edits applied frame by frame, against array assignments on the whole movie."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from somanet.corrections import Edit, Mask, apply, making
from somanet.corrections.edits import Point
from tests.corrections.worlds import discs, edit_array, mask_of, random_edit, table_of


def agree(found: np.ndarray, expected: np.ndarray, points: pd.DataFrame) -> None:
    np.testing.assert_array_equal(found, expected)
    table = table_of(expected)
    assert points["track_id"].tolist() == table["track_id"].tolist()
    assert points["frame"].tolist() == table["frame"].tolist()
    np.testing.assert_allclose(points[["y_px", "x_px"]], table[["y_px", "x_px"]], atol=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_random_edits_are_those_of_whole_arrays(seed: int) -> None:
    rng = np.random.default_rng(seed)
    automatic = discs(seed)
    states, edits = [automatic], []
    while len(edits) < 15:
        if (edit := random_edit(states[-1], rng)) is not None:
            edits.append(edit.stamped())
            states.append(edit_array(states[-1], edit))
    kept = automatic.copy()
    for n in (1, 7, 15):
        corrected = apply(automatic, table_of(automatic), edits[:n])
        assert corrected.misfits == ()
        agree(np.stack(list(corrected)), states[n], corrected.points())
    np.testing.assert_array_equal(automatic, kept)  # what is passed in stays as it was


@pytest.mark.parametrize("seed", range(8))
def test_undoing_backwards_leads_back_and_redoing_forth(seed: int) -> None:
    rng = np.random.default_rng(seed)
    automatic = discs(seed)
    states, edits = [automatic], []
    while len(edits) < 12:
        if (edit := random_edit(states[-1], rng)) is not None:
            edits.append(edit.stamped())
            states.append(edit_array(states[-1], edit))
    log = list(edits)
    undos = []
    for n in range(11, -1, -1):
        undos.append(making.undo(edits[n]).stamped())
        log.append(undos[-1])
        corrected = apply(automatic, table_of(automatic), log)
        assert corrected.misfits == ()
        agree(np.stack(list(corrected)), states[n], corrected.points())
    assert corrected.n_undone == 12
    for n, undone in enumerate(reversed(undos), start=1):
        log.append(making.undo(undone).stamped())
        np.testing.assert_array_equal(np.stack(list(apply(automatic, table_of(automatic), log))), states[n])


def test_frames_are_read_one_by_one_and_only_where_needed() -> None:
    labels = discs(3)
    read: list[int] = []

    class Lazy:
        def __len__(self) -> int:
            return len(labels)

        def __getitem__(self, t: int) -> np.ndarray:
            read.append(t)
            return labels[t]

    tracks = table_of(labels)
    i = int(labels[2].max())
    edit = making.delete(2, i, mask_of(labels[2] == i))
    corrected = apply(Lazy(), tracks, [edit, making.delete_track(tracks, 1)])  # type: ignore[arg-type]
    assert read == [2]
    assert i not in corrected[2]


def test_two_edits_that_contradict_are_one_and_a_misfit() -> None:
    labels = discs(5)
    i = int(labels[1].max())
    own = labels[1] == i
    first = making.paint(1, i, mask_of(own), mask_of(np.roll(own, 1, axis=0)))
    second = making.paint(1, i, mask_of(own), mask_of(np.roll(own, 2, axis=1)))
    corrected = apply(labels, table_of(labels), [first, second])
    assert [misfit.number for misfit in corrected.misfits] == [2]
    assert "contradicts" in corrected.misfits[0].reason
    np.testing.assert_array_equal(np.stack(list(corrected)), edit_array(labels, first))


def misfit_of(labels: np.ndarray, edit: Edit) -> str:
    corrected = apply(labels, table_of(labels), [edit])
    np.testing.assert_array_equal(np.stack(list(corrected)), labels)
    (misfit,) = corrected.misfits
    return misfit.reason


def test_what_does_not_fit_says_why_and_changes_nothing() -> None:
    labels = discs(5)
    T, Y, X = labels.shape
    tracks = table_of(labels)
    gone = tracks.assign(track_id=tracks["track_id"] + 100)
    square = Mask(Y - 1, X - 1, 2, 2, (0, 4))
    assert "is not there" in misfit_of(labels, making.delete_track(gone, 101))
    assert f"{T} frames" in misfit_of(labels, making.new(tracks, T, 50, Mask(0, 0, 2, 2, (0, 4))))
    assert f"{Y} × {X}" in misfit_of(labels, making.new(tracks, 0, 50, square))
    i, j = sorted(set(labels[0][labels[0] > 0]))[:2]
    assert "two somas" in misfit_of(labels, making.join(tracks, int(i), int(j)))
    fresh = Edit("new", 0, (int(i),), (None,), (Mask(0, 0, 1, 1, (0, 1)),))
    assert "begins it" in misfit_of(labels, fresh)


@pytest.mark.parametrize("seed", range(10))
def test_edits_find_their_somas_in_other_results(seed: int) -> None:
    """The same movie with other ids and slightly other outlines: an edit means the same cells."""
    rng = np.random.default_rng(seed)
    labels = discs(seed, n=5)
    order = np.concatenate([[0], 1 + rng.permutation(5)])
    other = order[labels].astype(np.int32)
    for t in range(len(other)):  # one pixel less of each
        for i in np.unique(other[t][other[t] > 0]):
            y, x = np.nonzero(other[t] == i)
            if len(y) > 8:
                other[t][y[0], x[0]] = 0
    tracks = table_of(labels)
    big = [int(i) for i in np.unique(labels[0][labels[0] > 0]) if (labels[0] == i).sum() > 8]
    if not big or not {2, 4} <= set(np.unique(labels)):
        pytest.skip("no cell of that size in this draw")
    i = big[0]
    t = int(tracks.loc[tracks["track_id"] == 2, "frame"].max())
    edits = [
        making.delete(0, i, mask_of(labels[0] == i)),
        making.new(tracks, 0, 30, Mask(0, 0, 2, 2, (0, 4))),
        *([making.swap(tracks, 2, 4, t)] if t else []),
    ]
    corrected = apply(other, table_of(other), edits, same=False)
    strict = apply(other, table_of(other), edits[:1])
    assert len(strict.misfits) == 1  # on the same results the outline must be the very one
    expected = other.copy()
    expected[0][expected[0] == order[i]] = 0
    expected[0][:2, :2] = 31
    if t and not corrected.misfits:
        a, b = order[2], order[4]
        later = expected[t:].copy()
        expected[t:][later == a], expected[t:][later == b] = b, a
    np.testing.assert_array_equal(np.stack(list(corrected)), expected)


def test_an_edit_that_does_not_fit_gives_no_track_a_number() -> None:
    """Its second soma would begin a track, its third is where another one is: the next new track has the next id."""
    labels = discs(5)
    tracks = table_of(labels)
    i, j = (int(one) for one in np.unique(labels[0])[1:3])
    own = mask_of(labels[0] == i)
    y, x = tracks.loc[(tracks["track_id"] == j) & (tracks["frame"] == 0), ["y_px", "x_px"]].to_numpy(float)[0]
    square = (Mask(0, 0, 1, 1, (0, 1)), Mask(0, 2, 1, 1, (0, 1)))
    split = Edit("split", 0, (i, 60, j), (own, None, None), (own, *square), (None, None, Point(0, y, x)))
    corrected = apply(labels, tracks, [split, making.new(tracks, 0, 70, square[0])], same=False)
    assert [misfit.number for misfit in corrected.misfits] == [1]
    assert set(corrected.points()["track_id"]) - set(tracks["track_id"]) == {71}


def test_two_parts_of_a_soma_do_not_go_to_one_track() -> None:
    """Soma 1 is split into three, of which two go to tracks that are one in these results: nothing changes."""
    labels = np.zeros((2, 9, 12), np.int32)
    labels[0, 2:4, 2:8] = 1
    labels[1, 5:7, 3:6] = 2
    tracks = table_of(labels)
    parts = tuple(Mask(2, 2 + 2 * n, 2, 2, (0, 4)) for n in range(3))
    there = Point(1, 5.5, 4.0)
    edit = Edit("split", 0, (1, 8, 9), (mask_of(labels[0] == 1), None, None), parts, (None, there, there))
    corrected = apply(labels, tracks, [edit], same=False)
    assert [misfit.reason for misfit in corrected.misfits] == ["Two of its tracks are one in these results."]
    agree(np.stack(list(corrected)), labels, corrected.points())
