"""A soma from a click, by a network whose output is known: logit = 20 (intensity − 0.5)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from somanet.analysis.network import open_networks
from somanet.core.errors import SomaNetError
from somanet.napari.clicking import draw_soma
from somanet.segmentation.inference.segmenter import Segmenter

DIAMETER_PX = 16.0


@pytest.fixture(scope="module")
def segmenter(bright: Path) -> Segmenter:
    return open_networks([bright], engine="torch", rescale=1.0, keep_haze=True).segmenter


def disk(y: int, x: int, radius: float = 8.0) -> np.ndarray:
    rows, columns = np.ogrid[:64, :96]
    return np.asarray((rows - y) ** 2 + (columns - x) ** 2 <= radius**2)


def picture(**intensities: float) -> np.ndarray:
    """Three disks of given shares of the range on a background of 0.1 with a little noise.

    Disk c is bright unless it is given: it sets the exposure, so that shares are what the network sees.
    """
    found = np.full((64, 96), 0.1) + np.random.default_rng(0).normal(0, 0.002, (64, 96))
    for (y, x), name in (((20, 20), "a"), ((20, 60), "b"), ((45, 38), "c")):
        found[disk(y, x)] = intensities.get(name, 0.95 if name == "c" else 0.1)
    return (found * 65535).astype(np.uint16)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize(
    ("intensity", "how"),
    [(0.9, "network"), (0.45, "unsure network"), (0.25, "brightness")],  # probabilities 1.0, 0.27, 0.007
)
def test_the_soma_is_drawn_by_the_best_that_sees_it(segmenter: Segmenter, intensity: float, how: str) -> None:
    found = draw_soma(
        segmenter, picture(b=intensity), np.zeros((64, 96), np.int32), (21.0, 58.0), diameter_px=DIAMETER_PX
    )
    assert found.how == how
    assert iou(found.mask_YX, disk(20, 60)) > (0.99 if how == "network" else 0.8)


def test_pixels_of_other_somas_stay_theirs(segmenter: Segmenter) -> None:
    """The left third of the disk belongs to a soma that is there."""
    labels = np.zeros((64, 96), np.int32)
    taken = disk(20, 60) & (np.arange(96) < 55)
    labels[taken] = 7
    found = draw_soma(segmenter, picture(b=0.9), labels, (20.0, 62.0), diameter_px=DIAMETER_PX)
    np.testing.assert_array_equal(found.mask_YX, disk(20, 60) & ~taken)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ((20.0, 20.0), "is a soma already .track 3"),
        ((50.0, 85.0), "Nothing like a soma"),
        ((70.0, 10.0), "outside the picture"),
    ],
)
def test_other_clicks_are_refused(segmenter: Segmenter, at: tuple[float, float], words: str) -> None:
    labels = np.where(disk(20, 20), 3, 0).astype(np.int32)
    with pytest.raises(SomaNetError, match=words):
        draw_soma(segmenter, picture(a=0.9), labels, at, diameter_px=DIAMETER_PX)


def test_what_is_far_larger_than_a_soma_is_no_soma(segmenter: Segmenter) -> None:
    """A bright band of 64 × 30 px where the network sees nothing: nine times a soma's area."""
    image = np.full((64, 96), 0.1)
    image[:, 30:60] = 0.3
    image[disk(45, 80)] = 0.95
    with pytest.raises(SomaNetError, match="Nothing like a soma"):
        draw_soma(
            segmenter, (image * 65535).astype(np.uint16), np.zeros((64, 96), np.int32), (30.0, 45.0), diameter_px=16
        )
