"""Processes of drawn cells in one frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somanet.analysis.processes.candidates import Candidate, find_candidates
from somanet.analysis.processes.following import turn_deg
from somanet.analysis.processes.forest import roots_of, sums_to_root
from somanet.analysis.processes.settings import TracingSettings
from tests.analysis.processes.worlds import LIGHT, RADIUS_PX, Point, X, Y, disc, photo, ray

PIXEL_UM = 1.25
MIDDLE: Point = (72.0, 91.0)


def traced(frame: np.ndarray, labels: np.ndarray, centres: list[Point], pixel_um: float = PIXEL_UM) -> list[Candidate]:
    """The best candidate of each cell that has one."""
    ids = np.arange(1, len(centres) + 1)
    found = find_candidates(frame, labels, np.array(centres), ids, pixel_um, TracingSettings())
    return [of_cell[0] for of_cell in found if of_cell]


@settings(max_examples=8, deadline=None)
@given(angle=st.floats(-180, 180), length=st.floats(25, 55), seed=st.integers(0, 99))
def test_a_straight_process_has_its_length_and_direction(angle: float, length: float, seed: int) -> None:
    """A line of known length at an angle from the right, clockwise as displayed; 4° and 4 px of blur and pixels."""
    labels = disc([MIDDLE])
    best = traced(photo(labels, [ray(MIDDLE, angle, length)], seed=seed), labels, [MIDDLE])[0]
    assert turn_deg(best.direction_deg, angle) < 4
    assert best.length_um == pytest.approx(length * PIXEL_UM, abs=4 * PIXEL_UM)
    assert not best.at_edge


@pytest.mark.parametrize(("angle", "tip"), [(0, (72, 131)), (90, (112, 91)), (180, (72, 51)), (-90, (32, 91))])
def test_right_is_0_and_down_is_90(angle: float, tip: Point) -> None:
    """The tip lies 8 + 32 px from the centre, and the base on the outline, 8 px from it."""
    labels = disc([MIDDLE])
    best = traced(photo(labels, [ray(MIDDLE, angle, 32)]), labels, [MIDDLE])[0]
    assert best.line_yx_px[-1] == pytest.approx(tip, abs=4)
    assert np.hypot(*(best.line_yx_px[0] - MIDDLE)) == pytest.approx(RADIUS_PX, abs=2)
    assert turn_deg(best.direction_deg, angle) < 4
    assert turn_deg(best.base_deg, angle) < 15


def test_fine_pixels_give_the_same_process() -> None:
    """The same picture with three times the pixels, each a third of the size, in µm and px of that movie."""
    labels = disc([MIDDLE])
    frame = photo(labels, [ray(MIDDLE, 30, 40)])
    large, large_labels = np.kron(frame, np.ones((3, 3))), np.kron(labels, np.ones((3, 3), np.int32))
    one = traced(frame, labels, [MIDDLE])[0]
    three = traced(large, large_labels, [(MIDDLE[0] * 3 + 1, MIDDLE[1] * 3 + 1)], PIXEL_UM / 3)[0]
    assert three.length_um == pytest.approx(one.length_um, rel=0.1)
    assert three.line_yx_px[-1] == pytest.approx(one.line_yx_px[-1] * 3 + 1, abs=6)


def test_a_ridge_belongs_to_the_soma_it_comes_from() -> None:
    """Two somas, and a line from the first that ends 20 px before the second: the second has none."""
    first, second = (72.0, 41.0), (72.0, 131.0)
    labels = disc([first, second])
    frame = photo(labels, [ray(first, 0, 54)])
    found = find_candidates(frame, labels, np.array([first, second]), np.array([1, 2]), PIXEL_UM, TracingSettings())
    assert found[0][0].length_um == pytest.approx(54 * PIXEL_UM, abs=5 * PIXEL_UM)
    assert all(turn_deg(one.direction_deg, 180) > 30 or one.length_um < 20 for one in found[1])


def test_somas_share_a_ridge_between_them_without_overlap() -> None:
    """A line that joins two somas, 74 px between their outlines: each has the half that is nearer to it."""
    first, second = (72.0, 41.0), (72.0, 131.0)
    labels = disc([first, second])
    left, right = traced(photo(labels, [(first, second)]), labels, [first, second])
    assert left.length_um + right.length_um == pytest.approx(74 * PIXEL_UM, abs=8 * PIXEL_UM)
    assert left.line_yx_px[:, 1].max() <= right.line_yx_px[:, 1].min()


def test_a_path_does_not_cross_another_soma() -> None:
    """A line through a second soma: the first cell's part ends at it."""
    first, second = (72.0, 41.0), (72.0, 91.0)
    labels = disc([first, second])
    best = traced(photo(labels, [(first, (72.0, 150.0))]), labels, [first, second])[0]
    assert best.line_yx_px[:, 1].max() < second[1] - RADIUS_PX + 1


