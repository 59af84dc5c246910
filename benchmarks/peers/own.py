"""Contenders that are SomaNet networks: the paper's U-Net and the bundled model, with SomaNet's engines."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers.contenders import AS_BUILT, Contender, Loaded
from benchmarks.peers.measuring import torch_flops
from somanet.segmentation.engines import EngineName, engine_of, with_engine
from somanet.segmentation.inference.prediction import predict_logits
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import Checkpoint, load_checkpoint
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import ModelSpec


class AsBuiltNetwork(nn.Module):
    """A network that gets its images in the memory order NCHW, whatever the caller's order."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits NCHW."""
        network_output: Tensor = self.network(images_NCHW.contiguous(memory_format=torch.contiguous_format))
        return network_output


def load_own(contender: Contender, *, threads: int, side_px: int) -> Loaded:
    """A checkpoint, or the paper's network with random weights, run by the contender's engine."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if contender.model is None:
        checkpoint = Checkpoint(build_model(ModelSpec()).eval(), ModelSpec(), "")
    else:
        checkpoint = load_checkpoint(contender.model)
    spec = checkpoint.spec
    about: dict[str, Any] = {"model_sha256": checkpoint.sha256, "architecture": spec.architecture}
    operations = torch_flops(checkpoint.model, (1, spec.in_channels, side_px, side_px))
    if contender.engine == AS_BUILT:
        checkpoint = dataclasses.replace(checkpoint, model=AsBuiltNetwork(checkpoint.model))
        about |= {"engine": {"name": AS_BUILT, "version": torch.__version__, "precision": "float32"}}
    else:
        choice = with_engine(checkpoint, cast("EngineName", contender.engine), threads=threads)
        checkpoint = choice.checkpoint
        about |= {"engine": engine_of(checkpoint.model), "notes": list(choice.notes)}
    picture = np.random.default_rng(0).random((spec.in_channels, side_px, side_px), dtype=np.float32)
    return Loaded(
        label=lambda image: Segmenter.of(checkpoint.model, spec).labels(image),
        network=lambda: predict_logits(checkpoint.model, picture),
        flops=operations,
        about=about,
    )
