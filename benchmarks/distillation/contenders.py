"""The networks of the front, each ready to run in one thread."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from benchmarks.distillation.rewriting import convolve_before_upsampling
from benchmarks.distillation.students import STUDENTS, WEIGHTS
from benchmarks.distillation.training import GRAPH
from benchmarks.engines.image import AsBuiltEngine, paper_unet
from benchmarks.engines.int8 import quantise
from benchmarks.peers.measuring import torch_flops
from somanet.analysis.network import BUNDLED
from somanet.segmentation.engines import EIGHT_BITS
from somanet.segmentation.engines.engine import Engine, Float32
from somanet.segmentation.engines.engine_network import running
from somanet.segmentation.engines.graph import to_onnx, traced
from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine
from somanet.segmentation.engines.stored_graph import open_stored
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import Checkpoint

if TYPE_CHECKING:
    from somanet.segmentation.engines.engine_network import EngineNetwork

PAPER_AS_BUILT, PAPER, BUNDLED_NAME = "paper as built", "paper", "bundled"
SIDE_PX = 1024
FOUND_NOTHING = -10.0


@dataclass(frozen=True)
class Contender:
    """A network of the front.

    Attributes:
        title: for tables.
        engine: what computes it.
        checkpoint: the same in a checkpoint, for images to labels.
        flops: operations of an image of :data:`SIDE_PX` squared, as the network is built.
        trained: whether its labels mean anything.
    """

    title: str
    engine: Engine
    checkpoint: Checkpoint
    flops: int
    trained: bool = True

    @property
    def segmenter(self) -> Segmenter:
        """From images to labels."""
        return Segmenter((self.checkpoint,))


def contenders(teacher: Checkpoint, folder: Path, crops: list[Float32]) -> dict[str, Contender]:
    """By name: the paper's network, the bundled one in several ways, and what was trained.

    Args:
        teacher: the bundled network.
        folder: of what was trained; what is not there is left out.
        crops: batches NCHW for the ranges of post-training quantisation.
    """
    graph = traced(teacher.model, teacher.spec.in_channels)
    padded = to_onnx(teacher.model, teacher.spec.in_channels)
    found = _papers()
    graphs: dict[str, tuple[str, bytes]] = {
        BUNDLED_NAME: ("bundled", graph),
        "padded": ("bundled, padding within convolutions", padded),
        "rewritten": ("… and convolved before doubling", convolve_before_upsampling(padded)),
        "int8 static": ("bundled, int8 everywhere, post-training", quantise(graph, crops)),
        "int8 decoder": ("bundled, int8 in the decoder, post-training", quantise(graph, crops, parts=("/decoder/",))),
    }
    for name, title in TRAINED_IN_8_BITS.items():
        if (folder / name / GRAPH).is_file():
            graphs[name] = (title, (folder / name / GRAPH).read_bytes())
    flops = _flops(teacher.model)
    for name, (title, content) in graphs.items():
        engine = OnnxRuntimeEngine(content)
        found[name] = Contender(title, engine, running(teacher, engine), flops)
    eight_bits = open_stored(BUNDLED, eight_bits=True)
    found[EIGHT_BITS] = Contender(
        "bundled, 8 bits, inner layers", cast("EngineNetwork", eight_bits.model).engine, eight_bits, flops
    )
    for name, student in STUDENTS.items():
        if (folder / name / WEIGHTS).is_file():
            model = student.load(teacher, folder / name)
            engine = OnnxRuntimeEngine(convolve_before_upsampling(to_onnx(model, teacher.spec.in_channels)))
            spec = student.spec(teacher.spec)
            checkpoint = running(dataclasses.replace(teacher, spec=spec), engine)
            found[name] = Contender(f"{student.title}, distilled, rewritten", engine, checkpoint, _flops(model))
            if (eight := found.get(f"{name}_int8")) is not None:
                found[f"{name}_int8"] = dataclasses.replace(eight, flops=_flops(model))
    return found


TRAINED_IN_8_BITS = {
    "int8": "bundled, trained in 8 bits",
    "slim_int8": "slim, trained in 8 bits",
}


def _papers() -> dict[str, Contender]:
    """The paper's U-Net with random weights that finds nothing, so that its post-processing costs the least."""
    paper = paper_unet()
    model = copy.deepcopy(paper.model)
    with torch.no_grad():
        head = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)][-1]
        head.weight.zero_()
        if head.bias is not None:
            head.bias.fill_(FOUND_NOTHING)
    flops = _flops(model)
    engines: dict[str, tuple[str, Engine]] = {
        PAPER_AS_BUILT: ("paper's U-Net as its authors ran it", AsBuiltEngine(model)),
        PAPER: ("paper's U-Net, ONNX Runtime", OnnxRuntimeEngine(to_onnx(model, paper.spec.in_channels))),
    }
    return {
        name: Contender(title, engine, running(paper, engine), flops, trained=False)
        for name, (title, engine) in engines.items()
    }


def _flops(model: nn.Module) -> int:
    return torch_flops(model, (1, 3, SIDE_PX, SIDE_PX))


def timing_calls(
    found: dict[str, Contender], images: dict[str, list[np.ndarray]], frame_NCHW: Float32
) -> dict[tuple[str, str], Callable[[], object]]:
    """What is timed, by network and kind: a square alone, a frame alone, and each set of images to labels."""
    square = np.random.default_rng(0).random((1, 3, SIDE_PX, SIDE_PX), dtype=np.float32)
    calls: dict[tuple[str, str], Callable[[], object]] = {}
    for name, one in found.items():
        calls[name, "square"] = lambda one=one: one.engine.logits(square)
        calls[name, "frame"] = lambda one=one: one.engine.logits(frame_NCHW)
        for title, some in images.items():
            calls[name, title] = lambda one=one, some=some: [one.segmenter.labels(image) for image in some]
    return calls
