"""Tables of tracks: sorted, and refused with the reason if they are impossible."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from somanet.core.errors import SomaNetError
from somanet.core.schema import check_tracks

# two cells, half an hour per frame, 2 µm per pixel; the second is missed in frame 1; rows in no order
GOOD = pd.DataFrame(
    {
        "track_id": [2, 1, 1, 2],
        "frame": [2, 1, 0, 0],
        "t_h": [1.0, 0.5, 0.0, 0.0],
        "y_px": [4.0, 1.0, 0.0, 3.0],
        "x_px": [5.0, 2.0, 1.0, 4.0],
        "y_um": [8.0, 2.0, 0.0, 6.0],
        "x_um": [10.0, 4.0, 2.0, 8.0],
        "confidence": [0.9, 0.8, 0.7, 0.6],
    }
)


def test_tracks_come_back_by_cell_and_frame_with_all_columns() -> None:
    before = GOOD.copy()
    ordered = check_tracks(GOOD, "a.csv")
    assert ordered[["track_id", "frame"]].to_numpy().tolist() == [[1, 0], [1, 1], [2, 0], [2, 2]]
    assert ordered["confidence"].tolist() == [0.7, 0.8, 0.6, 0.9]
    assert ordered.index.tolist() == [0, 1, 2, 3]
    pd.testing.assert_frame_equal(GOOD, before)


def test_no_tracks_are_tracks() -> None:
    assert check_tracks(GOOD[:0], "a.csv").empty


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="y_um"), r"a\.csv: the tracks table lacks \['y_um'\]"),
        (lambda t: pd.concat([t[:1], t[:1]]).assign(frame=1e300), r"has two points in frame 1e\+300; expected"),
        (lambda t: pd.concat([t, t[:1]]), r"a\.csv: track 2 has two points in frame 2; expected one per frame"),
        (lambda t: t.assign(track_id=t["track_id"] - 1), "expected track ids from 1 and frames from 0, found 0 and 0"),
        (lambda t: t.assign(frame=t["frame"] - 1), "expected track ids from 1 and frames from 0, found 1 and -1"),
        (lambda t: t.assign(x_px=t["x_px"].where(t["frame"] != 1)), "point of track 1 in frame 1 lacks a position"),
        (lambda t: t.assign(t_h=float("inf")), "point of track 2 in frame 2 lacks a position or time"),
        (lambda t: t.assign(t_h=0.5), r"t_h does not increase with frame within a track \(track 1, frame 1\)"),
        (lambda t: t.assign(t_h=-t["t_h"]), "t_h does not increase with frame within a track"),
    ],
)
def test_tracks_that_cannot_be_true(change: Callable[[pd.DataFrame], pd.DataFrame], words: str) -> None:
    with pytest.raises(SomaNetError, match=words) as error:
        check_tracks(change(GOOD), "a.csv")
    assert "\n" not in str(error.value)
