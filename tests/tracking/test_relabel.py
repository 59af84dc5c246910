"""Label movies by track: relabelled, streamed, and refused where tracks and images disagree."""

import numpy as np
import pandas as pd
import pytest

from somanet.core.errors import SomaNetError
from somanet.tracking.relabel import relabel_movie
from tests.tracking.worlds import draw

LABELS = draw("""
11..7  ..1..  .....
11..7  ..1..  ..5..
""")
TRACKS = pd.DataFrame({"track_id": [30, 30, 31], "frame": [0, 2, 1], "label": [7, 5, 1]})


def test_objects_get_the_names_of_their_tracks() -> None:
    """Track 30 is label 7, then missed, then label 5; label 1 of frame 0 is in no track."""
    expected = {0: 30, 1: 31, 2: 30}
    frames = list(relabel_movie(LABELS, TRACKS))
    assert [frame.dtype for frame in frames] == [np.int32] * 3
    for t, label in enumerate([7, 1, 5]):
        np.testing.assert_array_equal(frames[t], np.where(LABELS[t] == label, expected[t], 0))


def test_frames_come_as_they_are_asked_for() -> None:
    read = []

    def labels():
        for t, frame in enumerate(LABELS):
            read.append(t)
            yield frame

    movie = relabel_movie(labels(), TRACKS)
    next(movie)
    assert read == [0]


@pytest.mark.parametrize(
    ("labels", "tracks", "words"),
    [
        (LABELS, TRACKS.assign(label=[7, 5, 2]), r"\[2\]"),
        (LABELS[:2], TRACKS, "extend to frame 2"),
        (LABELS, TRACKS.drop(columns="label"), r"lack \['label'\]"),
        (LABELS * 1.0, TRACKS, "integers"),
    ],
)
def test_disagreement(labels: np.ndarray, tracks: pd.DataFrame, words: str) -> None:
    with pytest.raises(SomaNetError, match=words):
        list(relabel_movie(labels, tracks))
