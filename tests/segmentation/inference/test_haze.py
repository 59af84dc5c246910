"""Objects that are left out as haze."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from somanet.segmentation.inference.haze import HazeRule, note_on_haze, rule_for
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.intended_use import IntendedUse
from somanet.segmentation.network.settings import ModelSpec
from tests.worlds import bright_network


def test_haze_is_what_neither_the_image_nor_the_network_vouches_for() -> None:
    """Contrast unknown: no reason to call it haze."""
    rule = HazeRule(contrast=3, confidence=0.7)
    contrast, confidence = np.array([2.9, 2.9, 3.0, np.nan, -1]), np.array([0.69, 0.7, 0.5, 0.5, 0.0])
    assert rule.is_haze(contrast, confidence).tolist() == [True, False, False, False, True]


def test_the_rule_is_for_fluorescence() -> None:
    assert rule_for(IntendedUse(modality="fluorescence")) == HazeRule()
    assert rule_for(IntendedUse()) is None


@pytest.fixture(scope="module")
def hazy() -> tuple[Segmenter, np.ndarray]:
    """A bright disk on even ground at the left; at the right a textured field just above the network's threshold.

    The network's probability is 1 / (1 + exp(−20 (intensity − 0.5))): 0.5 at 127.5, 0.75 at 141, 0.99 at 186.
    """
    y, x = np.mgrid[:120, :260]
    field = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal((120, 260)), 4)
    image = np.where(x > 120, 118 + 7 * field / field.std(), 60 + np.random.default_rng(2).normal(0, 2, (120, 260)))
    image[(y - 60) ** 2 + (x - 55) ** 2 <= 15**2] = 230
    network = Checkpoint(bright_network().eval(), ModelSpec(), "0" * 64)
    return Segmenter((network,)), image.clip(0, 255).astype(np.uint8)


def test_the_soma_stays_and_the_haze_goes(hazy: tuple[Segmenter, np.ndarray]) -> None:
    segmenter, image = hazy
    everything = segmenter.segment(image)
    assert len(everything.confidence) > 5
    kept = dataclasses.replace(segmenter, haze=HazeRule()).segment(image)
    assert np.array_equal(np.unique(kept.labels_YX), np.arange(len(kept.confidence) + 1))
    assert kept.labels_YX[60, 55] > 0
    assert len(kept.confidence) + kept.n_haze == len(everything.confidence)
    assert kept.n_haze >= 0.7 * (len(everything.confidence) - 1)
    assert ((kept.contrast >= 6) | (kept.confidence >= 0.75) | np.isnan(kept.contrast)).all()
    # what stays is what it was
    there = kept.labels_YX > 0
    assert len(np.unique(everything.labels_YX[there])) == len(kept.confidence)
    np.testing.assert_array_equal(there, np.isin(everything.labels_YX, np.unique(everything.labels_YX[there])))


def test_labels_alone_are_the_same(hazy: tuple[Segmenter, np.ndarray]) -> None:
    segmenter, image = hazy
    for haze in (None, HazeRule(), HazeRule(contrast=0)):
        with_rule = dataclasses.replace(segmenter, haze=haze)
        np.testing.assert_array_equal(with_rule.labels(image), with_rule.segment(image).labels_YX)


def test_a_rule_that_nothing_breaks_removes_nothing(hazy: tuple[Segmenter, np.ndarray]) -> None:
    segmenter, image = hazy
    kept = dataclasses.replace(segmenter, haze=HazeRule(confidence=0)).segment(image)
    np.testing.assert_array_equal(kept.labels_YX, segmenter.segment(image).labels_YX)
    assert kept.n_haze == 0


def test_what_was_left_out_is_told() -> None:
    assert note_on_haze(0, 10) is None
    assert (note_on_haze(3, 9) or "").startswith("3 of 12 objects were left out as haze")
    assert "--keep-haze" in (note_on_haze(3, 9) or "")
