"""Optimisation: device, frozen blocks, optimiser, learning rate, moving average."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from somanet.core.errors import SomaNetError
from somanet.segmentation.network.blocks import freeze_all_but_last, freeze_all_but_last_tensors, set_training_mode
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.settings import TrainSettings

if TYPE_CHECKING:
    from accelerate import Accelerator


def make_accelerator(settings: TrainSettings) -> Accelerator:
    """The device, its precision, and how processes share a batch.

    Raises:
        SomaNetError: this machine lacks the device or the precision, or a batch cannot be split evenly.
    """
    from accelerate import Accelerator
    from accelerate.utils import DataLoaderConfiguration, DistributedDataParallelKwargs

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(settings.device, True):
        raise SomaNetError(
            f"device is {settings.device!r}, which this machine or this build of torch lacks. Use device: auto."
        )
    on_cpu = settings.device == "cpu" or not any(available.values())
    if on_cpu and settings.precision != "float32":
        raise SomaNetError(
            f"precision {settings.precision} on a CPU is many times slower than float32. Use precision: float32."
        )
    accelerator = Accelerator(
        cpu=on_cpu,
        mixed_precision="no" if settings.precision == "float32" else settings.precision,
        # batch_size is the total, on 1 or 4 GPUs; samples are copied to a GPU while it still computes
        dataloader_config=DataLoaderConfiguration(split_batches=True, non_blocking=True),
        # encoders have parts that no step uses, such as a classifier: torch finds these in the first step
        kwargs_handlers=[DistributedDataParallelKwargs(static_graph=True)],
    )
    for part in (settings, settings.unlabelled):
        if part is not None and part.batch_size % accelerator.num_processes:
            raise SomaNetError(
                f"batch_size {part.batch_size} cannot be split evenly over {accelerator.num_processes} processes: "
                "choose a multiple of their number."
            )
    return accelerator


def freeze(model: nn.Module, spec: ModelSpec, settings: TrainSettings) -> list[str]:
    """Freeze what is not trained; return the names of the trained blocks or tensors."""
    if settings.trainable_tensors is not None:
        return freeze_all_but_last_tensors(model, settings.trainable_tensors)
    return freeze_all_but_last(model, settings.trainable_blocks, in_channels=spec.in_channels)


def begin_epoch(model: nn.Module, settings: TrainSettings) -> None:
    """Put the trained parts of the network into training mode."""
    if settings.trainable_tensors is None:
        set_training_mode(model)
    else:
        model.train()  # statistics of frozen layers are updated too, as in the authors' code


def make_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """The optimiser for the parameters that are not frozen."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    kind: type[torch.optim.Adam] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    return kind(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def make_scheduler(
    optimizer: torch.optim.Optimizer, settings: TrainSettings, total_steps: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """The learning rate schedule: linear warm-up, then constant or half a cosine down to zero."""
    warmup = round(settings.warmup_fraction * total_steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if settings.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(step - warmup, total_steps) / max(total_steps - warmup, 1)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def make_average(model: nn.Module, settings: TrainSettings) -> AveragedModel | None:
    """A moving average of weights and batch-norm statistics; none if `ema_decay` is 0."""
    if settings.ema_decay == 0:
        return None
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(settings.ema_decay), use_buffers=True)
    return average.eval()
