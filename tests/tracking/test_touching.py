"""Touching somas keep their identities, parts of one cell get one, and clean masks stay as they are."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.tracking.detections import detect_cells
from somanet.tracking.linking import link_cells
from somanet.tracking.mask_geometry import Soma, masks_of, nearest_px, split_mask
from somanet.tracking.relabel import relabel_movie
from somanet.tracking.touching import separate_touching
from tests.tracking.worlds import discs, draw

SCALE = Calibration(pixel_size_um=1.0, frame_interval_min=12.0)
SHAPE = (50, 80)
RADIUS = 9.0


def connected(labels_YX: NDArray[np.int32]) -> NDArray[np.int32]:
    """The output of a network without borders: touching somas are one object."""
    return ndimage.label(labels_YX > 0)[0].astype(np.int32)


def n_objects(frames: list[NDArray[np.int32]]) -> list[int]:
    return [len(masks_of(frame)) for frame in frames]


def meeting(distances: list[float]) -> NDArray[np.int32]:
    """Two equal somas in one row, at these distances; they touch below 2 x 9 px."""
    return np.array([discs(SHAPE, (25, 40 - d / 2, RADIUS), (25, 40 + d / 2, RADIUS)) for d in distances])


def masks_connected(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.array([connected(frame) for frame in labels])


@pytest.mark.parametrize(
    "distances",
    [
        [30, 27, 24, 21, 17, 16, 17, 21, 24, 27],  # they meet and part
        [17, 16, 17, 21, 24, 27, 30, 30],  # merged from the start
        [30, 27, 24, 21, 17, 16, 15],  # merged to the end
    ],
)
def test_touching_somas_keep_their_identities(distances: list[float]) -> None:
    """The left one is to the left in all frames, and the cut runs within 2 px of the middle."""
    ground_truth = meeting(distances)
    merged = masks_connected(ground_truth)
    together = [d < 2 * RADIUS for d in distances]
    assert n_objects(list(merged)) == [1 if touch else 2 for touch in together]
    frames = list(separate_touching(merged, SCALE))
    assert n_objects(frames) == [2] * len(distances)
    tracks = link_cells(detect_cells(frames), SCALE)
    assert tracks["track_id"].nunique() == 2
    for true, named in zip(ground_truth, relabel_movie(frames, tracks), strict=True):
        left, right = named[25, : SHAPE[1] // 2].max(), named[25, SHAPE[1] // 2 + 1 :].max()
        assert {left, right} == {1, 2}
        wrong = (true == 1) & (named == right) | (true == 2) & (named == left)
        assert wrong.sum() < 0.15 * (true > 0).sum()
    names = [frame[25, :40].max() for frame in relabel_movie(frames, tracks)]
    assert len(set(names)) == 1


def test_without_separation_an_identity_is_lost() -> None:
    """The check above can fail: linked as they are, the merged masks belong to one track only."""
    merged = masks_connected(meeting([30, 27, 24, 21, 17, 16, 17, 21, 24, 27]))
    tracks = link_cells(detect_cells(merged), SCALE, max_gap_frames=0)
    assert tracks["track_id"].nunique() > 2 or tracks.groupby("track_id").size().min() < 10


def test_one_that_leaves_beside_another_is_no_merge() -> None:
    """The right one vanishes while they are close; the left one's mask stays as large as it was."""
    frames = meeting([30, 27, 24, 21, 20])
    alone = np.where(frames[:3] == 1, 1, 0).astype(np.int32)
    world = np.concatenate([frames, alone])
    assert n_objects(list(separate_touching(world, SCALE))) == [2] * 5 + [1] * 3


def test_three_somas_in_one_mask() -> None:
    apart = discs(SHAPE, (15, 15, 8), (15, 40, 8), (37, 60, 8))
    together = connected(discs(SHAPE, (20, 26, 8), (20, 40, 8), (28, 51, 8)))
    assert len(masks_of(together)) == 1
    frames = list(separate_touching(np.array([apart] * 4 + [together] * 2), SCALE, max_step_um=30))
    assert n_objects(frames) == [3] * 6


