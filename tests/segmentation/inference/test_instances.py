"""From probabilities to one label per soma."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from somanet.segmentation.inference.instances import probabilities_to_labels
from somanet.segmentation.network.inputs import make_targets
from somanet.segmentation.network.probabilities import foreground, sigmoid
from somanet.segmentation.network.settings import InstanceSettings

BOTH = ("soma", "boundary")
MAPS = hnp.arrays(np.float32, (2, 9, 13), elements=st.floats(0, 1, width=32))
SETTINGS = st.builds(
    InstanceSettings,
    threshold=st.floats(0.1, 0.9),
    seed_threshold=st.floats(0.1, 0.9),
    min_seed_px=st.integers(0, 6),
    min_area_px=st.integers(0, 6),
)


def two_discs(distance_px: int = 24) -> np.ndarray:
    """Two discs of radius 12 that touch at a narrow waist."""
    y, x = np.mgrid[:40, :64]
    labels = np.zeros((40, 64), np.int32)
    for number, cx in ((1, 18), (2, 18 + distance_px)):
        labels[(y - 20) ** 2 + (x - cx) ** 2 <= 12**2] = number
    return labels


def test_touching_discs_are_one_soma_without_a_boundary() -> None:
    ground_truth = two_discs()
    labels = probabilities_to_labels(make_targets(ground_truth, ("soma",)), ("soma",), InstanceSettings())
    np.testing.assert_array_equal(labels, ground_truth > 0)


def test_touching_discs_come_apart_with_a_boundary() -> None:
    """The flood meets between the cores: each disc comes back whole but for pixels along the waist."""
    ground_truth = two_discs()
    labels = probabilities_to_labels(make_targets(ground_truth, BOTH), BOTH, InstanceSettings())
    np.testing.assert_array_equal(labels > 0, ground_truth > 0)
    assert labels.max() == 2
    assert np.count_nonzero(labels != ground_truth) <= 12


def test_the_boundary_is_found_by_name() -> None:
    maps = make_targets(two_discs(), BOTH)
    swapped = probabilities_to_labels(maps[::-1], BOTH[::-1], InstanceSettings())
    np.testing.assert_array_equal(swapped, probabilities_to_labels(maps, BOTH, InstanceSettings()))


def test_a_soma_without_a_core_stays_one() -> None:
    """A thin process is all boundary; it is foreground all the same, beside a soma with a core."""
    ground_truth = two_discs(distance_px=0)
    ground_truth[36, 5:60] = 3
    labels = probabilities_to_labels(make_targets(ground_truth, BOTH), BOTH, InstanceSettings())
    assert labels.max() == 2
    assert len(np.unique(labels[36, 5:60])) == 1
    np.testing.assert_array_equal(labels > 0, ground_truth > 0)


@pytest.mark.parametrize(("min_seed_px", "n"), [(8, 1), (3, 2)])
def test_a_core_too_small_starts_no_soma(min_seed_px: int, n: int) -> None:
    """A bar with cores of 4 x 5 px and of 4 px."""
    soma = np.zeros((8, 24), np.float32)
    soma[2:6, 2:20] = 0.9
    boundary = np.where(soma > 0, 0.95, 0).astype(np.float32)
    boundary[2:6, 4:9] = boundary[4, 14:18] = 0
    settings = InstanceSettings(min_seed_px=min_seed_px)
    labels = probabilities_to_labels(np.stack([soma, boundary]), BOTH, settings)
    assert labels.max() == n
    np.testing.assert_array_equal(labels > 0, soma > 0)


def test_what_the_edge_of_the_image_cuts_may_be_smaller() -> None:
    """Of three objects of 3 px, two touch an edge; one of 2 px does, too."""
    soma = np.zeros((1, 9, 14), np.float32)
    soma[0, 0, 0:3] = soma[0, 4, 5:8] = soma[0, 6:9, 13] = soma[0, 8, 0:2] = 1
    labels = probabilities_to_labels(soma, ("soma",), InstanceSettings(min_area_px=4), min_cut_px=3)
    assert [(y, x) for y, x in np.argwhere(labels > 0) if x > 12] == [(6, 13), (7, 13), (8, 13)]
    assert np.bincount(labels.ravel())[1:].tolist() == [3, 3]
    assert labels[0, 0]
    assert not probabilities_to_labels(soma, ("soma",), InstanceSettings(min_area_px=4)).any()


@pytest.mark.parametrize(("min_area_px", "areas"), [(0, [1, 6, 20]), (6, [6, 20]), (7, [20]), (21, [])])
def test_noise_goes_and_numbers_close_up(min_area_px: int, areas: list[int]) -> None:
    soma = np.zeros((1, 12, 20), np.float32)
    soma[0, 1, 1] = soma[0, 3:5, 3:6] = soma[0, 7:11, 8:13] = 1
    labels = probabilities_to_labels(soma, ("soma",), InstanceSettings(min_area_px=min_area_px))
    assert np.bincount(labels.ravel())[1:].tolist() == areas


def test_the_threshold_itself_is_soma() -> None:
    probabilities = np.float32([[[0.29, 0.3, 0.31]]])
    settings = InstanceSettings(threshold=0.3)
    soma = foreground(probabilities[0] + np.float32(1e-7) * (probabilities[0] == np.float32(0.3)), settings)
    assert soma.tolist() == [[False, True, True]]
    assert foreground(np.float32([0.5]), InstanceSettings()).all()


def test_nothing_is_no_soma() -> None:
    labels = probabilities_to_labels(np.zeros((2, 5, 7), np.float32), BOTH, InstanceSettings())
    assert labels.dtype == np.int32
    assert labels.shape == (5, 7)
    assert not labels.any()


@given(MAPS, SETTINGS, st.booleans())
def test_laws(maps: np.ndarray, settings: InstanceSettings, with_boundary: bool) -> None:
    """Labels cover only the foreground and, but for small objects, all of it; 1…n in scan order; each connected and
    large enough.
    """
    outputs = BOTH if with_boundary else ("soma",)
    labels = probabilities_to_labels(maps[: len(outputs)], outputs, settings)
    mask = maps[0] >= settings.threshold
    assert not (labels > 0)[~mask].any()
    if settings.min_area_px <= 1:
        np.testing.assert_array_equal(labels > 0, mask)
    present, first = np.unique(labels[labels > 0], return_index=True)
    assert present.tolist() == list(range(1, labels.max() + 1))
    assert (np.diff(first) > 0).all()
    areas = np.bincount(labels.ravel())[1:]
    assert (areas >= max(settings.min_area_px, 1)).all()
    for number in range(1, labels.max() + 1):
        assert ndimage.label(labels == number)[1] == 1
    components, n = ndimage.label(mask)
    if settings.min_area_px <= 1:
        assert labels.max() == n if not with_boundary else labels.max() >= n
        assert {int(c) for c in np.unique(components[labels > 0])} == set(range(1, n + 1))


@given(st.floats(-1e4, 1e4, width=32))
def test_sigmoid_neither_overflows_nor_loses_its_type(logit: float) -> None:
    value = sigmoid(np.float32([logit]))
    assert value.dtype == np.float32
    assert value[0] == pytest.approx(1 / (1 + np.exp(-min(max(logit, -700.0), 700.0))), abs=1e-6)
