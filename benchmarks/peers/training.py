"""How long a network takes to train to the validation IoU of the paper's U-Net."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.checkpoint import save_checkpoint
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop import training
from somanet.training.loop.losses import Loss
from somanet.training.loop.task import TrainingTask
from somanet.training.loop.training import Epoch
from somanet.training.settings import PretrainParams


class _EnoughError(Exception):
    """The target is reached, or the time is up."""


@dataclass
class _Clock:
    """Elapsed time, total and in validation, in seconds and processor seconds."""

    wall: float
    processor: float
    validation_s: float = 0.0
    validations: int = 0

    def seconds(self) -> tuple[float, float]:
        return time.perf_counter() - self.wall, time.process_time() - self.processor


def read_recipe(file: Path, network: str) -> PretrainParams:
    """A network and its training from the `pretrain` section of a file such as `params.yaml`.

    Raises:
        SomaNetError: the file or the network does not exist.
    """
    try:
        section = yaml.safe_load(file.read_text(encoding="utf-8"))["pretrain"]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise SomaNetError(f"{file} is not a recipe: expected YAML with a section `pretrain` ({error}).") from error
    if network not in section:
        raise SomaNetError(f"{file} has no network {network!r} under `pretrain`; it has {', '.join(section)}.")
    return PretrainParams.model_validate(section[network])


def train_until(
    recipe: PretrainParams,
    train_items: Sequence[LabelledImage],
    val_items: Sequence[LabelledImage],
    *,
    budget_s: float,
    aim: float | None,
    threads: int,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train from the recipe's start until the target is reached, the recipe ends, or the time is up.

    Args:
        recipe: the network and its settings.
        train_items, val_items: whole images; the validation is SomaNet's own, whichever network it is.
        budget_s: seconds after which no further epoch starts.
        aim: validation IoU to stop at; none trains to the end.
        threads: number of torch threads.
        checkpoint: folder for the final network.

    Returns:
        `epochs` (epoch, seconds and processor seconds since the start, those spent in validation,
        val_iou), `ended` ("aim", "recipe" or "budget"), `val_iou` of the best epoch, and the total of each clock.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = build_model(recipe.model)
    clock = _Clock(time.perf_counter(), time.process_time())
    rows: list[dict[str, float]] = []
    ended = "recipe"
    validate = training.validate

    def watched(
        model: nn.Module, spec: ModelSpec, items: Sequence[LabelledImage], loss_function: Loss, **options: Any
    ) -> tuple[float, float]:
        began = time.perf_counter()
        found = validate(model, spec, items, loss_function, **options)
        clock.validation_s += time.perf_counter() - began
        clock.validations += 1
        return found

    def on_epoch(epoch: Epoch) -> None:
        nonlocal ended
        seconds, processor_s = clock.seconds()
        rows.append(
            {
                "epoch": epoch.epoch,
                "seconds": seconds,
                "processor_s": processor_s,
                "validation_s": clock.validation_s,
                "val_iou": epoch.val_iou,
            }
        )
        if aim is not None and epoch.val_iou >= aim:
            ended = "aim"
            raise _EnoughError
        if seconds >= budget_s and epoch.epoch < recipe.training.epochs:
            ended = "budget"
            raise _EnoughError

    training.validate = watched
    try:
        training.train(
            TrainingTask(model, recipe.model, train_items, val_items, recipe.training, seed=0),
            on_epoch=on_epoch,
            progress=False,
        )
    except _EnoughError:
        model.eval()
    finally:
        training.validate = validate
    validated = [row for row in rows if row["val_iou"] == row["val_iou"]]
    if clock.validations != len(validated):
        raise SomaNetError(f"{len(validated)} epochs were validated, but {clock.validations} validations were timed.")
    if checkpoint is not None:
        save_checkpoint(checkpoint, model, recipe.model, {"training": recipe.training.model_dump(mode="json")})
    return {
        "recipe": recipe.model_dump(mode="json"),
        "images": len(train_items),
        "epochs": rows,
        "ended": ended,
        "val_iou": max((row["val_iou"] for row in validated), default=float("nan")),
        **{name: rows[-1][name] for name in ("seconds", "processor_s", "validation_s")},
    }


def reached(epochs: Sequence[dict[str, float | None]], aim: float) -> dict[str, float | None] | None:
    """The first epoch whose validation IoU reaches the target; an epoch without validation has none."""
    return next((row for row in epochs if (row["val_iou"] or 0.0) >= aim), None)