@pytest.mark.parametrize("value", [0.0, 1000.0, np.nan])
def test_a_blank_frame_has_no_process(value: float) -> None:
    labels = disc([MIDDLE])
    assert traced(np.full((Y, X), value, np.float32), labels, [MIDDLE]) == []


def test_noise_has_no_long_process() -> None:
    """A soma without any line: nothing longer than its own radius is traced with a score of note."""
    labels = disc([MIDDLE])
    for seed in range(3):
        assert all(one.score_um < 15 for one in traced(photo(labels, [], seed=seed), labels, [MIDDLE]))


def test_a_cell_without_pixels_has_no_process() -> None:
    labels = disc([MIDDLE])
    frame = photo(labels, [ray(MIDDLE, 0, 30)])
    found = find_candidates(frame, labels, np.array([MIDDLE, (20.0, 20.0)]), np.array([1, 7]), 1.0, TracingSettings())
    assert found[0]
    assert not found[1]
    assert find_candidates(frame, np.zeros_like(labels), np.array([MIDDLE]), np.array([1]), 1.0, TracingSettings()) == [
        ()
    ]


def test_a_process_that_leaves_the_frame_says_so() -> None:
    """A cell that the left edge cuts, and a line at 60° that runs out of the frame at the bottom."""
    centre: Point = (72.0, 3.0)
    labels = disc([centre])
    best = traced(
        photo(labels, [(centre, (72.0 + 200 * np.sin(np.pi / 3), 3.0 + 200 * np.cos(np.pi / 3)))]), labels, [centre]
    )[0]
    assert best.at_edge
    assert turn_deg(best.direction_deg, 60) < 4


def test_the_tip_is_where_the_growth_cone_spreads() -> None:
    """A stem of 40 px and three branches of 14 px from its end: the tip is the end of the stem."""
    labels = disc([MIDDLE])
    stem = ray(MIDDLE, 0, 40)
    palm = stem[1]
    fan = [(palm, (palm[0] + 14 * np.sin(a), palm[1] + 14 * np.cos(a))) for a in (-0.8, 0.0, 0.8)]
    best = traced(photo(labels, [stem, *fan], light=2 * LIGHT), labels, [MIDDLE])[0]
    assert best.line_yx_px[-1] == pytest.approx(palm, abs=5)


def test_sums_along_paths_are_those_of_walking() -> None:
    """A random forest, against one step at a time."""
    rng = np.random.default_rng(2)
    parent = np.array([rng.integers(0, max(i, 1)) if i % 7 else i for i in range(200)])
    values = np.where(parent == np.arange(200), 0.0, rng.uniform(size=200))
    sums, roots = sums_to_root(parent, values), roots_of(parent)
    for i in range(200):
        total, here = 0.0, i
        while parent[here] != here:
            total, here = total + values[here], int(parent[here])
        assert sums[i] == pytest.approx(total)
        assert roots[i] == here
