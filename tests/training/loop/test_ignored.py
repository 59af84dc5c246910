"""Ignored pixels: they follow their image through every change, and nothing is learned from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.inputs import IGNORED, make_targets
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.augment import annotation_of, labels_and_ignored, paper_expansion
from somanet.training.loop.losses import make_loss
from somanet.training.loop.samples import TrainingSamples
from somanet.training.loop.settings import AugmentSettings, TrainSettings
from somanet.training.loop.task import TrainingTask, items_digest
from somanet.training.loop.validation import batch_iou, validate

LOSSES = ("bce", "bce+dice", "focal", "tversky")
OUTPUTS = ("soma", "boundary", "distance")
EVERYTHING = AugmentSettings(
    mode="online",
    independent=True,
    elastic_probability=1,
    intensity_probability=0,
    noise_probability=0,
    blur_probability=0,
    scale_range=(0.6, 1.6),
)


def item(shape_YX: tuple[int, int] = (72, 104)) -> LabelledImage:
    """A labelled cell of grey 100, and an unlabelled one of grey 200 that is ignored."""
    y, x = np.mgrid[: shape_YX[0], : shape_YX[1]]
    labels = ((y - 20) ** 2 + (x - 30) ** 2 <= 9**2).astype(np.int32)
    ignored = (y - 45) ** 2 + (x - 66) ** 2 <= 12**2
    grey = (100 * labels + 200 * ignored).astype(np.uint8)
    return LabelledImage("cells", np.repeat(grey[..., None], 3, axis=-1), labels, ignored=ignored)


# Losses


@pytest.mark.parametrize("name", LOSSES)
@given(seed=st.integers(0, 10**6))
def test_a_loss_is_that_of_the_other_pixels_alone(name: str, seed: int) -> None:
    """Ignoring columns is the loss of the image without them, whatever stands there; no gradient comes from them."""
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 5, 8, generator=draw)
    labels = torch.rand(2, 3, 5, 8, generator=draw).round()
    columns = torch.rand(8, generator=draw) < 0.4
    columns[0], columns[1] = True, False
    targets = labels.clone()
    targets[..., columns] = IGNORED
    logits.requires_grad_()
    loss = make_loss(name, OUTPUTS, ignoring=True)(logits, targets)
    expected = make_loss(name, OUTPUTS)(logits.detach()[..., ~columns], labels[..., ~columns])
    torch.testing.assert_close(loss.detach(), expected)
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad[..., columns] == 0).all()
    assert (logits.grad[..., ~columns] != 0).any()


@pytest.mark.parametrize("name", LOSSES)
def test_a_patch_of_which_every_pixel_is_ignored_costs_nothing(name: str) -> None:
    logits = torch.randn(1, 3, 4, 6, requires_grad=True)
    loss = make_loss(name, OUTPUTS, ignoring=True)(logits, torch.full((1, 3, 4, 6), IGNORED))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_targets_around_ignored_pixels_are_those_of_whole_objects() -> None:
    """Half of a disc is ignored: the other half keeps its distances, and no rim appears where the two meet."""
    labels = item().labels
    ignored = np.zeros(labels.shape, bool)
    ignored[:, 30:] = True
    whole, half = make_targets(labels, OUTPUTS), make_targets(labels, OUTPUTS, ignored)
    np.testing.assert_array_equal(half[:, ~ignored], whole[:, ~ignored])
    assert (half[:, ignored] == IGNORED).all()


# Samples


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("mode", "fit"), [("online", "crop"), ("paper", "crop"), ("none", "crop"), ("none", "resize")])
def test_ignored_pixels_follow_their_image(mode: str, fit: str, seed: int) -> None:
    """Only the ignored cell has grey 200: after crops, turns, zoom and elastic deformation it is still the ignored one.

    Interpolated pixels at its rim may be on either side.
    """
    spec = ModelSpec(in_channels=1, outputs=("soma",))
    augment = EVERYTHING if mode == "online" else AugmentSettings.model_validate({"mode": mode})
    settings = TrainSettings.model_validate({"size_px": 64, "fit": fit, "augment": augment.model_dump()})
    samples = TrainingSamples([item()], spec, settings, seed=seed)
    seen = 0
    for position in range(len(samples)):
        image, targets = (part[0].numpy() for part in samples[position])
        bright, ignored = image > 195 / 255, targets == IGNORED
        seen += int(ignored.sum())
        assert not (bright & ~ignored).any()
        assert not (ignored & (image < 5 / 255)).sum() > 2 * np.sqrt(max(ignored.sum(), 1)) + 4
        assert ((image > 60 / 255) & (image < 110 / 255) & (targets == 1)).sum() >= 0.8 * (targets == 1).sum()
    assert seen or mode != "paper"


def test_without_ignored_pixels_samples_are_the_same_to_the_last_bit() -> None:
    """An empty mask changes nothing: not the draws, not the pixels, not the targets."""
    plain = replace(item(), ignored=None)
    empty = replace(item(), ignored=np.zeros((72, 104), bool))
    spec = ModelSpec(outputs=OUTPUTS, input="contrasts")
    settings = TrainSettings(size_px=64, augment=EVERYTHING.model_copy(update={"noise_probability": 1.0}))
    for seed in range(3):
        one, other = (TrainingSamples([which], spec, settings, seed=seed)[0] for which in (plain, empty))
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_an_annotation_holds_labels_and_ignored_pixels() -> None:
    one = item()
    labels, ignored = labels_and_ignored(annotation_of(one))
    np.testing.assert_array_equal(labels, one.labels)
    assert ignored is not None
    np.testing.assert_array_equal(ignored, one.ignored)
    assert labels_and_ignored(annotation_of(replace(one, ignored=None)))[1] is None


def test_the_papers_expansion_keeps_ignored_pixels() -> None:
    mirrored = paper_expansion([item()], AugmentSettings(mode="paper"), seed=0)[1]
    assert mirrored.ignored is not None
    np.testing.assert_array_equal(mirrored.ignored[:, ::-1], item().ignored)


# Scores in training, and its name


def test_a_training_is_named_by_its_ignored_pixels() -> None:
    one = item()
    assert items_digest([one]) != items_digest([replace(one, ignored=None)])
    assert one.ignored is not None
    assert items_digest([one]) != items_digest([replace(one, ignored=one.ignored[::-1])])


def test_ignored_pixels_count_in_no_score_of_a_training() -> None:
    """A network that finds both cells has IoU 1 if the unlabelled one is ignored; as background it would have less."""

    class Bright(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.level = nn.Parameter(torch.tensor(0.2))

        def forward(self, inputs_NCHW: torch.Tensor) -> torch.Tensor:
            return 100 * (inputs_NCHW[:, :1] - self.level)

    spec = ModelSpec(in_channels=1, outputs=("soma",))
    one = item((64, 96))
    loss = make_loss("bce", spec.outputs, ignoring=True)
    found, iou = validate(Bright(), spec, [one], loss)
    plain, less = validate(Bright(), spec, [replace(one, ignored=None)], make_loss("bce", spec.outputs))
    assert iou == 1
    assert found < 1e-6
    assert less < 0.5
    assert plain > 1
    logits = Bright()(torch.from_numpy(one.image[None, ..., :1] / 255.0).permute(0, 3, 1, 2))
    targets = torch.from_numpy(make_targets(one.labels, spec.outputs, one.ignored))[None]
    assert batch_iou(logits, targets, spec).item() == 1
    task = TrainingTask(Bright(), spec, [one], [one], TrainSettings(), seed=0)
    assert task.ignores
    assert not replace(task, train_items=[], val_items=[replace(one, ignored=None)]).ignores
