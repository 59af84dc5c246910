"""Which objects are certain by several scales, and how a scale compares with those."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import pytest

from somanet.segmentation.inference.certain import certain_objects, compared
from somanet.segmentation.inference.scales import Part, Scales
from somanet.segmentation.inference.segmenter import Segmented, Segmenter
from somanet.segmentation.network.intended_use import IntendedUse

SHAPE_YX = (60, 90)


class Knows:
    """A network of which only the sizes that it knows matter."""

    intended_use = IntendedUse(diameter_px=(8, 32))


def part(*boxes: tuple[int, int, int, int], confidence: float = 0.95) -> list[Part]:
    """The whole of one image with rectangles: first row, first column, height, width."""
    labels_YX = np.zeros(SHAPE_YX, np.int32)
    for n, (y, x, height, width) in enumerate(boxes):
        labels_YX[y : y + height, x : x + width] = n + 1
    n = len(boxes)
    return [
        Part(
            slice(0, SHAPE_YX[0]),
            slice(0, SHAPE_YX[1]),
            Segmented(labels_YX, np.full(n, confidence), np.full(n, 20.0)),
        )
    ]


def scales(**seen: Any) -> Scales:
    """One image at the steps own (0), half (-2), below (-1), above (1)."""
    steps = {"own": 0, "below": -1, "half": -2, "above": 1}
    found = Scales(cast("Segmenter", Knows()), of_movie=False, seen={steps[name]: one for name, one in seen.items()})
    found.images = [np.zeros(SHAPE_YX, np.uint8)]
    return found


def test_what_is_found_again_at_the_next_scale_with_confidence_is_certain() -> None:
    """Squares of 20 px: an equal one, one shifted by 1 px (IoU 19 / 21), by 5 px (15 / 25), and one found once."""
    equal, near, far, alone = (5, 5, 20, 20), (5, 27, 20, 20), (30, 5, 20, 20), (30, 40, 20, 20)
    seen = scales(own=part(equal, near, far, alone), below=part(equal, (5, 28, 20, 20), (30, 10, 20, 20)))
    np.testing.assert_allclose(seen.support(0, 0), [0.95, 0.95 * 19 / 21, 0.95 * 15 / 25, 0])
    certain = certain_objects(seen)
    px = 2 * math.sqrt(400 / math.pi)
    np.testing.assert_allclose(certain.diameters_px, [px, px])
    assert np.isnan(certain.other_px).all()
    assert (certain.labels[0] > 0).sum() == 2 * 400
    assert (certain.labels[0][5:25, 5:25] == 1).all()
    unsure = scales(own=part(equal, confidence=0.59), below=part(equal, confidence=0.59))
    assert len(certain_objects(unsure).support) == 0


def test_a_few_alike_of_many_pieces_are_not_certain() -> None:
    """One of four squares is found again: certain; one of five: chance."""
    boxes = [(5, 5, 12, 12), (5, 25, 12, 12), (5, 45, 12, 12), (5, 65, 12, 12), (30, 5, 12, 12)]
    for n, certain in ((4, 1), (5, 0)):
        seen = scales(own=part(*boxes[:n]), above=part(boxes[0], *[(30, 30 + 13 * i, 10, 10) for i in range(4)]))
        assert len(certain_objects(seen).support) == certain


def test_a_size_that_the_network_does_not_know_is_never_certain() -> None:
    """6 px are known from the next larger scale on, 40 px at their own size no longer; half the image is no soma."""
    small, large = (5, 5, 6, 6), (10, 40, 36, 36)
    seen = scales(own=part(small, large), above=part(small, large), below=part(small, large), half=part(small, large))
    by_step = {step: (seen.support(step, 0) > 0).tolist() for step in sorted(seen.seen)}
    assert by_step == {-2: [False, False], -1: [False, False], 0: [False, False], 1: [True, False]}
    low = scales(below=part((20, 20, 20, 20)), half=part((20, 20, 20, 20)))
    assert low.support(-1, 0) == pytest.approx([0.95])


def test_of_objects_that_overlap_the_more_certain_one_is_kept_and_knows_of_the_other() -> None:
    """A square of 26 px, cut into four at the scales above: the pieces are as certain, but for a pixel."""
    whole = (10, 10, 26, 26)
    pieces = [(10, 10, 12, 12), (10, 24, 12, 12), (24, 10, 12, 12), (24, 24, 12, 12)]
    apart = (12, 60, 14, 14)
    seen = scales(
        half=part(whole, apart), below=part(whole, apart, confidence=0.9), own=part(*pieces, apart, confidence=0.86),
        above=part(*pieces, apart, confidence=0.86),
    )  # fmt: skip
    certain = certain_objects(seen)
    np.testing.assert_allclose(sorted(certain.diameters_px), [2 * a / math.sqrt(math.pi) for a in (14, 26)])
    [piece_px] = certain.other_px[np.isfinite(certain.other_px)]
    assert piece_px == pytest.approx(2 * 12 / math.sqrt(math.pi))
    assert certain.diameters_px[np.isfinite(certain.other_px)] == pytest.approx([2 * 26 / math.sqrt(math.pi)])
    assert set(certain.steps) <= {-2, -1}


def test_a_scale_is_compared_with_what_is_certain() -> None:
    """Of three squares one is lost, one has 9 of 12 columns; another object is there, and one is cut by the edge."""
    one, two, three = (5, 5, 12, 12), (5, 25, 12, 12), (5, 45, 12, 12)
    seen = scales(own=part(one, two, three), above=part(one, two, three))
    certain = certain_objects(seen)
    thin, other, cut = (5, 25, 12, 9), (30, 30, 12, 12), (50, 70, 10, 12)
    seen.seen[2] = part(one, thin, other, cut)
    found = compared(seen, 2, certain, other=0)
    assert (found.same, found.alike, found.missed, found.odd, found.wrong) == (2, 1, 0, 0, 1)
    assert found.lost_px == pytest.approx([2 * 12 / math.sqrt(math.pi)])
    assert (found.share, found.certain_share) == (3 / 4, 2 / 4)
    assert found.area == pytest.approx((1 + 9 / 12) / 2)
    whole = compared(seen, 0, certain, other=2)
    assert (whole.same, whole.missed, whole.wrong, whole.share, whole.area) == (3, 1, 1, 3 / 4, 1.0)


def test_what_is_neither_certain_nor_like_it_is_odd() -> None:
    """Beside a certain square of 14 px: one of 6 px, one of 14 px apart, and one that overlaps it by half."""
    one = (20, 20, 14, 14)
    seen = scales(own=part(one), above=part(one))
    certain = certain_objects(seen)
    seen.seen[2] = part(one, (5, 60, 6, 6), (40, 40, 14, 14))
    assert compared(seen, 2, certain, other=0)[3:5] == (
        0,
        1,
    )  # the one of 14 px is larger than is known at twice the size
    seen.seen[-2] = part((5, 60, 6, 6), (40, 40, 14, 14), (20, 24, 14, 20))
    found = compared(seen, -2, certain, other=0)
    assert (found.alike, found.odd) == (1, 2)


def test_a_larger_scale_is_compared_where_it_was_seen() -> None:
    """Of four squares two are in its part of the image, one is cut by the part's edge: that one does not count."""
    boxes = [(5, 5, 12, 12), (5, 40, 12, 12), (30, 40, 12, 12), (30, 64, 12, 12)]
    seen = scales(own=part(*boxes), above=part(*boxes))
    certain = certain_objects(seen)
    assert len(certain.support) == 4
    small = np.zeros((60, 35), np.int32)
    small[5:17, 5:17] = 1
    seen.seen[2] = [Part(slice(0, 60), slice(35, 70), Segmented(small, np.ones(1), np.ones(1)))]
    there, here = compared(seen, 2, certain, other=0), compared(seen, 0, certain, other=2)
    assert (there.same, len(there.lost_px), there.odd) == (1, 1, 0)
    assert (here.same, len(here.lost_px), here.odd) == (3, 0, 0)


def test_nothing_is_nothing_else_than_nothing() -> None:
    seen = scales(own=part(), above=part())
    certain = certain_objects(seen)
    assert len(certain.diameters_px) == 0
    found = compared(seen, 0, certain, other=1)
    assert (found.share, found.certain_share, found.wrong) == (1.0, 1.0, 0)
    assert math.isnan(found.area)
