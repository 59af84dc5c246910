"""Learning from squares without labels: a network answers a strongly changed one as its moving average answers it.

Mean teacher (Tarvainen & Valpola 2017), for probability maps: the student is the network that is trained, the teacher
the moving average of its weights. What both see has the same geometry: their answers compare pixel by pixel.
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
    """Images without labels and the settings that use them must come together.

    Raises:
        SomaNetError: one came without the other.
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
    """What the teacher asks of the student, and how much it counts."""

    def __init__(self, teacher: nn.Module, settings: UnlabelledSettings, *, total_steps: int) -> None:
        self._teacher, self._settings = teacher, settings
        self._ramp_steps = settings.ramp_fraction * total_steps

    def weight(self, step: int) -> float:
        """Of the consistency loss in a step, the first being 0: exp(-5 (1 - t)²) of its full size (Laine & Aila 2017).

        The teacher is not to be believed before it has learnt: the weight begins below 1 % and is full after
        `ramp_fraction` of all steps.
        """
        t = min(step / self._ramp_steps, 1.0) if self._ramp_steps > 0 else 1.0
        return self._settings.weight * math.exp(-5 * (1 - t) ** 2)

    def loss(self, student_logits_NCHW: Tensor, plain_NCHW: Tensor) -> Tensor:
        """Mean squared difference between the student's probabilities and the teacher's, over pixels and outputs.

        Args:
            student_logits_NCHW: for the strongly changed squares; gradients flow here only.
            plain_NCHW: the same squares as inputs without that change.
        """
        with torch.no_grad():
            answer = torch.sigmoid(self._teacher(plain_NCHW.contiguous(memory_format=torch.channels_last)).float())
        difference = (torch.sigmoid(student_logits_NCHW.float()) - answer) ** 2
        if self._settings.confidence is not None:
            soma = answer[:, :1]  # the first output of every network
            difference = difference * (torch.maximum(soma, 1 - soma) >= self._settings.confidence)
        return difference.mean()
