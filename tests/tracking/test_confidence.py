"""Confidence of the network's objects in tracks: not where tracking split or merged them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from somanet.tracking.confidence import confidence_of_tracks

# frame 0: 1 and 2 kept under other ids; frame 1: 1 split into 7 and 8, 2 and 3 merged to 9, 4 dropped, 5 kept
MASKS = [
    np.array([[1, 1, 0, 2, 2], [0, 0, 0, 2, 0], [0, 0, 0, 0, 0]]),
    np.array([[1, 1, 0, 2, 2], [1, 1, 0, 3, 3], [4, 0, 0, 0, 5]]),
]
LINKED = [
    np.array([[6, 6, 0, 1, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]),
    np.array([[7, 8, 0, 9, 9], [7, 8, 0, 9, 9], [0, 0, 0, 0, 2]]),
]
SOMAS = pd.DataFrame(
    {
        "frame": [0, 0, 1, 1, 1, 1, 1],
        "label": [1, 2, 1, 2, 3, 4, 5],
        "confidence": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3],
    }
)


def test_confidence_is_the_objects_own_or_unknown() -> None:
    tracks = pd.DataFrame(
        {"frame": [0, 1, 0, 1, 1, 1], "label": [6, 7, 1, 9, 8, 2]},
        index=range(9, 3, -1),
    )
    found = confidence_of_tracks(tracks, LINKED, MASKS, SOMAS)
    np.testing.assert_array_equal(found, [0.9, np.nan, 0.8, np.nan, np.nan, 0.3])


def test_a_soma_that_lost_or_gained_pixels_is_another() -> None:
    tracks = pd.DataFrame({"frame": [0, 0], "label": [6, 1]})
    smaller, larger = LINKED[0].copy(), LINKED[0].copy()
    smaller[0, 0] = 0
    larger[2, 0] = 6
    for linked in (smaller, larger):
        np.testing.assert_array_equal(confidence_of_tracks(tracks, [linked], MASKS, SOMAS), [np.nan, 0.8])


def test_no_tracks_have_no_confidence() -> None:
    empty = pd.DataFrame({"frame": pd.Series(dtype=int), "label": pd.Series(dtype=int)})
    assert confidence_of_tracks(empty, LINKED, MASKS, SOMAS).shape == (0,)
