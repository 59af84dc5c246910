"""Outlines and run lengths become the masks that geometry, and pycocotools, say."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco

from somanet.core.errors import SomaNetError
from somanet.io.datasets.outlines import ellipse, polygon_mask, run_length_mask

SHAPE = (11, 17)


def test_a_rectangle_fills_its_pixels() -> None:
    """From x = 3 to 8 and y = 2 to 6: columns 3 to 7, rows 2 to 5, as 0, 0 is the corner of the first pixel."""
    expected = np.zeros(SHAPE, np.uint8)
    expected[2:6, 3:8] = 1
    np.testing.assert_array_equal(polygon_mask([[3, 2, 8, 2, 8, 6, 3, 6]], SHAPE, "x"), expected)


def test_polygons_of_one_object_are_joined_and_cut_at_the_edge() -> None:
    expected = np.zeros(SHAPE, np.uint8)
    expected[:3, :2] = 1
    expected[5:7, 10:12] = 1
    both = [[-4, -3, 2, -3, 2, 3, -4, 3], [10, 5, 12, 5, 12, 7, 10, 7]]
    np.testing.assert_array_equal(polygon_mask(both, SHAPE, "x"), expected)


def test_a_circle_has_the_area_of_a_circle() -> None:
    area = polygon_mask([ellipse(40.0, 60.0, 30.0)], (80, 120), "x").sum()
    assert area == pytest.approx(np.pi * 30**2, rel=0.01)


@pytest.mark.parametrize(
    ("polygon", "words"),
    [
        ([1, 2, 3, 4], "at least three corners"),
        ([1, 2, 3, 4, 5], "at least three corners"),
        ([1, 2, 3, 4, 5, "6"], "at least three corners"),
        ("1, 2", "at least three corners"),
        ([1, 2, 3, 4, 5, float("nan")], "within 17 × 11 px"),
        ([1, 2, 3, 4, 1e9, 6], "x = 1e[+]09, y = 6"),
    ],
)
def test_what_is_no_outline_in_the_image_is_refused(polygon: object, words: str) -> None:
    with pytest.raises(SomaNetError, match=words):
        polygon_mask([polygon], SHAPE, "x.json, object 1")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
def test_run_lengths_are_read_as_pycocotools_writes_them(seed: int, density: float) -> None:
    shape = (97, 131)
    mask = (np.random.default_rng(seed).random(shape) < density).astype(np.uint8)
    packed = coco.encode(np.asfortranarray(mask))
    segmentation = {"size": packed["size"], "counts": packed["counts"].decode()}
    np.testing.assert_array_equal(run_length_mask(segmentation, shape, "x"), mask)
    columns = mask.T.ravel()
    changes = np.flatnonzero(np.diff(columns)) + 1
    runs = np.diff([0, *changes, columns.size]).tolist()
    listed = {"size": list(shape), "counts": runs if columns[0] == 0 else [0, *runs]}
    np.testing.assert_array_equal(run_length_mask(listed, shape, "x"), mask)


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [11, 17], "counts": [5, 5]},
        {"size": [11, 17], "counts": [-5, 192]},
        {"size": [11, 17], "counts": [187, 10**12]},
        {"size": [17, 11], "counts": [187]},
        {"size": [11, 17], "counts": ""},
        {"size": [11, 17], "counts": "000000"},
        {"size": [11, 17], "counts": "~~~~"},
        {"size": [11, 17], "counts": "o" * 40},
        {"size": [11, 17], "counts": None},
        {"counts": [187]},
    ],
)
def test_run_lengths_that_do_not_fill_the_image_are_refused(segmentation: dict) -> None:
    """pycocotools returns what lay in memory for some of them."""
    with pytest.raises(SomaNetError, match="fill 11 × 17 px"):
        run_length_mask(segmentation, SHAPE, "x.json, object 1")
