"""The threshold that suits a network: cones of probability, of which a known level is the soma."""

from __future__ import annotations

import math

import numpy as np
import pytest

from somanet.errors import SomaNetError
from somanet.labelling.thresholds import CANDIDATES, at_thresholds, best_threshold
from somanet.segmentation.settings import ModelSpec

SHAPE = (96, 160)
CENTRES = ((40, 40), (50, 110))
RADIUS = 32.0


def cones() -> np.ndarray:
    """1 at each centre, falling to 0 at a distance of RADIUS."""
    y, x = np.indices(SHAPE)
    return np.max([1 - np.hypot(y - cy, x - cx) / RADIUS for cy, cx in CENTRES], axis=0).clip(0).astype(np.float32)


def somas(level: float) -> np.ndarray:
    """The two cones from a level up."""
    y, x = np.indices(SHAPE)
    labels = np.zeros(SHAPE, np.int32)
    for number, (cy, cx) in enumerate(CENTRES, start=1):
        labels[1 - np.hypot(y - cy, x - cx) / RADIUS >= level] = number
    return labels


def test_the_accuracy_is_best_at_the_level_of_the_truth() -> None:
    """Of a cone, the level t has the radius (1 − t) R: masks at 0.5 have (0.5 / 0.7)² of the area at 0.3."""
    scored = {one.threshold: one for one in at_thresholds([cones()[None]], [somas(0.3)], ModelSpec())}
    assert tuple(scored) == CANDIDATES
    assert max(scored.values(), key=lambda one: one.accuracy).threshold == 0.3
    assert scored[0.3].accuracy == 1
    assert scored[0.3].size_bias == 1
    assert scored[0.5].size_bias == pytest.approx((0.5 / 0.7) ** 2, rel=0.02)
    assert scored[0.5].accuracy == pytest.approx(1 / 5), "(0.5 / 0.7)² = 0.51: of the five IoUs only 0.5 is passed"
    assert math.isnan(scored[0.8].size_bias), "(0.2 / 0.7)² matches nothing"


def test_of_equal_thresholds_the_nearest_is_kept() -> None:
    """A step from 0 to 1: every threshold gives the same labels."""
    step = (somas(0.3) > 0).astype(np.float32)
    before, now = best_threshold([step[None]], [somas(0.3)], ModelSpec())
    assert before == now
    assert now.threshold == 0.5


def test_where_nothing_is_found_no_threshold_is_best() -> None:
    with pytest.raises(SomaNetError, match="No threshold suits"):
        best_threshold([np.zeros((1, *SHAPE), np.float32)], [somas(0.3)], ModelSpec())
