"""Fine-tuning a network, with and without temporal context, on the same samples."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.temporal.inputs import inflate
from benchmarks.temporal.samples import TemporalSamples
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.losses import make_loss
from somanet.training.loop.optimisation import begin_epoch, make_average, make_optimizer, make_scheduler
from somanet.training.loop.settings import TrainSettings


def fine_tuned(
    start: nn.Module, spec: ModelSpec, samples: TemporalSamples, settings: TrainSettings, *, temporal: bool, seed: int
) -> nn.Module:
    """A copy of a network trained once over all samples; the moving average of its weights.

    Args:
        start: the trained network, which sees one frame.
        spec: its inputs and outputs.
        samples: with neighbour frames; without ``temporal`` only each frame itself is used.
        settings: optimiser, rates, loss, batch size and the average's decay.
        temporal: whether the network sees the neighbours.
        seed: of what torch draws.
    """
    torch.manual_seed(seed)
    model = copy.deepcopy(start)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
            # 16 bits cannot hold large variances: infinite ones, which would make the average NaN, are learned anew
            module.running_var.clamp_(max=torch.finfo(torch.float16).max)
    if temporal:
        inflate(model)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    channels = 9 if temporal else 3
    loader = DataLoader(samples, batch_size=settings.batch_size)
    optimizer = make_optimizer(model, settings)
    scheduler = make_scheduler(optimizer, settings, len(loader))
    average = make_average(model, settings)
    loss_function = make_loss(settings.loss, spec.outputs, ignoring=True)
    begin_epoch(model, settings)
    for inputs_NCHW, targets_NCHW in loader:
        inputs_NCHW = inputs_NCHW[:, :channels].contiguous(memory_format=torch.channels_last)
        loss = loss_function(model(inputs_NCHW), targets_NCHW)
        optimizer.zero_grad()
        loss.backward()
        if settings.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
        optimizer.step()
        scheduler.step()
        if average is not None:
            average.update_parameters(model)
    kept: nn.Module = model if average is None else average.module
    kept.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return kept.eval()
