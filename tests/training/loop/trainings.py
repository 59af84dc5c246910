"""Networks and settings that train in milliseconds, for tests of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.settings import TrainSettings
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


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings(**{"size_px": 32, "batch_size": 2, "epochs": 3, "device": "cpu", "weight_decay": 0, **changes})


def run(
    model: nn.Module, items: Sequence[LabelledImage], choice: TrainSettings, *, seed: int = 0, **more: Any
) -> TrainingResult:
    more.setdefault("val_items", items[:2])
    return train(model, SPEC, items, settings=choice, seed=seed, progress=False, **more)


def weights(model: nn.Module) -> Weights:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_equal(a: Weights, b: Weights) -> None:
    assert list(a) == list(b)
    assert [name for name in a if not torch.equal(a[name], b[name])] == []
