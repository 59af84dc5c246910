"""The interface of an inference engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from somanet.segmentation.engines.devices import Device

Float32 = NDArray[np.float32]

MULTIPLE = 32
"""Of the height and the width of an engine's images: every network here halves its input up to five times."""


class Engine(Protocol):
    """Runs one network; safe to call from several threads at once."""

    @property
    def name(self) -> str:
        """The name that `--engine` takes."""
        ...

    @property
    def version(self) -> str:
        """Version of the library that runs the network."""
        ...

    @property
    def precision(self) -> str:
        """Data types of the running network, as found in it: `float32`, or several, such as `float32+int8`."""
        ...

    @property
    def device(self) -> Device:
        """Where it computes."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What happened while it computed that a user should know, such as a lack of memory."""
        ...

    def logits(self, images_NCHW: Float32) -> Float32:
        """Logits NCHW of the same height and width, which must be multiples of :data:`MULTIPLE`."""
        ...
