"""Ignored pixels in scores: neither false nor missed, counted by hand, and nothing changes without them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from somanet.core.errors import SomaNetError
from somanet.evaluation.masks import counted
from somanet.evaluation.scores import score_dataset
from tests.evaluation.test_scores import drawn

TRUE = drawn("""
    ..........
    .11....22.
    .11....22.
    ..........
    .33.......
    .33.......""")
FOUND = drawn("""
    ..........
    .55....22.
    .55....22.
    .....44...
    .66..44..7
    .66..44...""")
"""The three true ones, and two false: 4 of six pixels and 7 of one."""


def mask(picture: str) -> np.ndarray:
    return drawn(picture.replace("x", "1")) > 0


def scored(ignored: np.ndarray | None) -> dict[str, float]:
    given = None if ignored is None else {"a": ignored}
    return dict(score_dataset([("a", TRUE, FOUND)], thresholds=(0.5,), ignored=given, intervals=False).values)


def test_objects_in_ignored_pixels_are_neither_false_nor_missed() -> None:
    """Three of five right. Ignoring most of 4: three of four. Ignoring 2 on both sides as well: two of three."""
    assert scored(None)["precision"] == 3 / 5
    most_of_4 = mask(".......... .......... .......... .....xx... .....xx... ..........")
    assert scored(most_of_4)["precision"] == 3 / 4
    assert scored(most_of_4)["recall"] == 1
    assert scored(most_of_4)["iou"] == 12 / 13
    and_2 = most_of_4 | mask(".......... .......xx. .......xx. .......... .......... ..........")
    assert scored(and_2)["precision"] == 2 / 3
    assert scored(and_2)["recall"] == 1


def test_half_an_object_still_counts() -> None:
    """Half of 4 is ignored: it stays false, with the three pixels that are left."""
    half = mask(".......... .......... .......... .....x.... .....x.... .....x....")
    assert scored(half)["precision"] == 3 / 5
    assert scored(half)["iou"] == 12 / 16


labels = arrays(np.int32, (6, 9), elements=st.integers(0, 4))
masks = arrays(np.bool_, (6, 9))


@given(true=labels, found=labels, ignored=masks)
def test_what_stands_in_ignored_pixels_cannot_matter_to_others(
    true: np.ndarray, found: np.ndarray, ignored: np.ndarray
) -> None:
    kept_true, kept_found = counted(true, found, ignored)
    assert not kept_true[ignored].any()
    assert not kept_found[ignored].any()
    for kept, before in ((kept_true, true), (kept_found, found)):
        assert ((kept == 0) | (kept == before)).all()
        for one in np.unique(before[before > 0]):
            mostly = ignored[before == one].mean() > 0.5
            assert (kept[(before == one) & ~ignored] == (0 if mostly else one)).all()


@given(true=labels, found=labels)
def test_no_ignored_pixels_leave_every_score_as_it_was(true: np.ndarray, found: np.ndarray) -> None:
    """To the last bit, also for an empty mask."""
    plain = score_dataset([("a", true, found)], intervals=False)
    for masks_of in ({}, {"b": np.ones((6, 9), bool)}, {"a": np.zeros((6, 9), bool)}):
        other = score_dataset([("a", true, found)], ignored=masks_of, intervals=False)
        np.testing.assert_array_equal(list(plain.values.values()), list(other.values.values()))
        assert plain.per_image.equals(other.per_image)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(SomaNetError, match=r"ignored pixels.*\(3, 4\)"):
        score_dataset([("a", TRUE, FOUND)], ignored={"a": np.zeros((3, 4), bool)}, intervals=False)