# One cell in two parts: the nucleus (radius 4) beside what is left of its soma.
WHOLE = discs(SHAPE, (25, 40, 10), (10, 10, 10), (10, 70, 10))
IN_PARTS = discs(SHAPE, (25, 43, 9), (25, 28, 4), (10, 10, 10), (10, 70, 10))


@pytest.mark.parametrize("order", ["WWPPWW", "PPWWWW", "WWWWPP"])
def test_nucleus_and_soma_are_one_cell(order: str) -> None:
    """Whole, in parts, whole again; in parts only at the start or end. Three cells throughout, and none is cut."""
    world = np.array([{"W": WHOLE, "P": IN_PARTS}[kind] for kind in order])
    frames = list(separate_touching(world, SCALE))
    first_apart = 0 if order.startswith("P") else None
    expected = [4 if first_apart == 0 and kind == "P" else 3 for kind in order]
    assert n_objects(frames) == expected
    tracks = link_cells(detect_cells(frames), SCALE)
    lengths = tracks.groupby("track_id").size()
    assert (lengths == len(order)).sum() == 3


def test_a_small_cell_that_enters_far_away_stays_itself() -> None:
    world = np.array([WHOLE] * 3 + [discs(SHAPE, (25, 40, 10), (44, 20, 4), (10, 10, 10), (10, 70, 10))] * 3)
    assert n_objects(list(separate_touching(world, SCALE))) == [3] * 3 + [4] * 3


def test_a_mask_that_is_cut_for_one_frame_is_not_cut_for_ever() -> None:
    """Over-segmentation of one frame: afterwards the cell is whole again."""
    halves = WHOLE.copy()
    halves[:, 40:][halves[:, 40:] == 1] = 9
    halves[halves == 9] = 4
    halves[:, 40][halves[:, 40] == 4] = 0
    frames = list(separate_touching(np.array([WHOLE] * 3 + [halves] + [WHOLE] * 3), SCALE))
    assert n_objects(frames)[4:] == [3] * 3
    assert n_objects(frames)[:3] == [3] * 3


def test_clean_masks_and_empty_frames_stay_as_they_are() -> None:
    world = meeting([40, 38, 36, 34])
    world[2] = 0
    np.testing.assert_array_equal(np.array(list(separate_touching(world, SCALE))), world)
    assert list(separate_touching(world[:0], SCALE)) == []
    assert n_objects(list(separate_touching(np.zeros((3, 20, 30), np.int32), SCALE))) == [0, 0, 0]


def test_input_is_left_alone_and_results_are_equal() -> None:
    world = masks_connected(meeting([30, 27, 24, 21, 17, 16, 17]))
    before = world.copy()
    first = np.array(list(separate_touching(world, SCALE)))
    np.testing.assert_array_equal(first, np.array(list(separate_touching(world, SCALE))))
    np.testing.assert_array_equal(world, before)


def test_no_labels() -> None:
    with pytest.raises(SomaNetError, match="integers"):
        list(separate_touching(np.zeros((3, 20, 30)), SCALE))


# The parts


def test_a_small_cell_keeps_its_size_beside_a_large_one() -> None:
    """Circles of radius 10 and 5 whose centres are 15 px apart touch at x = 30: that is where the cut must run, not
    halfway at 27.5."""
    labels = np.zeros((40, 60), np.int32)
    labels[10:31, 10:41] = 3
    cells = [Soma((20.0, 20.0), np.pi * 100, 5), Soma((20.0, 35.0), np.pi * 25, 5)]
    shift = 25.0 - (20 * 4 + 35) / 5
    found = split_mask(labels, 3, cells, first_new=4)
    border = int(np.flatnonzero(labels[20] == 4)[0])
    assert border == pytest.approx(30 + shift, abs=1)
    assert len(found) == 2
    assert all(cell.shared and cell.age == 6 for cell in found)


def test_nearest_object() -> None:
    """From (0, 0) object 2 is 3 px away and object 5 is 4 px away."""
    labels = draw("""
    ...2..
    ......
    ......
    ......
    5.....
    """)[0]
    assert nearest_px(labels, (0, 0), within_px=5, among=[2, 5]) == 2
    assert nearest_px(labels, (0, 0), within_px=5, among=[5]) == 5
    assert nearest_px(labels, (0, 0), within_px=3.5, among=[5]) is None
