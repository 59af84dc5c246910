"""Training samples: the same for the same (seed, epoch, index); every image has its turn; labels follow the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from somanet.data.layouts import LabelledImage
from somanet.errors import SomaNetError
from somanet.segmentation.samples import EpochSampler, TrainingSamples, fit_square
from somanet.segmentation.settings import ModelSpec, TrainSettings

SPEC = ModelSpec(outputs=("soma", "boundary"))


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings(**{"size_px": 32, **changes})


def marked(name: str = "a", shape_YX: tuple[int, int] = (48, 72)) -> LabelledImage:
    """Every pixel has its own label, and its own colour: y in red, x in green."""
    y, x = np.mgrid[: shape_YX[0], : shape_YX[1]]
    image = np.stack([y, x, np.zeros_like(y)], axis=-1).astype(np.uint8)
    return LabelledImage(name, image, (1 + y * shape_YX[1] + x).astype(np.int32))


def noisy(number: int, shape_YX: tuple[int, int] = (40, 56)) -> LabelledImage:
    rng = np.random.default_rng(number)
    labels = np.zeros(shape_YX, np.int32)
    labels[8:20, 10:30] = 1
    return LabelledImage(f"image{number}", rng.integers(0, 255, (*shape_YX, 3), np.uint8), labels)


def epoch_of(samples: TrainingSamples, epoch: int) -> list[torch.Tensor]:
    samples.epoch = epoch
    return [torch.cat(samples[position]) for position in EpochSampler(samples)]


@pytest.mark.parametrize("mode", ["none", "paper", "online"])
def test_a_sample_follows_from_seed_epoch_and_index_alone(mode: str) -> None:
    """Read in another order, from another object, after other epochs: the same."""
    items = [noisy(n) for n in range(3)]
    choice = settings(augment={"mode": mode})
    first = TrainingSamples(items, SPEC, choice, seed=5)
    expected = epoch_of(first, 2)
    other = TrainingSamples(items, SPEC, choice, seed=5)
    epoch_of(other, 7)
    other.epoch = 2
    for position in reversed(range(len(other))):
        torch.testing.assert_close(torch.cat(other[position]), expected[position], rtol=0, atol=0)
    assert not all(map(torch.equal, expected, epoch_of(other, 3)))
    assert not all(map(torch.equal, expected, epoch_of(TrainingSamples(items, SPEC, choice, seed=6), 2)))


@given(n=st.integers(1, 9), wanted=st.none() | st.integers(1, 30), epoch=st.integers(0, 50), seed=st.integers(0, 99))
def test_every_image_has_its_turn(n: int, wanted: int | None, epoch: int, seed: int) -> None:
    """No image comes twice more often than another."""
    samples = TrainingSamples([noisy(0)] * n, SPEC, settings(samples_per_epoch=wanted), seed=seed)
    samples.epoch = epoch
    order = samples.order()
    assert len(order) == len(samples) == (wanted or n)
    counts = np.bincount(order, minlength=n)
    assert counts.max() - counts.min() <= 1
    assert order == samples.order()


def test_the_order_changes_from_epoch_to_epoch() -> None:
    samples = TrainingSamples([noisy(0)] * 8, SPEC, settings(), seed=0)
    orders = []
    for epoch in range(4):
        samples.epoch = epoch
        orders.append(tuple(samples.order()))
    assert len(set(orders)) == 4


def test_samples_are_network_inputs_and_targets() -> None:
    image, targets = TrainingSamples([noisy(0)], SPEC, settings(), seed=0)[0]
    assert image.shape == (3, 32, 32)
    assert targets.shape == (2, 32, 32)
    assert image.dtype == targets.dtype == torch.float32
    assert set(targets.unique().tolist()) <= {0, 1}


def test_the_papers_expansion_triples_an_epoch() -> None:
    samples = TrainingSamples([noisy(n) for n in range(2)], SPEC, settings(augment={"mode": "paper"}), seed=0)
    assert len(samples) == 6
    assert [item.name for item in samples.items[2:4]] == ["image0_mirrored", "image1_mirrored"]


def test_the_range_is_that_of_the_whole_image_not_of_a_crop() -> None:
    """A uint16 image, dark but for a corner: crops without the corner stay dark."""
    image = np.full((96, 128), 100, np.uint16)
    image[:8, :8] = 5000
    item = LabelledImage("a", image, np.zeros((96, 128), np.int32))
    samples = TrainingSamples([item] * 6, SPEC, settings(), seed=1)
    assert min(float(samples[position][0].max()) for position in range(6)) == 0


def test_no_images() -> None:
    with pytest.raises(SomaNetError, match="no training images"):
        TrainingSamples([], SPEC, settings(), seed=0)


# The square


@given(st.integers(0, 10**6))
def test_a_crop_is_a_piece_of_the_image_with_its_labels(seed: int) -> None:
    item = marked()
    image, labels = fit_square(item.image, item.labels, settings(), np.random.default_rng(seed))
    assert image.shape == (32, 32, 3)
    y, x = int(image[0, 0, 0]), int(image[0, 0, 1])
    np.testing.assert_array_equal(image, item.image[y : y + 32, x : x + 32])
    np.testing.assert_array_equal(labels, item.labels[y : y + 32, x : x + 32])


def test_crops_reach_every_corner() -> None:
    """48 x 72 to 32: seventeen places down, forty-one across."""
    item = marked()
    rng = np.random.default_rng(0)
    places = {tuple(fit_square(item.image, item.labels, settings(), rng)[0][0, 0, :2]) for _ in range(6000)}
    assert len({y for y, _ in places}) == 17
    assert len({x for _, x in places}) == 41


def test_a_small_image_is_mirrored_at_its_edges() -> None:
    item = marked(shape_YX=(20, 40))
    image, labels = fit_square(item.image, item.labels, settings(), np.random.default_rng(0))
    assert image.shape == (32, 32, 3)
    np.testing.assert_array_equal(labels[20:], labels[19:7:-1])
    np.testing.assert_array_equal(image[20:], image[19:7:-1])
    tiny = marked(shape_YX=(5, 7))  # mirrored more than once
    image, labels = fit_square(tiny.image, tiny.labels, settings(), np.random.default_rng(0))
    assert labels.shape == (32, 32)
    np.testing.assert_array_equal(1 + image[..., 0].astype(int) * 7 + image[..., 1], labels)


@pytest.mark.parametrize("shape_YX", [(64, 96), (32, 48), (20, 24), (32, 32)])
def test_resizing_keeps_image_and_labels_together(shape_YX: tuple[int, int]) -> None:
    """The pixel that a label came from lies within one pixel of where its colours say."""
    item = marked(shape_YX=shape_YX)
    image, labels = fit_square(item.image, item.labels, settings(fit="resize"), np.random.default_rng(0))
    assert image.shape == (32, 32, 3)
    assert labels.shape == (32, 32)
    assert labels.dtype == np.int32
    y, x = np.divmod(labels - 1, shape_YX[1])
    scale = max(max(shape_YX) / 32, 1)
    assert abs(y - image[..., 0].astype(int)).max() <= scale
    assert abs(x - image[..., 1].astype(int)).max() <= scale
