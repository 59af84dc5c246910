"""A network whose graph is stored beside its weights: ready at once, without torch and without building the network.

`graph.onnx` holds everything but the weights of the convolutions, which are those of `model.safetensors`. Its metadata
name the weights that it belongs to, and some of the logits that torch gave when it was written
(:func:`somanet.segmentation.export.stored.store_graph`): the engine is compared with these each time.
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

GRAPH = "graph.onnx"
"""Beside the two files of a checkpoint."""
WEIGHTS_SHA256, LOGITS = "weights_sha256", "logits"
"""Its metadata: the weights that it belongs to, and logits of :func:`example_images` at :data:`SAMPLED`, as JSON."""
SAMPLED = np.s_[:, :, ::16, ::16]


def open_stored(folder: Path, *, threads: int = 1) -> Checkpoint:
    """A checkpoint that runs in ONNX Runtime on the processor, by the graph that is stored with it.

    Its outputs are those of :func:`somanet.segmentation.engines.with_engine`, to the bit where the graph was written
    and within :data:`somanet.segmentation.engines.graph.TOLERANCE` elsewhere.

    Args:
        folder: of the checkpoint.
        threads: per inference call.

    Raises:
        SomaNetError: no graph is stored, or it cannot be used: another network's, damaged, one that ONNX Runtime
            computes otherwise here. The network then has to be built, which says what is wrong with its other files.
    """
    path = folder / GRAPH
    if not path.is_file():
        raise SomaNetError(f"{path} is missing.")
    try:
        return _opened(folder, threads)
    except Exception as error:  # of files, of the runtime, of what was read: all have the same remedy
        raise SomaNetError(f"{path} cannot be used: {first_line(error)}") from error


def _opened(folder: Path, threads: int) -> Checkpoint:
    """The same.

    Raises:
        Exception: of any kind, as it cannot be used.
    """
    from safetensors.numpy import load_file

    config = read_config(folder)
    spec = ModelSpec.model_validate(config["model"])
    digest = sha256_file(folder / WEIGHTS)
    engine = OnnxRuntimeEngine(
        (folder / GRAPH).read_bytes(), weights=weights_of_convolutions(load_file(folder / WEIGHTS)), threads=threads
    )
    stored = engine.metadata
    if not digest == config["weights"]["sha256"] == stored[WEIGHTS_SHA256]:
        raise ValueError("the graph or the configuration belongs to other weights")
    for images, expected in zip(example_images(spec.in_channels), json.loads(stored[LOGITS]), strict=True):
        if not np.allclose(engine.logits(images)[SAMPLED], expected, rtol=TOLERANCE, atol=TOLERANCE):
            raise ValueError("the engine does not agree with torch")
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


def weights_of_convolutions(tensors: Mapping[str, Any]) -> dict[str, Float32]:
    """The arrays of a network that its stored graph names and does not hold: all of four axes, as 32-bit numbers."""
    return {name: array.astype(np.float32) for name, array in tensors.items() if array.ndim == 4}
