"""Boxes to detections and tracks: measured by hand, and as masks that fill their boxes are."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from benchmarks.yolo.box_scores import boxes_of
from benchmarks.yolo.box_tracks import BOX_COLUMNS, detect_boxes, track_boxes
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.tracking.detections import DETECTION_COLUMNS, detect_cells
from somanet.tracking.movie import track_masks
from somanet.tracking.settings import TrackSettings
from tests.tracking.worlds import discs

SCALE = Calibration(2.0, 10.0)
SHAPE = (40, 60)


def table(*rows: tuple[float, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(BOX_COLUMNS))


def test_the_ellipse_in_a_box() -> None:
    """Columns 10 to 16 and rows 4 to 8: 6 wide, 4 high; centre between pixels 12 and 13, 5 and 6; area 6π.

    The frame is 7 inside and 100 in the box's corners, which the ellipse leaves out.
    """
    frame = np.zeros(SHAPE, np.uint16)
    frame[4:8, 10:16] = 7
    frame[[4, 4, 7, 7], [10, 15, 10, 15]] = 100
    found = detect_boxes(table((1, 10, 4, 16, 8)), [np.zeros(SHAPE, np.uint16), frame])
    assert tuple(found.columns) == DETECTION_COLUMNS
    [row] = found.to_dict("records")
    assert (row["frame"], row["label"], row["y_px"], row["x_px"]) == (1, 1, 5.5, 12.5)
    assert row["area_px"] == pytest.approx(6 * math.pi)
    assert (row["major_axis_px"], row["minor_axis_px"], row["solidity"]) == (6, 4, 1)
    assert row["eccentricity"] == pytest.approx(math.sqrt(1 - (4 / 6) ** 2))
    assert (row["top_px"], row["left_px"], row["bottom_px"], row["right_px"]) == (4, 10, 8, 16)
    assert (row["mean_intensity"], row["max_intensity"], row["touches_edge"]) == (7, 7, 0)


def test_discs_and_their_boxes_measure_alike() -> None:
    """A disc is the ellipse in its box: centre, box and intensity agree, area and axes within a pixel's rim."""
    labels = discs(SHAPE, (12, 14, 7.4), (28, 40, 9.4))
    frame = (np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) % 251).astype(np.uint16)
    masks = detect_cells([labels], [frame])
    found = detect_boxes(table(*((0, *sides) for sides in boxes_of(labels))), [frame])
    exact = ["frame", "label", "y_px", "x_px", "top_px", "left_px", "bottom_px", "right_px", "touches_edge"]
    pd.testing.assert_frame_equal(found[exact], masks[exact])
    for name, tolerance in (("area_px", 0.08), ("major_axis_px", 0.08), ("mean_intensity", 0.03)):
        np.testing.assert_allclose(found[name], masks[name], rtol=tolerance)


def test_boxes_that_reach_beyond_the_frame() -> None:
    """A detector may give −1.5 or 61: the intensity is of the pixels inside, and the box touches the edge."""
    frame = np.full(SHAPE, 5, np.uint16)
    found = detect_boxes(table((0, -1.5, 4, 6, 9), (0, 50, 30, 61, 41)), [frame])
    assert found["touches_edge"].tolist() == [1, 1]
    assert found["mean_intensity"].tolist() == [5, 5]
    assert found["label"].tolist() == [1, 2]
    assert (found["left_px"].tolist(), found["right_px"].tolist()) == ([0, 50], [6, 60])


def test_no_boxes_are_no_detections() -> None:
    found = detect_boxes(table(), [np.zeros(SHAPE, np.uint16)] * 2)
    assert len(found) == 0
    assert tuple(found.columns) == DETECTION_COLUMNS
    assert len(track_boxes(table(), [np.zeros(SHAPE, np.uint16)] * 2, SCALE)) == 0


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        (table((0, 5, 5, 5, 9)), "no area"),
        (table((3, 1, 1, 5, 9)), "frame 3"),
        (table((0, 1, 1, 5, 9)).drop(columns="x1_px"), "x1_px"),
    ],
)
def test_boxes_that_cannot_be_are_refused(boxes: pd.DataFrame, words: str) -> None:
    with pytest.raises(SomaNetError, match=words):
        detect_boxes(boxes, [np.zeros(SHAPE, np.uint16)] * 3)


def test_tracks_of_boxes_are_those_of_the_masks() -> None:
    """Two discs cross the frame at 2 px a frame; a speck of 2 px is noise by its size in both."""
    masks = [discs(SHAPE, (10, 10 + 2 * t, 5), (30, 50 - 2 * t, 6), (20, 3, 1)) for t in range(9)]
    frames = [np.where(labels > 0, 900, 100).astype(np.uint16) for labels in masks]
    boxes = table(*((t, *sides) for t, labels in enumerate(masks) for sides in boxes_of(labels)))
    found = track_boxes(boxes, frames, SCALE)
    expected = track_masks(masks, frames, SCALE, settings=TrackSettings(separate_touching=False)).tracks
    columns = ["track_id", "frame", "t_h", "y_um", "x_um"]
    pd.testing.assert_frame_equal(found[columns], expected[columns])
    assert found.groupby("track_id").size().to_dict() == {1: 9, 2: 9}
    every = track_boxes(boxes, frames, SCALE, settings=TrackSettings(min_soma_area_um2=0))
    assert every["track_id"].nunique() == 3


def test_blank_frames_are_passed_through() -> None:
    frames = [np.full(SHAPE, 100, np.uint16)] * 14
    seen = [0, 1, 2, 3, 10, 11, 12, 13]
    boxes = table(*((t, 10, 10, 20, 20) for t in seen))
    assert track_boxes(boxes, frames, SCALE)["track_id"].nunique() == 2
    assert track_boxes(boxes, frames, SCALE, blank_frames=range(4, 10))["track_id"].nunique() == 1
