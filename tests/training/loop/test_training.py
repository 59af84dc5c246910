"""Training: the same seed gives the same weights, whatever interrupts it; what is kept is the best epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.unet import PaperUNet
from somanet.training.loop.losses import bce
from somanet.training.loop.settings import TrainSettings
from somanet.training.loop.training import Epoch
from somanet.training.loop.validation import validate
from tests.training.loop.trainings import SPEC, Weights, assert_equal, normed, run, settings, tiny, weights


def paper_unet(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return PaperUNet()


def inverted(item: LabelledImage) -> LabelledImage:
    """Ground truth that training moves away from: every pixel but the somas'."""
    return LabelledImage(item.name, item.image, (item.labels == 0).astype(np.int32))


# Determinism


@pytest.mark.parametrize(
    ("mode", "build"), [("none", "paper_unet"), ("none", "normed"), ("paper", "normed"), ("online", "normed")]
)
def test_the_same_seed_gives_the_same_weights_bit_for_bit(items: list[LabelledImage], mode: str, build: str) -> None:
    network = {"paper_unet": paper_unet, "normed": normed}[build]
    choice = settings(
        epochs=2, augment={"mode": mode}, loss="bce+dice", ema_decay=0.5, schedule="cosine", gradient_clip=1.0
    )
    first = run(network(), items, choice, seed=3)
    torch.rand(5)  # earlier draws of the process have no effect
    again = run(network(), items, choice, seed=3)
    assert_equal(weights(first.model), weights(again.model))
    assert first.history == again.history
    if build == "normed":
        assert run(normed(), items, choice, seed=4).history != first.history


@pytest.mark.slow
def test_helper_processes_change_nothing(items: list[LabelledImage]) -> None:
    alone, helped = (
        run(tiny(), items, settings(augment={"mode": "online"}, workers=workers), seed=1) for workers in (0, 1)
    )
    assert_equal(weights(alone.model), weights(helped.model))


# What is kept


def test_the_best_epochs_weights_are_kept(items: list[LabelledImage]) -> None:
    """Scored against the opposite of its training labels, the network is best early and ever worse later."""
    model, seen = tiny(), {}
    result = run(
        model,
        items,
        settings(epochs=12, learning_rate=0.02),
        val_items=[inverted(items[0])],
        on_epoch=lambda epoch: seen.update({epoch.epoch: weights(model)}),
    )
    ious = [epoch.val_iou for epoch in result.history]
    assert result.best_epoch == 1 + int(np.argmax(ious)) < 12
    assert result.best_val_iou == max(ious) > ious[-1]
    assert_equal(weights(result.model), seen[result.best_epoch])
    assert not result.model.training
    _, again = validate(result.model, SPEC, [inverted(items[0])], bce)
    assert again == result.best_val_iou


def test_early_stopping_waits_its_epochs_and_no_longer(items: list[LabelledImage]) -> None:
    choice = settings(epochs=60, learning_rate=0.02, early_stopping_epochs=3)
    result = run(tiny(), items, choice, val_items=[inverted(items[0])])
    assert len(result.history) == result.best_epoch + 3 < 60


def test_the_moving_average_is_what_is_kept(items: list[LabelledImage]) -> None:
    """One step per epoch: the first average is the first weights, then a = d a + (1 - d) w."""
    decay, model = 0.8, tiny()
    averages: list[Weights] = []

    def follow(_: Epoch) -> None:
        now = weights(model)
        last = averages[-1] if averages else now
        averages.append({name: decay * last[name] + (1 - decay) * now[name] for name in now})

    choice = settings(epochs=5, batch_size=4, ema_decay=decay, learning_rate=0.05)
    result = run(model, items, choice, on_epoch=follow)
    kept = weights(result.model)
    for name, expected in averages[result.best_epoch - 1].items():
        torch.testing.assert_close(kept[name], expected)


def test_the_moving_average_includes_batch_norm_statistics(items: list[LabelledImage]) -> None:
    plain, averaged = (run(paper_unet(), items, settings(epochs=2, ema_decay=decay)).model for decay in (0.0, 0.9))
    assert not torch.equal(plain.get_buffer("down1.1.running_mean"), averaged.get_buffer("down1.1.running_mean"))


def test_frozen_blocks_come_out_as_they_went_in(items: list[LabelledImage]) -> None:
    model = paper_unet()
    before = weights(model)
    result = run(model, items, settings(trainable_blocks=3, ema_decay=0.5, weight_decay=0.1))
    assert result.trainable_blocks == ("head", "up1", "upsample1")
    changed = {name for name, value in result.model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if name.partition(".")[0] in result.trainable_blocks}
    assert result.trainable_parameters == sum(
        p.numel() for name, p in result.model.named_parameters() if name in changed
    )


# Optimisation


def test_tensors_instead_of_blocks_train_as_the_authors_did(items: list[LabelledImage]) -> None:
    """Only the last tensors change, and the statistics of every layer."""
    model = paper_unet()
    before = weights(model)
    result = run(model, items, settings(trainable_tensors=12))
    assert len(result.trainable_blocks) == 12
    after = weights(result.model)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    statistics = {name for name in before if "running" in name or "num_batches" in name}
    assert changed == set(result.trainable_blocks) | statistics


