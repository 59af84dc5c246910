"""An engine in the place of a network, so that padding, tiles and thresholds stay where they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from somanet.segmentation.engines.engine import Engine


class EngineModule(nn.Module):
    """Answers image batches NCHW through an engine. It has nothing to train, and evaluation is its only mode."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        # whoever asks a network for its device asks its first parameter
        self.nothing = nn.Parameter(torch.empty(0), requires_grad=False)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits NCHW."""
        return torch.from_numpy(self.engine.logits(images_NCHW.numpy()))
