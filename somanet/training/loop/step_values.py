"""Losses and scores of an epoch's steps, kept on the device.

Reading a number makes the host wait until the device has done everything it was given, so that it then stands idle
until it is given the next step. They are therefore read some steps at a time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from somanet.core.errors import SomaNetError
from somanet.training.loop.settings import TrainSettings

if TYPE_CHECKING:
    from accelerate import Accelerator

READ_EVERY = 20
"""Steps between two readings. Weights that are no longer finite train in vain for so many steps at most: they are never
saved, as every epoch ends with a reading."""


class StepValues:
    """The values of one epoch.

    Attributes:
        last_loss: the loss on labels of the last step that was read.
    """

    def __init__(self, accelerator: Accelerator, settings: TrainSettings, *, epoch: int) -> None:
        self.last_loss = math.nan
        self._accelerator, self._settings, self._epoch = accelerator, settings, epoch
        self._unread: list[Tensor] = []
        self._columns: list[list[float]] = []

    def add(self, *values: Tensor) -> None:
        """Add a step: the loss that is minimised, the loss on labels, the IoU, and with a teacher the difference.

        Raises:
            SomaNetError: the loss of a recent step is not finite, in this process or another: all processes raise it.
        """
        self._unread.append(torch.stack([value.detach().float() for value in values]))
        if len(self._unread) == READ_EVERY:
            self._read()

    def means(self) -> list[float]:
        """The means over the epoch's steps of this process: loss on labels, IoU, difference (NaN without a teacher).

        Raises:
            SomaNetError: as in :meth:`add`.
        """
        if self._unread:
            self._read()
        columns = [*self._columns[1:], []]
        return [float(np.mean(column)) if column else math.nan for column in columns[:3]]

    def _read(self) -> None:
        steps = torch.stack(self._unread)  # steps x values
        self._unread.clear()
        gathered: Tensor = self._accelerator.gather(steps[:, 0])  # of all processes, which thus stop in the same step
        wrong = gathered[~gathered.isfinite()]
        if len(wrong):
            raise SomaNetError(
                f"The training loss became {wrong[0].item()} in epoch {self._epoch}: the learning rate "
                f"{self._settings.learning_rate:g} is probably too high. Lower it or set gradient_clip."
            )
        read = steps.T.tolist()
        self._columns = [[*old, *new] for old, new in zip(self._columns or [[]] * len(read), read, strict=True)]
        self.last_loss = self._columns[1][-1]
