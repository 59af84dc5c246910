"""The saved state from which a training resumes after a kill."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path


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
