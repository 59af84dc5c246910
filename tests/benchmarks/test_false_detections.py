"""False detections by track, and what a reader saw there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.false_detections.__main__ import JUDGED, NOT_JUDGED, draw, false_detections, judgements

UM = 2.0


def positions(track: int, y_px: float, x_px: float, frames: range) -> pd.DataFrame:
    return pd.DataFrame(
        {"track_id": track, "frame": [*frames], "y_px": y_px, "x_px": x_px, "y_um": y_px * UM, "x_um": x_px * UM}
    )


@pytest.fixture
def tracks() -> pd.DataFrame:
    """Of 12 frames the reference has 1 in all, 2 in the first ten, 3 in none; 4 lies on a short track of it."""
    return pd.concat([positions(n, 20.0 * n, 30.0, range(12)) for n in (1, 2, 3)] + [positions(4, 80.0, 5.0, range(3))])


@pytest.fixture
def reference() -> pd.DataFrame:
    return pd.concat(
        [positions(7, 20.0, 31.0, range(12)), positions(8, 40.0, 30.0, range(10)), positions(9, 80.0, 5.0, range(3))]
    )


def test_what_matches_no_reference_track_is_false(tracks: pd.DataFrame, reference: pd.DataFrame) -> None:
    """Also the two frames of a cell that the reference lost; what lies on a short reference track is neither."""
    false = false_detections(tracks, reference)
    assert false.groupby("track_id")["frame"].apply(list).to_dict() == {2: [10, 11], 3: [*range(12)]}


def test_a_judgement_is_found_by_place(tracks: pd.DataFrame, reference: pd.DataFrame) -> None:
    """Of the first false detection: 2 px away it is that cell, in another frame or 4 px away it is not."""
    false = false_detections(tracks, reference)
    judged = pd.DataFrame(
        {"frame": [10, 1, 0], "y_px": [41.0, 60.0, 64.0], "x_px": [31.0, 30.0, 30.0], "judgement": ["soma", "no", "no"]}
    )
    assert judgements(false, judged) == {2: "soma", 3: NOT_JUDGED}


def test_each_track_has_a_row_of_pictures(tracks: pd.DataFrame, reference: pd.DataFrame) -> None:
    """The frames' number is in the titles: 2 of track 2, at most 6 of 12 of track 3, which comes first."""
    shape = (12, 90, 70)
    frames = np.random.default_rng(0).integers(10, 200, shape).astype(np.uint16)
    figure = draw(false_detections(tracks, reference), frames, np.zeros(shape, np.uint16), np.zeros(shape, np.uint16))
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["track 3: 12", *(f"frame {t}" for t in (2, 4, 7, 9, 11)), "track 2: 2", "frame 11"]


def test_the_reader_said_one_of_three_things() -> None:
    judged = pd.read_csv(JUDGED)
    assert set(judged["judgement"]) <= {"soma", "no soma", "cannot tell"}
    assert judged["note"].notna().all()
    assert not judged.duplicated(["frame", "y_px", "x_px"]).any()
