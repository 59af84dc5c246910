"""An engine in a network's place: tiling, test-time augmentation and thresholds work unchanged, and without torch."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from somanet.segmentation.engines.engine import MULTIPLE, Engine, Float32

if TYPE_CHECKING:
    from somanet.segmentation.network.checkpoint import Checkpoint


class EngineNetwork:
    """What stands in a checkpoint as its `model` once an engine runs it; it has no weights of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def logits(self, input_CYX: Float32) -> Float32:
        """Logits CYX of one network input CYX, padded as `forward.predict_logits` pads it for torch."""
        _, height, width = input_CYX.shape
        pad = ((0, 0), (0, -height % MULTIPLE), (0, -width % MULTIPLE))
        padded = np.pad(input_CYX, pad, mode="symmetric")
        return self.engine.logits(padded[None])[0, :, :height, :width]


def running(checkpoint: Checkpoint, engine: Engine) -> Checkpoint:
    """The checkpoint as this engine runs it."""
    model: Any = EngineNetwork(engine)
    return dataclasses.replace(checkpoint, model=model)
