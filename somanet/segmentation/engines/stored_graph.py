"""A network whose graph is stored beside its weights: ready at once, without torch and without building the network.

`graph.onnx` holds everything but the weights of the convolutions, which are those of `model.safetensors`. Its metadata
name the weights that it belongs to, and some of the logits that torch gave when it was written
(:func:`somanet.segmentation.export.stored.store_graphs`): the engine is compared with these each time.
`graph_int8.onnx` is the same network in 8 bits, compared with logits that ONNX Runtime gave. The SHA-256 of both are in
`config.json`: a damaged graph in 8 bits may differ from an intact one as little as one processor does from another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from somanet.core.errors import SomaNetError, first_line
from somanet.core.hashing import sha256_file
from somanet.core.settings import Settings
from somanet.segmentation.engines.choice import EIGHT_BITS
from somanet.segmentation.engines.engine_network import running
from somanet.segmentation.engines.graph import TOLERANCE, example_images
from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine
from somanet.segmentation.network.checkpoint import WEIGHTS, Checkpoint, read_config
from somanet.segmentation.network.intended_use import SECTION as INTENDED_USE
from somanet.segmentation.network.intended_use import IntendedUse
from somanet.segmentation.network.object_confidence import SECTION as OBJECT_CONFIDENCE
from somanet.segmentation.network.object_confidence import ObjectConfidence
from somanet.segmentation.network.settings import ModelSpec
from somanet.segmentation.network.temperature import SECTION as TEMPERATURE_SCALING
from somanet.segmentation.network.temperature import TemperatureScaling

if TYPE_CHECKING:
    from somanet.segmentation.engines.engine import Float32

GRAPH, GRAPH_INT8 = "graph.onnx", "graph_int8.onnx"
"""Beside the two files of a checkpoint."""
INT8_TOLERANCE = 0.08
"""Largest mean difference of a logit in 8 bits. Where a processor's 32-bit sums in the first convolution end on the
other side of a rounding, whole levels differ: 0.01 to 0.04. Sums that overflow give 0.9, 32 bits 0.12."""
GRAPHS = "graphs"
"""Section of `config.json`: the SHA-256 of each graph by the name of its file."""
WEIGHTS_SHA256, LOGITS = "weights_sha256", "logits"
"""Its metadata: the weights that it belongs to, and logits of :func:`example_images` at :data:`SAMPLED`, as JSON."""
SAMPLED = np.s_[:, :, ::16, ::16]


def open_stored(folder: Path, *, eight_bits: bool = False, threads: int = 1) -> Checkpoint:
    """A checkpoint that runs in ONNX Runtime on the processor, by a graph that is stored with it.

    Its outputs are those of :func:`somanet.segmentation.engines.with_engine`, to the bit where the graph was written
    and within :data:`somanet.segmentation.engines.graph.TOLERANCE` elsewhere; not so in 8 bits.

    Args:
        folder: of the checkpoint.
        eight_bits: by the graph in 8 bits.
        threads: per inference call.

    Raises:
        SomaNetError: no graph is stored, or it cannot be used: another network's, damaged, one that ONNX Runtime
            computes otherwise here. The network then has to be built, which says what is wrong with its other files.
    """
    path = folder / (GRAPH_INT8 if eight_bits else GRAPH)
    if not path.is_file():
        raise SomaNetError(f"{path} is missing.")
    try:
        return _opened(path, eight_bits, threads)
    except Exception as error:  # of files, of the runtime, of what was read: all have the same remedy
        raise SomaNetError(f"{path} cannot be used: {first_line(error)}") from error


def _opened(path: Path, eight_bits: bool, threads: int) -> Checkpoint:
    """The same.

    Raises:
        Exception: of any kind, as it cannot be used.
    """
    from safetensors.numpy import load_file

    folder = path.parent
    config = read_config(folder)
    spec = ModelSpec.model_validate(config["model"])
    digest = sha256_file(folder / WEIGHTS)
    if sha256_file(path) != config.get(GRAPHS, {}).get(path.name):
        raise ValueError("its SHA-256 is not the one in config.json")
    engine = OnnxRuntimeEngine(
        path.read_bytes(),
        weights=weights_of_convolutions(load_file(folder / WEIGHTS)),
        name=EIGHT_BITS if eight_bits else "onnxruntime",
        threads=threads,
    )
    stored = engine.metadata
    if not digest == config["weights"]["sha256"] == stored[WEIGHTS_SHA256]:
        raise ValueError("the graph or the configuration belongs to other weights")
    _check_outputs(engine, spec.in_channels, eight_bits=eight_bits)
    sections: dict[str, type[Settings]] = {
        INTENDED_USE: IntendedUse,
        TEMPERATURE_SCALING: TemperatureScaling,
        OBJECT_CONFIDENCE: ObjectConfidence,
    }
    found: dict[str, Any] = {
        name: kind.model_validate(config[name]) for name, kind in sections.items() if name in config
    }
    known = ("format", "model", "weights", *sections)
    metadata = {key: value for key, value in config.items() if key not in known}
    nothing: Any = None  # the engine takes the network's place
    return running(
        Checkpoint(
            nothing,
            spec,
            digest,
            metadata,
            found.get(INTENDED_USE, IntendedUse()),
            found.get(TEMPERATURE_SCALING),
            found.get(OBJECT_CONFIDENCE),
        ),
        engine,
    )


def _check_outputs(engine: OnnxRuntimeEngine, channels: int, *, eight_bits: bool) -> None:
    """Compare an engine with the logits that are stored in its graph.

    Raises:
        ValueError: it computes something else.
    """
    expected = np.concatenate([np.ravel(one) for one in json.loads(engine.metadata[LOGITS])])
    found = np.concatenate([engine.logits(images)[SAMPLED].ravel() for images in example_images(channels)])
    if eight_bits:
        off = float(np.abs(found - expected).mean())
        if not off <= INT8_TOLERANCE:
            raise ValueError(
                f"its outputs differ by {off:.2g} on average from those stored in it, expected {INT8_TOLERANCE} or less"
            )
    elif not np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE):
        raise ValueError("the engine does not agree with torch")


def weights_of_convolutions(tensors: Mapping[str, Any]) -> dict[str, Float32]:
    """The arrays of a network that its stored graphs name and do not hold: all of four axes, as 32-bit numbers."""
    return {name: array.astype(np.float32) for name, array in tensors.items() if array.ndim == 4}
