"""Distillation: a network learns to give the outputs of another on augmented patches, without labels."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from somanet.training.loop.optimisation import begin_epoch, make_average, make_optimizer, make_scheduler
from somanet.training.loop.samples import TrainingSamples
from somanet.training.loop.settings import AugmentSettings, TrainSettings

Teacher = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Inputs NCHW to logits NCHW."""


def settings_for(n_samples: int, learning_rate: float, *, batch_size: int = 8) -> TrainSettings:
    """A training on so many patches: those of the bundled recipe, with fading and somas brighter elsewhere."""
    return TrainSettings(
        epochs=1,
        samples_per_epoch=n_samples,
        batch_size=batch_size,
        size_px=256,
        optimizer="adamw",
        learning_rate=learning_rate,
        schedule="cosine",
        warmup_fraction=0.05,
        gradient_clip=1.0,
        ema_decay=0.99,
        augment=AugmentSettings(
            mode="online", independent=True, scale_range=(0.5, 1.8), brighter_elsewhere=3.0, fade_probability=0.3
        ),
    )


def imitation_loss(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Mean Kullback–Leibler divergence of the teacher's probabilities from the student's, of all outputs; 0 if equal.

    Each output of a pixel is a probability of its own (Hinton et al. 2015, https://arxiv.org/abs/1503.02531, for two
    classes and temperature 1); the distance map, from 0 to 1 as well, is taken for one.
    """
    probabilities = torch.sigmoid(teacher_logits)
    own_entropy = functional.binary_cross_entropy_with_logits(teacher_logits, probabilities)
    return functional.binary_cross_entropy_with_logits(logits, probabilities) - own_entropy


def distilled(
    student: nn.Module,
    teacher: Teacher,
    samples: TrainingSamples,
    settings: TrainSettings,
    *,
    report: Callable[[str], None] = print,
) -> nn.Module:
    """Train a student once over all samples, in place; the moving average of its weights, in evaluation mode.

    Args:
        student: inputs NCHW to logits NCHW.
        teacher: gives the logits to imitate, of the same augmented patch.
        samples: patches; their targets are not used.
        settings: batch size, optimiser, rates, decay of the average.
        report: told the mean loss since the last time, and patches per second.
    """
    student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loader = DataLoader(samples, batch_size=settings.batch_size, drop_last=True)
    optimizer = make_optimizer(student, settings)
    scheduler = make_scheduler(optimizer, settings, len(loader))
    average = make_average(student, settings)
    begin_epoch(student, settings)
    began, losses = time.perf_counter(), []
    for step, (inputs_NCHW, _) in enumerate(loader, start=1):
        expected = torch.from_numpy(teacher(inputs_NCHW.numpy()))
        loss = imitation_loss(student(inputs_NCHW.contiguous(memory_format=torch.channels_last)), expected)
        optimizer.zero_grad()
        loss.backward()
        if settings.gradient_clip is not None:
            nn.utils.clip_grad_norm_(student.parameters(), settings.gradient_clip)
        optimizer.step()
        scheduler.step()
        losses.append(float(loss.detach()))
        if average is not None:
            average.update_parameters(student)
        if step % 50 == 0 or step == len(loader):
            rate = step * settings.batch_size / (time.perf_counter() - began)
            report(f"step {step}/{len(loader)}: loss {np.mean(losses):.4f}, {rate:.1f} patches/s")
            losses.clear()
    kept: nn.Module = student if average is None else average.module
    kept.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return kept.eval()
