"""Label images as polygons of half pixels."""

from __future__ import annotations

import numpy as np

from somanet.analysis.report.outlines import compact, outlines
from tests.worlds import draw

WORLD = """
    ..........
    .aaa...b..
    .aaa......
    .......b..
    ..........
    ....ddd...
    ....ddd...
"""


def test_an_outline_runs_along_the_outer_edge_of_its_pixels() -> None:
    """Label 1 fills rows 1–2 and columns 1–3: half pixels 2–5 and 2–7."""
    [(label, [polygon])] = [found for found in outlines(draw(WORLD, scale=1)) if found[0] == 1]
    assert label == 1
    assert {tuple(point) for point in polygon.tolist()} == {(2, 2), (2, 7), (5, 2), (5, 7)}


def test_labels_keep_their_numbers_and_pieces() -> None:
    """Label 2 is two separate pixels: two parts; 3 is missing."""
    found = {label: len(polygons) for label, polygons in outlines(draw(WORLD, scale=1))}
    assert found == {1: 1, 2: 2, 4: 1}


def test_nothing_has_no_outlines() -> None:
    assert outlines(np.zeros((5, 7), np.int32)) == []


def test_a_coarser_outline_has_fewer_points_and_stays_near() -> None:
    """A disc of radius 20 px; every corner of its outline is within tolerance of the circle, and a pixel's half."""
    y, x = np.mgrid[:60, :70]
    disc = (np.hypot(y - 30, x - 35) <= 20).astype(np.int32)
    sizes = []
    for tolerance in (1.0, 4.0):
        [(_, [polygon])] = outlines(disc, tolerance_units=tolerance)
        pixels = (polygon - 0.5) / 2
        away = np.abs(np.hypot(pixels[:, 0] - 30, pixels[:, 1] - 35) - 20)
        assert away.max() < 1.0
        sizes.append(len(polygon))
    assert 4 < sizes[1] < sizes[0] < 80


def test_compact_numbers_add_up_to_the_polygon() -> None:
    polygon = np.array([[10, 4], [10, 9], [13, 9]], np.int32)
    assert compact(polygon) == [10, 4, 0, 5, 3, 0]
    assert np.array_equal(np.cumsum(np.reshape(compact(polygon), (-1, 2)), axis=0), polygon)
