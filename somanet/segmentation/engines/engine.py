"""What an engine is."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


class Engine(Protocol):
    """Computes one network. Several threads may ask at the same time."""

    @property
    def name(self) -> str:
        """As `--engine` takes it."""
        ...

    @property
    def version(self) -> str:
        """Of the library that computes."""
        ...

    @property
    def precision(self) -> str:
        """Number types of what it runs, as found there: `float32`, or with others, such as `float32+int8`."""
        ...

    def logits(self, images_NCHW: Float32) -> Float32:
        """Logits NCHW of the same height and width, which must be multiples of 32."""
        ...
