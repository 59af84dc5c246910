"""The share of errors among places of doubt, in a world drawn by hand."""

from __future__ import annotations

import numpy as np

from benchmarks.doubts import table, wrong_places
from somanet.analysis.labelling.doubts import LOW, SIZE, Place


def test_errors_are_objects_without_a_match_on_either_side() -> None:
    """Object 1 matches; 2 is false; the reference's second is missed. Places on 2, on the missed one and on nothing."""
    ours, reference = np.zeros((20, 30), np.int32), np.zeros((20, 30), np.int32)
    ours[2:8, 2:8] = reference[2:8, 2:9] = 1  # IoU 36/42
    ours[2:8, 20:26] = 2
    reference[12:18, 20:26] = 5
    wrong = wrong_places(ours, reference)
    assert wrong[2:8, 20:26].all()
    assert wrong[12:18, 20:26].all()
    assert wrong.sum() == 72
    places = [Place(0, 5, 23, LOW, 1), Place(0, 15, 23, LOW, 1), Place(0, 5, 5, SIZE, 1), Place(0, 19, 0, SIZE, 1)]
    rows = table(places, [ours], [reference]).set_index("doubt")
    assert rows["places"].to_dict() == {"all objects": 2, LOW: 2, SIZE: 2}
    assert rows["errors"].to_dict() == {"all objects": 0.5, LOW: 1.0, SIZE: 0.0}
