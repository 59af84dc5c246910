"""Touching somas, separated by the peaks of a distance map."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.morphology import h_maxima

from somanet.segmentation.inference.distance_watershed import SMOOTHING_PX, split_by_distance
from somanet.segmentation.inference.instances import probabilities_to_labels
from somanet.segmentation.network.inputs import make_targets
from somanet.segmentation.network.settings import InstanceSettings

HEIGHT, WIDTH = 40, 70
CROSS = ndimage.generate_binary_structure(2, 1)


def disks(*circles: tuple[float, float, float]) -> np.ndarray:
    """A label image: later circles (y, x, radius) lie over earlier ones."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    labels = np.zeros((HEIGHT, WIDTH), np.int32)
    for number, (cy, cx, radius) in enumerate(circles, start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = number
    return labels


def perfect_maps(labels: np.ndarray) -> np.ndarray:
    """The output of a perfect network."""
    return make_targets(labels, ("soma", "distance"))


def test_two_touching_disks_are_two_and_each_keeps_its_pixels() -> None:
    """Radius 9, centres 17 px apart: they share a rim, one component without the distance map."""
    ground_truth = disks((20, 20, 9), (20, 37, 9))
    assert ndimage.label(ground_truth > 0)[1] == 1
    labels = probabilities_to_labels(perfect_maps(ground_truth), ("soma", "distance"), InstanceSettings())
    assert labels.max() == 2
    for number in (1, 2):
        found = labels == labels[ground_truth == number][len(labels[ground_truth == number]) // 2]
        shared = np.count_nonzero(found & (ground_truth == number)) / np.count_nonzero(found | (ground_truth == number))
        assert shared > 0.9


def test_one_disk_of_any_size_stays_one() -> None:
    for radius in (2, 5, 12, 19):
        ground_truth = disks((20, 35, radius))
        assert probabilities_to_labels(perfect_maps(ground_truth), ("soma", "distance"), InstanceSettings()).max() == 1


@pytest.mark.parametrize(("peak_height", "expected"), [(0.05, 2), (0.15, 2), (0.35, 1)])
def test_peaks_are_apart_where_the_pass_lies_lower_by_the_height(peak_height: float, expected: int) -> None:
    """A ridge of height 1 with a saddle: cos with a fall of 0.25 from peak to pass, wide enough to stay."""
    x = np.arange(WIDTH)
    ridge = 1 - 0.125 * (1 - np.cos(2 * np.pi * (x - 10) / 50))  # peaks at 10 and 60, the pass at 35 is 0.75
    distance = np.tile(ridge, (HEIGHT, 1)).astype(np.float32)
    components = np.zeros((HEIGHT, WIDTH), np.int32)
    components[10:30] = 1
    inside = np.where(components > 0, ndimage.gaussian_filter(distance, SMOOTHING_PX), 0)
    fall = float(inside[20, 10] - inside[20, 35])
    assert (fall >= peak_height) == (expected == 2)  # the world is what the docstring says
    labels = split_by_distance(components, distance, peak_height)
    assert len(np.unique(labels[components > 0])) == expected
    assert not labels[components == 0].any()


def test_pixels_belong_to_the_peak_on_their_side_and_components_never_mix() -> None:
    ground_truth = disks((20, 14, 8), (20, 29, 8), (20, 55, 10))
    components, n = ndimage.label(ground_truth > 0)
    assert n == 2
    labels = split_by_distance(components, perfect_maps(ground_truth)[1], 0.1)
    assert len(np.unique(labels[ground_truth > 0])) == 3
    for number in np.unique(labels[labels > 0]):
        assert len(np.unique(components[labels == number])) == 1
    assert labels[20, 14] != labels[20, 29]


def test_an_empty_map_has_no_objects() -> None:
    nothing = np.zeros((HEIGHT, WIDTH), np.float32)
    assert not split_by_distance(nothing.astype(int), nothing, 0.1).any()
    labels = probabilities_to_labels(np.stack([nothing, nothing]), ("soma", "distance"), InstanceSettings())
    assert labels.shape == (HEIGHT, WIDTH)
    assert labels.max() == 0


def test_a_component_without_any_distance_stays_one_object() -> None:
    ground_truth = disks((20, 20, 9))
    maps = np.stack([ground_truth > 0, np.zeros_like(ground_truth)]).astype(np.float32)
    labels = probabilities_to_labels(maps, ("soma", "distance"), InstanceSettings())
    np.testing.assert_array_equal(labels > 0, ground_truth > 0)
    assert labels.max() == 1


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), peak_height=st.sampled_from([0.05, 0.1, 0.2]))
def test_the_objects_are_those_of_h_maxima(seed: int, peak_height: float) -> None:
    """An independent library counts the same peaks: scikit-image's h-maxima, by reconstruction."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(HEIGHT, WIDTH)), 3)
    distance = ((smooth - smooth.min()) / (smooth.max() - smooth.min())).astype(np.float32)
    components, n = ndimage.label(distance > 0.55)
    height = np.where(components > 0, ndimage.gaussian_filter(distance, SMOOTHING_PX), 0).astype(np.float64)
    labels = split_by_distance(components, distance, peak_height)
    for number in range(1, n + 1):
        here = components == number
        alone = np.where(here, height, 0)
        # a little to either side: where a fall equals the height exactly, rounding decides
        counts = {
            max(1, ndimage.label(h_maxima(alone, peak_height + off, footprint=CROSS).astype(bool) & here)[1])
            for off in (-1e-5, 1e-5)
        }
        assert len(np.unique(labels[here])) in counts
