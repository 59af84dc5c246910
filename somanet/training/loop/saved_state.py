"""A training's key, and the saved state from which it resumes after a kill."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.settings import TrainSettings

HASH_DIGITS = 20
"""Hexadecimal digits of a hash in a run's parameters: 80 bits."""


@dataclass
class State:
    """Everything that changes during training; saved after every epoch."""

    epoch: int = 0
    best_epoch: int = 0
    best_iou: float = -math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0

    def stopped_early(self, patience: int | None) -> bool:
        """Whether ``patience`` epochs have passed without a better validation IoU; none = never."""
        if patience is None or not self.history or math.isnan(self.history[-1]["val_iou"]):
            return False  # only a validated epoch can show a lack of improvement
        return self.best_epoch > 0 and self.epoch - self.best_epoch >= patience


def training_key(
    model: nn.Module,
    spec: ModelSpec,
    train_items: Sequence[LabelledImage],
    val_items: Sequence[LabelledImage],
    settings: TrainSettings,
    *,
    seed: int,
    unlabelled: Sequence[NDArray[Any]] = (),
) -> str:
    """Name of a training: a hash of :func:`training_parameters`, of which nothing else is needed to repeat it."""
    parameters = training_parameters(model, spec, train_items, val_items, settings, seed=seed, unlabelled=unlabelled)
    return name_of(parameters)


def training_parameters(
    model: nn.Module,
    spec: ModelSpec,
    train_items: Sequence[LabelledImage],
    val_items: Sequence[LabelledImage],
    settings: TrainSettings,
    *,
    seed: int,
    unlabelled: Sequence[NDArray[Any]] = (),
) -> dict[str, Any]:
    """Everything that determines a training, as plain values: settings as they are, weights and images by hash.

    Runs are recorded with these parameters, so two runs without a differing one are the same training.
    """
    return {
        "model": spec.model_dump(mode="json"),
        "training": settings.model_dump(mode="json"),
        "seed": seed,
        "initial_weights": _weights_digest(model),
        "data": {
            "training": {"images": len(train_items), "sha256": items_digest(train_items)},
            "validation": {"images": len(val_items), "sha256": items_digest(val_items)},
            "unlabelled": {"images": len(unlabelled), "sha256": _digest(map(_pixels, unlabelled))},
        },
    }


def name_of(parameters: Mapping[str, Any]) -> str:
    """A hash of plain values: 20 hexadecimal digits."""
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:HASH_DIGITS]


def items_digest(items: Sequence[LabelledImage]) -> str:
    """Hash of labelled images in their order: names, pixels and labels."""
    return _digest(item.name.encode() + b"\0" + _pixels(item.image) + _pixels(item.labels) for item in items)


def _weights_digest(model: nn.Module) -> str:
    values = ((name, value.detach().cpu().contiguous().numpy()) for name, value in model.state_dict().items())
    return _digest(name.encode() + b"\0" + _pixels(value) for name, value in values)


def _pixels(array: NDArray[Any]) -> bytes:
    return f"{array.shape}{array.dtype}".encode() + array.tobytes()


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:HASH_DIGITS]


def save_state(path: Path, state: State, model: nn.Module, optimizer: Any, scheduler: Any, average: Any) -> None:
    """Write a training's state atomically; ``average`` is the moving average of the weights, or None."""
    with atomic_path(path) as temporary:
        torch.save(
            {
                **vars(state),
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "scheduler": scheduler.state_dict(),
                "average": None if average is None else average.state_dict(),
            },
            temporary,
        )


def restore_state(path: Path, model: nn.Module, optimizer: Any, scheduler: Any, average: Any) -> State:
    """Restore, in place, the state that :func:`save_state` wrote.

    Raises:
        SomaNetError: the file is damaged, or belongs to another training.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(saved.pop("model"))
        optimizer.load_state_dict(saved.pop("optimizer"))
        scheduler.load_state_dict(saved.pop("scheduler"))
        weights = saved.pop("average")
        if average is not None:
            average.load_state_dict(weights)
        state = State(**saved)
    except Exception as error:  # whatever is wrong with the file, the remedy is the same
        raise SomaNetError(
            f"Cannot resume from {path} ({str(error).splitlines()[0]}). Delete it to start this training over."
        ) from error
    return state
