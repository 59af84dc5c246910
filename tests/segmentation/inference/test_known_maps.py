"""Maps that the estimate of the somas' size computed are used again, and only those of the same image and network."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from somanet.segmentation.inference.known_maps import MOST_IMAGES, KnownMaps
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.inference.soma_size import decide
from somanet.segmentation.inference.video import segmented_frames
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.intended_use import IntendedUse
from somanet.segmentation.network.settings import ModelSpec

OWN_SCALE = (192, 224)
"""What a network is given of :func:`frame` at its own scale: whole multiples of 32 px."""


class Counting(nn.Module):
    """Soma where the input is bright; keeps the sizes of what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(40.0))
        self.given: list[tuple[int, ...]] = []

    def forward(self, images_NCHW: Tensor) -> Tensor:
        self.given.append(tuple(images_NCHW.shape[2:]))
        return self.gain * (images_NCHW[:, :1] - 0.5)


def counting(diameter_px: tuple[float, float] = (10, 40)) -> tuple[Segmenter, Counting]:
    """A segmenter, and its network."""
    model = Counting()
    spec = ModelSpec()
    return Segmenter(
        (Checkpoint(model.eval(), spec, "0" * 64, intended_use=IntendedUse(diameter_px=diameter_px)),)
    ), model


def frame(seed: int, *, rows: int = 4, columns: int = 5) -> NDArray[np.uint16]:
    """A grid of bright disks of 20 px, 44 px apart, on noise."""
    y, x = np.indices((44 * rows, 44 * columns))
    inside = (y % 44 - 22) ** 2 + (x % 44 - 22) ** 2 <= 10**2
    noise = np.random.default_rng(seed).normal(0, 3, inside.shape)
    return (1000 * inside + 100 + noise).astype(np.uint16)


def test_an_image_of_the_typical_size_is_seen_once_at_its_own_scale() -> None:
    segmenter, model = counting()
    image = frame(0)
    decided, size = decide(segmenter, [image])
    assert size is not None
    assert (decided.factor, size.n_objects) == (1.0, 20)
    assert model.given.count(OWN_SCALE) == 1
    found = decided.segment(image.copy())
    assert model.given.count(OWN_SCALE) == 1
    anew = dataclasses.replace(decided, known=None).segment(image)
    for one, other in zip(found[:3], anew[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    assert model.given.count(OWN_SCALE) == 2


def test_another_image_augmentation_or_factor_is_computed() -> None:
    segmenter, model = counting()
    image = frame(0)
    decided, _ = decide(segmenter, [image])
    for other, shown in (
        (decided, frame(1)),
        (decided, image.astype(np.float32)),
        (dataclasses.replace(decided, inverted=True), image),
        (dataclasses.replace(decided, tta=4), image),
        (decided.at(1.1), image),
        (dataclasses.replace(decided, networks=counting()[0].networks), image),
    ):
        expected = dataclasses.replace(other, known=None).segment(shown)
        np.testing.assert_array_equal(other.segment(shown).labels_YX, expected.labels_YX)
        np.testing.assert_array_equal(other.segment(shown).confidence, expected.confidence)
    before = len(model.given)
    decided.segment(frame(1))
    assert len(model.given) == before + 1


def test_a_movie_is_labelled_the_same_and_its_middle_frame_seen_once() -> None:
    """Five frames, three of which are offered to the estimate; the middle one is clear, with 20 disks."""
    segmenter, model = counting()
    frames = [frame(t) for t in range(5)]
    decided, size = decide(segmenter, frames[::2], more=lambda: pytest.fail("20 objects are enough"))
    assert size is not None
    assert size.n_objects == 20
    found = list(segmented_frames(decided, frames))
    assert model.given.count(OWN_SCALE) == 5
    for one, image in zip(found, frames, strict=True):
        np.testing.assert_array_equal(one.labels_YX, segmenter.at(1.0).segment(image).labels_YX)


def test_a_given_factor_has_no_known_maps() -> None:
    segmenter, _ = counting()
    decided, size = decide(segmenter, [np.full((60, 70), 100, np.uint16)])
    assert (decided.factor, size is not None and bool(size.doubt)) == (1.0, True)
    assert decided.known is not None  # in doubt, nothing is rescaled
    given, size = decide(segmenter.at(0.5), [frame(0)])
    assert (given.known, size) == (None, None)


def test_few_are_kept_and_none_after_the_estimate() -> None:
    known = KnownMaps()
    images = [np.full((4, 5), n) for n in range(MOST_IMAGES + 2)]
    asked: list[int] = []

    def maps_of(n: int) -> list[NDArray[np.float32]]:
        asked.append(n)
        return [np.full((1, 4, 5), n, np.float32)]

    for _ in range(2):
        for n, image in enumerate(images):
            assert known.of((0, 1), image, lambda n=n: maps_of(n))[0][0, 0, 0] == n  # type: ignore[misc]
        known.close()
    assert len(known) == MOST_IMAGES
    assert asked == [0, 1, 2, 3, 4, 3, 4]
