"""The shape of objects: drawn, and against scikit-image's regionprops."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label
from skimage.measure import regionprops_table

from somanet.tracking.shapes import hull_area_px, shapes_of

THEIRS = {
    "centroid-0": "y_px",
    "centroid-1": "x_px",
    "area": "area_px",
    "axis_major_length": "major_axis_px",
    "axis_minor_length": "minor_axis_px",
    "eccentricity": "eccentricity",
    "solidity": "solidity",
    "bbox-0": "top_px",
    "bbox-1": "left_px",
    "bbox-2": "bottom_px",
    "bbox-3": "right_px",
}


def mask(*rows: str) -> np.ndarray:
    return np.array([[pixel == "#" for pixel in row] for row in rows])


@pytest.mark.parametrize(
    ("drawn", "pixels"),
    [
        (mask("#"), 1),
        (mask("####"), 4),
        (mask("#..", ".#.", "..#"), 3),  # a diagonal, whose diamonds touch
        (mask("#....", "#....", "###.."), 6),  # an L: the straight line between its ends passes through a middle
        (mask("#.#", "...", "#.#"), 9),  # four corners
        (mask("#....", ".....", "#...#"), 11),  # 2, 4 and 5: the line from tip to tip runs through (0, 1) and (1, 3)
    ],
)
def test_the_hull_of_a_drawing(drawn: np.ndarray, pixels: int) -> None:
    """Pixels with their centre in the hull of the diamonds around the drawn ones, its border included."""
    assert hull_area_px(drawn) == pixels


def test_a_pixel_and_a_line() -> None:
    """A pixel has no axis; of four pixels in a row the variance is (16 - 1) / 12, the axis four times its root."""
    labels = np.zeros((5, 9), np.int64)
    labels[1, 2], labels[3, 3:7] = 1, 2
    found = shapes_of(labels, 2)
    assert found["major_axis_px"] == pytest.approx([0, 4 * (15 / 12) ** 0.5])
    assert found["minor_axis_px"] == pytest.approx([0, 0])
    assert found["eccentricity"] == pytest.approx([0, 1])
    assert (found["y_px"].tolist(), found["x_px"].tolist()) == ([1, 3], [2, 4.5])


def test_as_scikit_image_has_it() -> None:
    """Random objects of many sizes, every third image with objects in several parts, many at the edge.

    Whole numbers and what is exact are equal; of the axes the last bits depend on how numpy plans a sum.
    """
    rng, n_seen = np.random.default_rng(7), 0
    for k in range(24):
        labels, n = label(gaussian_filter(rng.normal(size=(61, 83)), rng.uniform(0.3, 5)) > rng.uniform(-0.05, 0.05))
        if k % 3 == 0:
            labels, n = np.where(labels > 0, (labels - 1) % 4 + 1, 0), min(n, 4)
        if not n:
            continue
        n_seen += n
        expected = regionprops_table(labels, properties=tuple({name.partition("-")[0]: 0 for name in THEIRS}))
        found = shapes_of(labels, n)
        assert tuple(found) == tuple(THEIRS.values())
        for theirs, ours in THEIRS.items():
            if "axis" in ours or ours == "eccentricity":
                np.testing.assert_allclose(found[ours], expected[theirs], rtol=1e-7, atol=1e-7, err_msg=ours)
            else:
                np.testing.assert_array_equal(found[ours], expected[theirs], err_msg=ours)
    assert n_seen > 150