def test_tensors_and_blocks_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="replaces trainable_blocks"):
        TrainSettings(trainable_tensors=12, trainable_blocks=3)


def test_it_learns_one_simple_image(draw_discs: Any) -> None:
    item = draw_discs("one", (64, 96), [(30, 40, 12)])
    choice = settings(epochs=12, samples_per_epoch=4, batch_size=2, size_px=64, learning_rate=0.01)
    result = run(paper_unet(), [item], choice, val_items=[item])
    assert result.best_val_iou > 0.8
    assert result.history[-1].train_loss < result.history[0].train_loss / 2


def test_gradients_are_clipped(items: list[LabelledImage]) -> None:
    """Adam's first step is lr·g/(|g| + 1e-8): the learning rate itself, or next to nothing for a gradient of 1e-10."""
    steps = []
    for clip in (None, 1e-10):
        model = tiny()
        before = weights(model)
        after = weights(run(model, items, settings(epochs=1, batch_size=4, gradient_clip=clip)).model)
        steps.append(max(float((after[name] - before[name]).abs().max()) for name in after))
    assert steps[0] == pytest.approx(1e-3, rel=0.02)
    assert steps[1] < 2e-5


def test_learning_rates_follow_warm_up_and_cosine(items: list[LabelledImage]) -> None:
    """Ten steps, two of warm-up: after steps 1…10 the factor is 2/2, then 1, cos over 8 steps down to 0."""
    result = run(
        tiny(),
        items[:2],
        settings(epochs=10, schedule="cosine", warmup_fraction=0.2, learning_rate=0.1),
    )
    expected = [1.0, *(0.5 * (1 + np.cos(np.pi * k / 8)) for k in range(9))]
    np.testing.assert_allclose([epoch.learning_rate for epoch in result.history], 0.1 * np.array(expected), atol=1e-12)


def test_validation_may_be_rarer(items: list[LabelledImage]) -> None:
    result = run(tiny(), items, settings(epochs=5, validate_every=2))
    assert [bool(np.isfinite(epoch.val_iou)) for epoch in result.history] == [False, True, False, True, True]
    assert result.best_epoch in (2, 4, 5)


def test_validation_scores_whole_images(draw_discs: Any) -> None:
    """A network with output 0.5 everywhere: loss ln 2; IoU the soma's share; 1 if it and the ground truth are empty."""
    model = tiny()
    for p in model.parameters():
        nn.init.zeros_(p)
    item, empty = draw_discs("one", (40, 56), [(12, 14, 7)]), draw_discs("none", (33, 47), [])
    loss, iou = validate(model, SPEC, [item], bce)
    assert loss == pytest.approx(np.log(2), rel=1e-6)
    assert iou == pytest.approx(np.count_nonzero(item.labels) / (40 * 56))
    strict = SPEC.model_copy(update={"instances": SPEC.instances.model_copy(update={"threshold": 0.6})})
    assert validate(model, strict, [empty], bce)[1] == 1
    assert validate(model, strict, [item, empty], bce)[1] == pytest.approx(0.5)


# What cannot be trained


def test_a_loss_that_runs_away(items: list[LabelledImage]) -> None:
    with pytest.raises(
        SomaNetError, match=r"training loss became (nan|inf) in epoch 1: .* Lower it or set gradient_cl"
    ):
        run(tiny(), items, settings().model_copy(update={"learning_rate": 1e30}))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_on_a_cpu(items: list[LabelledImage], precision: str) -> None:
    with pytest.raises(SomaNetError, match=f"precision {precision} on a CPU .* Use precision: float32"):
        run(tiny(), items, settings(precision=precision))


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there(items: list[LabelledImage], device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(SomaNetError, match=f"device is '{device}', which this machine"):
        run(tiny(), items, settings(device=device))


def test_no_images(items: list[LabelledImage]) -> None:
    with pytest.raises(SomaNetError, match="no validation images"):
        run(tiny(), items, settings(), val_items=[])
    with pytest.raises(SomaNetError, match="no training images"):
        run(tiny(), [], settings(), val_items=items)


class Pooling(nn.Module):
    """Normalises one value per patch, as architectures with a pooled branch do."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 1, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, inputs_NCHW: torch.Tensor) -> torch.Tensor:
        pooled = self.norm(inputs_NCHW.mean((2, 3), keepdim=True))
        return self.convolution(inputs_NCHW + pooled)


def test_a_network_that_normalises_over_patches_never_meets_one_alone(items: list[LabelledImage]) -> None:
    assert len(items) >= 3
    run(Pooling(), items[:3], settings(epochs=1, batch_size=2))
    with pytest.raises(SomaNetError, match=r"found a batch of 1\. Use training.batch_size of at least 2"):
        run(Pooling(), items[:3], settings(epochs=1, batch_size=1))
