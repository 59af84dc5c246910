"""Frames in, labels out, one at a time; blank frames are detected."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.inference.video import find_blank_frames, segmented_frames
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.settings import ModelSpec
from tests.worlds import TWO_SOMAS, bright_network, draw, photograph

LABELS = draw(TWO_SOMAS)
SHOWN = photograph(LABELS, np.uint16)
BLACK = np.zeros_like(SHOWN)


def noise(seed: int = 0) -> np.ndarray:
    """Read noise around an offset, as with the lamp off: its 99.9 percentile is 3 σ above the median."""
    return np.random.default_rng(seed).normal(100, 5, SHOWN.shape).astype(np.uint16)


def hot(frame: np.ndarray) -> np.ndarray:
    """The same with one pixel in a hundred brighter by 1,000."""
    pixels = np.random.default_rng(5).permutation(frame.size)[: frame.size // 100]
    brighter = frame.copy()
    brighter.ravel()[pixels] += 1000
    return brighter


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter((Checkpoint(bright_network().eval(), ModelSpec(), "0" * 64),))


@pytest.mark.parametrize(
    ("frames", "blank"),
    [
        ([SHOWN, SHOWN, SHOWN], ()),
        ([SHOWN, BLACK, SHOWN], (1,)),
        ([SHOWN, noise(), SHOWN, BLACK], (1, 3)),  # 16 counts of contrast beside 52,000
        ([BLACK, BLACK], (0, 1)),
        ([noise(1), noise(2)], ()),  # nothing to compare with
        ([SHOWN, SHOWN // 4], ()),  # dim is not blank
        ([SHOWN, SHOWN, noise() + SHOWN // 400], ()),  # nor a hundred times dimmer, 120 counts over noise of 5
        ([SHOWN, SHOWN, hot(noise())], (2,)),
    ],
)
def test_blank_frames_are_found(frames: list[np.ndarray], blank: tuple[int, ...]) -> None:
    assert find_blank_frames(iter(frames)) == blank


def test_every_frame_is_labelled_and_blank_ones_are_not(segmenter: Segmenter) -> None:
    segmented = list(segmented_frames(segmenter, [SHOWN, noise(), SHOWN], blank_frames=(1,)))
    assert [len(one.confidence) for one in segmented] == [2, 0, 2]
    found = [one.labels_YX for one in segmented]
    assert [int(labels.max()) for labels in found] == [2, 0, 2]
    np.testing.assert_array_equal(found[0] > 0, LABELS > 0)
    assert {labels.dtype.name for labels in found} == {"int32"}


@pytest.mark.parametrize("workers", [1, 3])
def test_few_frames_are_asked_for_ahead(segmenter: Segmenter, workers: int) -> None:
    asked: list[int] = []

    def frames() -> Iterator[np.ndarray]:
        for t in range(9):
            asked.append(t)
            yield SHOWN

    segmented = segmented_frames(segmenter, frames(), workers=workers)
    for n_given in (1, 2):
        next(segmented)
        assert len(asked) == n_given + workers
    assert sum(1 for _ in segmented) == 7


def test_the_number_of_workers_changes_nothing(segmenter: Segmenter) -> None:
    frames = [np.roll(SHOWN, 5 * t, axis=1) for t in range(6)]
    before = torch.get_num_threads()
    one, four = ([found.labels_YX for found in segmented_frames(segmenter, frames, workers=n)] for n in (1, 4))
    np.testing.assert_array_equal(one, four)
    assert torch.get_num_threads() == before
