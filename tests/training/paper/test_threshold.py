"""The baseline without learning, on an image drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from somanet.training.paper.settings import ThresholdSettings
from somanet.training.paper.threshold import threshold_labels


def image() -> np.ndarray:
    """40 × 60 px, green: a square of 12 px at 100, a bright line one pixel wide, and a square of 12 px at 60."""
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[5:17, 5:17, 1] = 100
    picture[20, :, 1] = 255
    picture[25:37, 40:52, 1] = 60
    return picture


def test_what_reaches_the_threshold_is_an_object() -> None:
    labels = threshold_labels(image(), ThresholdSettings(threshold=100, opening_radius_px=0))
    assert labels.dtype == np.int32
    assert [np.count_nonzero(labels == n) for n in (1, 2)] == [144, 60]
    assert labels.max() == 2


def test_the_opening_takes_thin_things_away() -> None:
    labels = threshold_labels(image(), ThresholdSettings(threshold=60, opening_radius_px=3))
    assert labels.max() == 2
    assert (labels[20] == 0).all()
    assert labels[11, 11] == 1
    assert labels[31, 46] == 2


@pytest.mark.parametrize("kind", ["grey", "rgba"])
def test_grey_images_and_opacity(kind: str) -> None:
    """An opacity of 255 everywhere is not an intensity."""
    grey = image().max(axis=-1)
    other = grey if kind == "grey" else np.dstack([image(), np.full((40, 60), 255, np.uint8)])
    settings = ThresholdSettings(threshold=100, opening_radius_px=0)
    np.testing.assert_array_equal(threshold_labels(other, settings), threshold_labels(image(), settings))
