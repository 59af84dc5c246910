"""What a training is given: all that determines its weights, and the name that follows from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray
from torch import nn

from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.settings import TrainSettings

HASH_DIGITS = 20
"""Hexadecimal digits of a hash in a run's parameters: 80 bits."""


@dataclass(frozen=True)
class TrainingTask:
    """One training: nothing else is needed to repeat it.

    Attributes:
        model: with its initial weights; a training changes it in place.
        spec: its inputs and outputs.
        train_items, val_items: labelled images; validation uses them whole.
        settings: the hyperparameters.
        seed: decides sample order, crops and augmentation (the initial weights are already in ``model``).
        unlabelled: further images as stored, used as `settings.unlabelled` specifies.
    """

    model: nn.Module
    spec: ModelSpec
    train_items: Sequence[LabelledImage]
    val_items: Sequence[LabelledImage]
    settings: TrainSettings
    seed: int = field(kw_only=True)
    unlabelled: Sequence[NDArray[Any]] = field(default=(), kw_only=True)

    @property
    def ignores(self) -> bool:
        """Whether any image has pixels that are neither soma nor background."""
        return any(item.ignored is not None for items in (self.train_items, self.val_items) for item in items)

    def parameters(self) -> dict[str, Any]:
        """Everything that determines the training, as plain values: settings as they are, weights and images by hash.

        Runs are recorded with these parameters, so two runs without a differing one are the same training. They are
        those of the initial weights only before the training.
        """
        return {
            "model": self.spec.model_dump(mode="json"),
            "training": self.settings.model_dump(mode="json"),
            "seed": self.seed,
            "initial_weights": _weights_digest(self.model),
            "data": {
                "training": {"images": len(self.train_items), "sha256": items_digest(self.train_items)},
                "validation": {"images": len(self.val_items), "sha256": items_digest(self.val_items)},
                "unlabelled": {"images": len(self.unlabelled), "sha256": _digest(map(_pixels, self.unlabelled))},
            },
        }


def name_of(parameters: Mapping[str, Any]) -> str:
    """The name of a training, by its :meth:`TrainingTask.parameters`: a hash of 20 hexadecimal digits."""
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:HASH_DIGITS]


def items_digest(items: Sequence[LabelledImage]) -> str:
    """Hash of labelled images in their order: names, pixels, labels and, where there are any, ignored pixels."""
    return _digest(
        item.name.encode()
        + b"\0"
        + _pixels(item.image)
        + _pixels(item.labels)
        + (b"" if item.ignored is None else _pixels(item.ignored))
        for item in items
    )


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
