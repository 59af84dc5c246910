"""An engine as a torch module, so that padding, tiling and thresholds work unchanged."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from somanet.segmentation.engines.engine import Engine


class EngineModule(nn.Module):
    """Runs image batches NCHW on an engine. It has no trainable parameters and is always in evaluation mode."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        # a network's device is found by its first parameter
        self.nothing = nn.Parameter(torch.empty(0), requires_grad=False)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits NCHW."""
        return torch.from_numpy(self.engine.logits(images_NCHW.numpy()))
