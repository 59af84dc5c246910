"""The reference: torch, layer by layer, as in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from somanet.segmentation.engines.devices import PROCESSOR
from somanet.segmentation.engines.engine import Float32

if TYPE_CHECKING:
    from torch import nn


class EagerEngine:
    """The network itself, in evaluation mode, in the memory layout in which convolutions are fastest.

    Args:
        model: images NCHW to logits NCHW.
    """

    name = "torch"
    device = PROCESSOR
    notes = ()

    def __init__(self, model: nn.Module) -> None:
        import torch

        self.version = str(torch.__version__)
        found = {str(weights.dtype).removeprefix("torch.") for weights in model.parameters()}
        self.precision = "+".join(sorted(found or {"float32"}))  # without weights, the images decide
        self._model = model

    def logits(self, images_NCHW: Float32) -> Float32:
        """See :meth:`somanet.segmentation.engines.engine.Engine.logits`."""
        import torch

        with torch.inference_mode():
            batch = torch.from_numpy(images_NCHW).contiguous(memory_format=torch.channels_last)
            logits: Float32 = self._model.eval()(batch).numpy()
        return logits
