"""Choosing a network's settings: cones of which a known level is the soma, peaks of a known height."""

from __future__ import annotations

import math

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.segmentation.inference.choosing import CANDIDATES, Image, agreements, choose
from somanet.segmentation.network.settings import ModelSpec

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


def seen(maps_CYX: np.ndarray, labels_YX: np.ndarray) -> Image:
    """Without refinement the image itself is not looked at."""
    return Image(np.zeros(labels_YX.shape, np.uint8), labels_YX, maps_CYX)


def test_the_accuracy_is_best_at_the_level_of_the_ground_truth() -> None:
    """Of a cone, the level t has the radius (1 − t) R: masks at 0.5 have (0.5 / 0.7)² of the area at 0.3."""
    scored = {one.value: one for one in agreements("threshold", [seen(cones()[None], somas(0.3))], ModelSpec())}
    assert tuple(scored) == CANDIDATES["threshold"]
    assert max(scored.values(), key=lambda one: one.accuracy).value == 0.3
    assert scored[0.3].accuracy == 1
    assert scored[0.3].size_bias == 1
    assert scored[0.5].size_bias == pytest.approx((0.5 / 0.7) ** 2, rel=0.02)
    assert scored[0.5].accuracy == pytest.approx(1 / 5), "(0.5 / 0.7)² = 0.51: of the five IoUs only 0.5 is passed"
    assert math.isnan(scored[0.8].size_bias), "(0.2 / 0.7)² matches nothing"


def test_of_equal_thresholds_the_nearest_is_kept() -> None:
    """A step from 0 to 1: every threshold gives the same labels."""
    step = (somas(0.3) > 0).astype(np.float32)
    before, now = choose("threshold", [seen(step[None], somas(0.3))], ModelSpec())
    assert before == now
    assert now.value == 0.5


def test_where_nothing_is_found_no_threshold_is_best() -> None:
    with pytest.raises(SomaNetError, match="No threshold suits"):
        choose("threshold", [seen(np.zeros((1, *SHAPE), np.float32), somas(0.3))], ModelSpec())


def peaks(depth: float) -> np.ndarray:
    """Maps of soma and distance: a bar with a peak at each end, and a pass between them that is lower by ``depth``."""
    soma = np.zeros((64, 128), np.float32)
    soma[24:40, 16:112] = 1
    ramp = np.abs(np.linspace(-1, 1, 96, dtype=np.float32)) * depth + (1 - depth)
    distance = np.zeros_like(soma)
    distance[24:40, 16:112] = ramp * np.sin(np.linspace(0.2, np.pi - 0.2, 16, dtype=np.float32))[:, None]
    return np.stack([soma, distance])


@pytest.mark.parametrize(("true_somas", "expected"), [(1, 0.3), (2, 0.1)])
def test_what_parts_two_somas_is_as_deep_as_in_the_ground_truth(true_somas: int, expected: float) -> None:
    """Peaks 0.25 above the pass: two somas up to a height of 0.2, one from 0.3 on; among equals the nearest to 0.1."""
    spec = ModelSpec(outputs=("soma", "distance"))
    ground_truth = np.zeros((64, 128), np.int32)
    ground_truth[24:40, 16:112] = 1
    if true_somas == 2:
        ground_truth[24:40, 64:112] = 2
    before, now = choose("peak_height", [seen(peaks(0.25), ground_truth)], spec)
    assert (before.value, now.value) == (0.1, expected)
    assert now.accuracy == 1
    assert (now.splits, now.merges) == (0, 0)
    assert (before.splits > 0) is (true_somas == 1)


def test_a_network_without_a_distance_map_has_no_peaks() -> None:
    with pytest.raises(SomaNetError, match="peak_height needs a network with the output 'distance'; this one has soma"):
        choose("peak_height", [seen(cones()[None], somas(0.3))], ModelSpec())
