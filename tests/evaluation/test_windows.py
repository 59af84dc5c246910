"""A part of the frame: the objects in it, and pairs that its border does not cut."""

import math

import numpy as np
import pandas as pd
import pytest

from somanet.core.errors import SomaNetError
from somanet.evaluation.tracks import match_masks, match_points
from somanet.evaluation.windows import Window, confine
from tests.tracking.worlds import draw

# T = 2, Y = 3, X = 9. The centres' x in frame 0: 0.5, 4 and 7.5; in frame 1: 2 at 3.
LABELS = draw("""
11.......  .........
11..2..33  ...2.....
.......33  ...2.....
""")


def points(*rows: tuple[int, int, float]) -> pd.DataFrame:
    """Of track, frame, x; one pixel is one µm."""
    table = pd.DataFrame(rows, columns=["track_id", "frame", "x_px"])
    return table.assign(y_px=0.0, y_um=0.0, x_um=table["x_px"])


@pytest.mark.parametrize(
    ("window", "inside"),
    [
        (Window(), [{1, 2, 3}, {2}]),
        (Window(4), [{2, 3}, set()]),  # from 4 on, 4 included
        (Window(0, 4), [{1}, {2}]),  # below 4, 4 excluded
        (Window(0.5, 7.5), [{1, 2}, {2}]),
    ],
)
def test_objects_lie_where_their_centre_is(window: Window, inside: list[set[int]]) -> None:
    assert window.objects(LABELS) == inside
    table = points((1, 0, 0.5), (2, 0, 4), (3, 0, 7.5), (2, 1, 3))
    assert window.points(table) == inside
    assert window.points(table[:0]) == []
    assert window.objects(np.zeros((2, 3, 9), np.int32)) == [set(), set()]


def test_a_window_of_nothing() -> None:
    for ends in ((5, 5), (7, 3), (math.nan, 3)):
        with pytest.raises(SomaNetError, match="must begin before it ends"):
            Window(*ends)


def test_the_border_cuts_no_pair() -> None:
    """Cells at 9 and 21, found at 11 and 19; false detections at 5 and 15. The part is 10 to 20.

    Both cells lie outside, so both pairs do, though their detections lie inside: only what is false at 15 remains. In
    the rest of the frame there are the two pairs and what is false at 5."""
    ground_truth = points((1, 0, 9), (2, 0, 21))
    found = points((1, 0, 11), (2, 0, 19), (3, 0, 5), (4, 0, 15))
    matches = match_points(ground_truth, found, max_distance_um=3, min_reference_frames=1)
    assert matches.pairs == [[(1, 1), (2, 2)]]
    inside = confine(matches, Window(10, 20).points(ground_truth), Window(10, 20).points(found))
    assert (inside.reference, inside.predicted, inside.pairs) == ([[]], [[4]], [[]])
    left = confine(matches, Window(0, 10).points(ground_truth), Window(0, 10).points(found))
    assert (left.reference, left.predicted, left.pairs) == ([[1]], [[1, 3]], [[(1, 1)]])


def test_the_whole_frame_changes_nothing() -> None:
    pred = np.where(LABELS == 3, 5, LABELS)
    matches = match_masks(LABELS, pred)
    assert confine(matches, Window().objects(LABELS), Window().objects(pred)) == matches


def test_parts_share_every_object_between_them() -> None:
    """One mask covers the cells 1 and 2 at once: it belongs to both parts, every other object to one."""
    ground_truth = draw("""
    11223....
    11223....
    """)
    pred = draw("""
    11113...4
    11113...4
    """)
    matches = match_masks(ground_truth, pred)
    assert matches.pairs == [[(1, 1), (2, 1), (3, 3)]]
    parts = [confine(matches, w.objects(ground_truth), w.objects(pred)) for w in (Window(0, 2), Window(2))]
    assert [part.reference for part in parts] == [[[1]], [[2, 3]]]
    assert [part.predicted for part in parts] == [[[1]], [[1, 3, 4]]]
    assert [part.iou for part in parts] == [[[0.5]], [[0.5, 1.0]]]
