"""The network and the weights a training starts from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from somanet.segmentation.network.settings import ModelSpec

if TYPE_CHECKING:
    from torch import nn


def start_network(
    spec: ModelSpec,
    *,
    seed: int,
    checkpoint: Path | None = None,
    weights: Literal["pretrained", "initial", "random"] = "initial",
) -> tuple[nn.Module, ModelSpec, str | None]:
    """The network a training starts from, its spec, and the SHA-256 of the checkpoint's weights.

    Args:
        spec: the network, if there is no checkpoint.
        seed: for the random weights.
        checkpoint: provides the architecture.
        weights: `pretrained`: the checkpoint's; `initial`: those its own training started from (an ImageNet encoder,
            say); `random`: neither.
    """
    import torch

    from somanet.segmentation.network.checkpoint import load_checkpoint
    from somanet.segmentation.network.models import build_model

    torch.manual_seed(seed)
    if checkpoint is not None:
        loaded = load_checkpoint(checkpoint)
        if weights == "pretrained":
            return loaded.model, loaded.spec, loaded.sha256
        spec = loaded.spec
    torch.manual_seed(seed)
    return build_model(spec, load_encoder_weights=weights != "random"), spec, None
