"""What each image or movie contributes to a difference, by hand, and what that says about it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from somanet.evaluation.image_tables import ImageValues
from somanet.evaluation.paired import Difference, paired_differences
from somanet.evaluation.sureness import gains_of_units, is_sure, skewed_p

IMAGES = tuple("abcdef")


def values(iou: list[float], tp: list[int], fp: list[int]) -> ImageValues:
    """One training on six images with ten true somas each."""
    missed = [10 - n for n in tp]
    columns = ("iou", "tp_0.5", "fp_0.5", "fn_0.5")
    return ImageValues(IMAGES, np.full(6, 10.0), columns, np.array([iou, tp, fp, missed], float)[:, None], ("0.5",))


START = values([0.0] * 6, [5] * 6, [5] * 6)
TUNED = values([0.1, 0.2, 0.3, 0.0, 0.4, -0.3], [9, 8, 7, 6, 5, 4], [1, 2, 8, 4, 5, 6])


def test_of_a_mean_they_are_the_gains_of_the_images() -> None:
    np.testing.assert_allclose(gains_of_units(TUNED, START, "iou"), [0.1, 0.2, 0.3, 0.0, 0.4, -0.3], atol=1e-9)


def test_a_movie_counts_as_often_as_it_has_images() -> None:
    """Three movies of 3, 2 and 1 images, with a mean of two images each."""
    movies = dict(zip(IMAGES, ["x", "x", "x", "y", "y", "z"], strict=True))
    mean = 0.7 / 6
    expected = [mean + (0.6 - 3 * mean) / 2, mean + (0.4 - 2 * mean) / 2, mean + (-0.3 - mean) / 2]
    found = gains_of_units(TUNED, START, "iou", movie_of=movies)
    np.testing.assert_allclose(found, expected, atol=1e-8)
    assert found.mean() == pytest.approx(0.7 / 6)


def test_of_pooled_objects_an_image_counts_by_its_objects() -> None:
    """Precision P = 39 of 65, against half: an image's influence on P is (tp − P n) over the mean of n, n = tp + fp."""
    share = 39 / 65
    tp, n = np.array([9, 8, 7, 6, 5, 4]), np.array([10, 10, 15, 10, 10, 10])
    expected = share - 0.5 + (tp - share * n) / (65 / 6)
    np.testing.assert_allclose(gains_of_units(TUNED, START, "precision"), expected, atol=1e-7)


@pytest.mark.parametrize("score", ["iou", "precision", "recall", "accuracy", "mean_ap"])
def test_their_mean_is_the_difference(score: str) -> None:
    """Of scores that do not change when all images count as much more: the influences sum to 0 (Euler)."""
    found = paired_differences({"a": TUNED, "b": START}, "b", scores=[score])["a"][score]
    assert gains_of_units(TUNED, START, score).mean() == pytest.approx(found.value, abs=1e-9)


def test_what_is_not_sure() -> None:
    """An interval that contains 0; one without 0 that a single loss makes unsure; two units; nothing defined."""
    above = Difference(0.62, 0.6, 0.02, 0.01, 0.03, 0.01, 0.01)
    even = np.array([0.02, 0.021, 0.019, 0.02, 0.022, 0.018])
    assert is_sure(above, even)
    assert is_sure(Difference(0.58, 0.6, -0.02, -0.03, -0.01, 0.01, 0.01), -even)
    assert not is_sure(Difference(0.62, 0.6, 0.02, -0.01, 0.05, 0.2, 0.2), even)
    assert not is_sure(above, np.array([0.03, 0.02, 0.03, 0.03, 0.02, -0.03]))
    assert math.isnan(skewed_p(above, even[:2]))
    assert not is_sure(above, even[:2])
    assert not is_sure(above, np.where(even > 0.02, np.nan, even))
