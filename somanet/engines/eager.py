"""The reference: torch, layer by layer, as in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from somanet.engines.engine import Float32

if TYPE_CHECKING:
    from torch import nn


class EagerEngine:
    """The network itself, in evaluation mode.

    Args:
        model: images NCHW to logits NCHW.
        channels_last: the memory layout that convolutions are faster in; false is what torch does when not asked.
    """

    name = "torch"

    def __init__(self, model: nn.Module, *, channels_last: bool = True) -> None:
        import torch

        self.version: str = torch.__version__
        self._model = model.eval()
        self._layout = torch.channels_last if channels_last else torch.contiguous_format

    def logits(self, images_NCHW: Float32) -> Float32:
        """See :meth:`somanet.engines.engine.Engine.logits`."""
        import torch

        with torch.inference_mode():
            batch = torch.from_numpy(images_NCHW).contiguous(memory_format=self._layout)
            answer: Float32 = self._model(batch).numpy()
        return answer
