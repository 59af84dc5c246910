"""What came back from another program, as edits that lead there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.corrections import apply
from somanet.corrections.comparing import edits_from_labels, edits_from_tracks, piece_gap
from tests.corrections.worlds import discs, edit_array, random_edit, table_of


def changed(labels: np.ndarray, seed: int, n: int, kinds: set[str] | None = None) -> np.ndarray:
    """The labels after some edits, chosen as if by a person in another program, who leaves each soma in one place."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        edit = None
        while edit is None or (kinds and edit.kind not in kinds) or any_in_two_places(edit_array(labels, edit)):
            edit = random_edit(labels, rng)
        labels = edit_array(labels, edit)
    return labels


def any_in_two_places(labels: np.ndarray) -> bool:
    masks = (frame == i for frame in labels for i in np.unique(frame[frame > 0]))
    return any(gap > diameter for gap, diameter in map(piece_gap, masks))


def same_cells(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two label movies differ by the cells' numbers only."""
    pairs = {(int(a), int(b)) for a, b in np.unique(np.stack([one.ravel(), other.ravel()]), axis=1).T}
    return len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)


@pytest.mark.parametrize("seed", range(25))
def test_edits_lead_from_labels_to_any_others_of_the_same_cells(seed: int) -> None:
    labels = discs(seed, n=9)
    theirs = changed(labels, seed, 4)
    renamed = np.concatenate([[0], 100 + np.random.default_rng(seed).permutation(theirs.max())])[theirs]
    for goal in (theirs, renamed.astype(np.int32)):
        edits = edits_from_labels(
            apply(labels, table_of(labels), []), goal, source="back.tif", program="Fiji", cells={}
        )
        corrected = apply(labels, table_of(labels), edits)
        assert corrected.misfits == ()
        assert same_cells(np.stack(list(corrected)), goal)
    if (theirs == labels).all():
        assert not edits_from_labels(apply(labels, table_of(labels), []), labels, source="", program="")


def test_values_of_frames_segmented_one_by_one_are_no_identities() -> None:
    """As Cellpose numbers them: only the outlines count."""
    labels = discs(1, n=9)
    rng = np.random.default_rng(1)
    shuffled = np.stack([np.concatenate([[0], 1 + rng.permutation(9)])[frame] for frame in labels]).astype(np.int32)
    i = int(labels[2].max())
    shuffled[2][labels[2] == i] = 0
    edits = edits_from_labels(apply(labels, table_of(labels), []), shuffled, source="m.tif", program="Cellpose")
    assert [(edit.kind, edit.frame, edit.ids) for edit in edits] == [("delete", 2, (i,))]


@pytest.mark.parametrize("seed", range(15))
def test_edits_lead_from_tracks_to_tracks_of_another_numbering(seed: int) -> None:
    labels = discs(seed, n=9)
    tracks = table_of(labels)
    goal = changed(labels, seed, 4, {"join", "cut", "swap", "relink", "delete_track", "delete"})
    theirs = table_of(goal)
    rng = np.random.default_rng(seed)
    names = 50 + rng.permutation(int(theirs["track_id"].max()) + 1)
    theirs = theirs.assign(
        track_id=names[theirs["track_id"]], y_px=theirs["y_px"] + rng.uniform(-0.04, 0.04, len(theirs))
    )
    edits = edits_from_tracks(
        apply(labels, tracks, []), theirs.sample(frac=1, random_state=seed), source="t", program="p"
    )
    corrected = apply(labels, tracks, edits)
    assert corrected.misfits == ()
    assert same_cells(np.stack(list(corrected)), goal)


def test_points_that_were_moved_or_added_have_no_outline() -> None:
    labels = discs(2, n=9)
    tracks = table_of(labels)
    theirs = tracks.copy()
    theirs.loc[0, ["y_px", "x_px"]] += 4.0
    theirs.loc[len(theirs)] = {"track_id": 77, "frame": 1, "y_px": 9.5, "x_px": 8.25}
    theirs = theirs.astype({"track_id": int, "frame": int})
    corrected = apply(labels, tracks, edits_from_tracks(apply(labels, tracks, []), theirs, source="t", program="p"))
    points = corrected.points()
    drawn = points[points["row"] < 0]
    moved = theirs.iloc[[0]]
    assert sorted(drawn["y_px"]) == pytest.approx(sorted([*moved["y_px"], 9.5]), abs=1e-3)
    assert set(drawn["track_id"]) - {int(moved["track_id"].iat[0])} == {int(tracks["track_id"].max()) + 1}
    assert drawn["drawn"].sum() == 0
    expected = labels.copy()
    t, i = int(tracks["frame"].iat[0]), int(tracks["track_id"].iat[0])
    expected[t][expected[t] == i] = 0
    np.testing.assert_array_equal(np.stack(list(corrected)), expected)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda labels: (labels > 0).astype(np.uint8) * 255, "back.tif: all somas of a frame have one value"),
        (lambda labels: np.where(labels > 0, 0, 255).astype(np.uint8), "all somas of a frame have one value"),
        (np.zeros_like, "back.tif has no soma in any frame"),
        (lambda labels: np.where(labels == 1, -1, labels), "back.tif: Labels of frame 0: .*, with values down to -1"),
    ],
)
def test_a_mask_an_empty_movie_and_negative_values_are_named(
    made: Callable[[np.ndarray], np.ndarray], words: str
) -> None:
    labels = discs(3)
    with pytest.raises(SomaNetError, match=words):
        edits_from_labels(apply(labels, table_of(labels), []), made(labels), source="back.tif", program="p")


def test_a_number_that_two_somas_have_is_no_merged_soma() -> None:
    """Squares of 6 px, of which the first and the second lie 2 px apart and the third 20 px from the second.

    Merging neighbours is an edit, also across a gap; a soma in two places is a slip of the brush, or of 8 bits.
    """
    labels = np.zeros((2, 11, 47), np.int32)
    for number, left in enumerate((2, 10, 36), start=1):
        labels[:, 2:8, left : left + 6] = number
    corrected = apply(labels, table_of(labels), [])
    near = np.where(labels == 2, 1, labels)
    near[1] = labels[1]
    found = edits_from_labels(corrected, near, source="near.tif", program="p")
    assert [edit.kind for edit in found] == ["merge"]
    far = np.where(labels == 3, 2, labels)
    far[1] = labels[1]
    painted = labels.copy()
    painted[1, 9:11, 43:47] = 1
    for wrong, words in ((far, "frame 0: the value 2 is in two places 21 px"), (painted, "frame 1: the value 1")):
        with pytest.raises(SomaNetError, match=words):
            edits_from_labels(corrected, wrong, source="far.tif", program="p")


def test_results_of_another_origin_are_refused() -> None:
    labels, other = discs(3), discs(30)
    corrected = apply(labels, table_of(labels), [])
    with pytest.raises(SomaNetError, match="of another origin"):
        edits_from_tracks(corrected, table_of(other), source="other.csv", program="p")
    with pytest.raises(SomaNetError, match=r"only .* outlines"):
        edits_from_labels(corrected, np.roll(other, 11, axis=2), source="other.tif", program="p")
    with pytest.raises(SomaNetError, match="one for each frame"):
        edits_from_labels(corrected, labels[:-1], source="short.tif", program="p")
    with pytest.raises(SomaNetError, match="resized or cropped"):
        edits_from_labels(corrected, labels[:, :-1], source="crop.tif", program="p")
