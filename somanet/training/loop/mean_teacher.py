"""Learning from unlabelled patches: on a strongly augmented one the network must match its own moving average.

Mean teacher (Tarvainen & Valpola 2017), for probability maps: the student is the network being trained, the teacher
the moving average of its weights. Both views have the same geometry, so their outputs compare pixel by pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from somanet.core.errors import SomaNetError
from somanet.training.loop.settings import TrainSettings, UnlabelledSettings


def check_unlabelled(settings: TrainSettings, unlabelled: Sequence[NDArray[Any]]) -> None:
    """Check that unlabelled images and the settings that use them are given together.

    Raises:
        SomaNetError: one is given without the other.
    """
    if settings.unlabelled is not None and not unlabelled:
        raise SomaNetError(
            "The settings have a section `unlabelled`, but there are no images without labels. Give some "
            "(somanet finetune … --unlabelled MOVIE), or leave the section out."
        )
    if settings.unlabelled is None and unlabelled:
        raise SomaNetError(
            f"There are {len(unlabelled)} images without labels, but the settings have no section `unlabelled`: they "
            "would not be used. Set training.unlabelled.weight, or leave them out."
        )


class MeanTeacher:
    """The consistency loss between student and teacher, and its weight."""

    def __init__(self, teacher: nn.Module, settings: UnlabelledSettings, *, total_steps: int) -> None:
        self._teacher, self._settings = teacher, settings
        self._ramp_steps = settings.ramp_fraction * total_steps

    def weight(self, step: int) -> float:
        """Weight of the consistency loss in a step, from 0: exp(-5 (1 - t)²) of its full size (Laine & Aila 2017).

        The teacher is unreliable early in training: the weight starts below 1 % and is full after
        `ramp_fraction` of all steps.
        """
        t = min(step / self._ramp_steps, 1.0) if self._ramp_steps > 0 else 1.0
        return self._settings.weight * math.exp(-5 * (1 - t) ** 2)

    def loss(self, student_logits_NCHW: Tensor, plain_NCHW: Tensor) -> Tensor:
        """Mean squared difference between the student's probabilities and the teacher's, over pixels and outputs.

        Args:
            student_logits_NCHW: for the strongly augmented patches; gradients flow only here.
            plain_NCHW: the same patches as inputs without that augmentation.
        """
        with torch.no_grad():
            teacher_probability = torch.sigmoid(
                self._teacher(plain_NCHW.contiguous(memory_format=torch.channels_last)).float()
            )
        difference = (torch.sigmoid(student_logits_NCHW.float()) - teacher_probability) ** 2
        if self._settings.confidence is not None:
            soma = teacher_probability[:, :1]  # the first output of every network
            difference = difference * (torch.maximum(soma, 1 - soma) >= self._settings.confidence)
        return difference.mean()
