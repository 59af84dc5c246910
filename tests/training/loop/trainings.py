"""Networks and settings that train in milliseconds, for tests of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.settings import TrainSettings
from somanet.training.loop.task import TrainingTask
from somanet.training.loop.training import TrainingResult, train

SPEC = ModelSpec()
Weights = dict[str, torch.Tensor]


def tiny(seed: int = 0) -> nn.Module:
    """Two convolutions: trains in milliseconds."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 1, 1))


def normed(seed: int = 0) -> nn.Module:
    """The same with a batch norm, whose statistics are state as well."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 1, 1))


def shared(seed: int = 0) -> nn.Module:
    """The same without the bias that its batch norm cancels: its gradient is rounding, which Adam makes a step of."""
    model = normed(seed)
    model.get_submodule("0").register_parameter("bias", None)
    return model


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings(**{"size_px": 32, "batch_size": 2, "epochs": 3, "device": "cpu", "weight_decay": 0, **changes})


def run(
    model: nn.Module, items: Sequence[LabelledImage], choice: TrainSettings, *, seed: int = 0, **more: Any
) -> TrainingResult:
    more.setdefault("val_items", items[:2])
    unlabelled = more.pop("unlabelled", ())
    task = TrainingTask(model, SPEC, items, more.pop("val_items"), choice, seed=seed, unlabelled=unlabelled)
    return train(task, progress=False, **more)


def weights(model: nn.Module) -> Weights:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_equal(a: Weights, b: Weights) -> None:
    assert list(a) == list(b)
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


def encoder(seed: int = 0) -> nn.Module:
    """An smp network with an encoder of timm: batch norms with activations, and layers that no step uses."""
    import segmentation_models_pytorch as smp

    torch.manual_seed(seed)
    model: nn.Module = smp.Unet("tu-test_efficientnet", encoder_weights=None, decoder_channels=(8, 8, 8, 8, 8))
    model.register_module("unused", nn.Conv2d(3, 3, 1))
    return model
