"""Logits to probabilities, and probabilities to foreground pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from somanet.segmentation.network.settings import InstanceSettings


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits to probabilities without overflow."""
    probability: NDArray[np.float32] = 0.5 * (1 + np.tanh(0.5 * logits))
    return probability


def foreground(soma_probability: NDArray[np.float32], settings: InstanceSettings) -> NDArray[np.bool_]:
    """Pixels that belong to a soma."""
    return soma_probability >= settings.threshold
