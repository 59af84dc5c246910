"""Graphs of a network, stored beside its weights: what :mod:`somanet.segmentation.engines.stored_graph` opens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path, write_json
from somanet.core.hashing import sha256_file
from somanet.segmentation.engines.eager import EagerEngine
from somanet.segmentation.engines.graph import example_images, to_onnx
from somanet.segmentation.engines.onnxruntime_engine import PRECISION, OnnxRuntimeEngine
from somanet.segmentation.engines.stored_graph import (
    GRAPH,
    GRAPH_INT8,
    GRAPHS,
    LOGITS,
    SAMPLED,
    WEIGHTS_SHA256,
    weights_of_convolutions,
)
from somanet.segmentation.export.eight_bits import in_8_bits
from somanet.segmentation.network.checkpoint import CONFIG, WEIGHTS, load_checkpoint, read_config
from somanet.segmentation.network.inputs import to_input
from somanet.simulation import Variety, neuron_crops

if TYPE_CHECKING:
    from torch import nn

    from somanet.segmentation.engines.engine import Engine, Float32
    from somanet.segmentation.network.checkpoint import Checkpoint
    from somanet.segmentation.network.settings import ModelSpec


def store_graphs(folder: Path) -> tuple[Path, Path]:
    """Write the graphs of a checkpoint into its folder, in 32 and in 8 bits, and their SHA-256; returns the files.

    The exporter multiplies the weights of a convolution by a factor per channel, which stands for the batch norm behind
    it. The stored graphs do the same: they have the factors, and the names of the weights. So they are small, and the
    arrays that are computed with are those of the exported graph to the bit.

    Raises:
        SomaNetError: the checkpoint cannot be used or exported, or has weights or layers of other kinds.
    """
    loaded = load_checkpoint(folder)
    graph = to_onnx(loaded.model, loaded.spec.in_channels)
    whole = _without_weights(graph, loaded, folder)
    small = _without_weights(in_8_bits(graph, typical_images(loaded.spec)), loaded, folder)
    own = _own_weights(loaded)
    in_int8 = OnnxRuntimeEngine(small.SerializeToString(), weights=own)
    written = (
        _write(folder / GRAPH, whole, loaded, EagerEngine(loaded.model), {}),
        _write(folder / GRAPH_INT8, small, loaded, in_int8, {PRECISION: "float32+int8"}),
    )
    write_json(folder / CONFIG, {**read_config(folder), GRAPHS: {path.name: sha256_file(path) for path in written}})
    return written


def typical_images(spec: ModelSpec) -> Iterator[Float32]:
    """Simulated crops NCHW of 256 px: 24 as in the movie, and 24 of many looks."""
    movies = neuron_crops(n_crops=24, size_px=256, seed=1000)
    looks = neuron_crops(n_crops=24, size_px=256, seed=4000, n_movies=24, variety=Variety())
    return (to_input(crop.image, spec)[None] for crop in [*movies, *looks])


def _own_weights(loaded: Checkpoint) -> dict[str, Float32]:
    return weights_of_convolutions({name: value.numpy() for name, value in loaded.model.state_dict().items()})


def _without_weights(onnx_model: bytes, loaded: Checkpoint, folder: Path) -> Any:
    """A network's graph that names the weights of its convolutions and does not hold them."""
    import onnx
    from onnx import helper, numpy_helper

    own = _own_weights(loaded)
    factors = _factors(loaded.model)
    model = onnx.load_model_from_string(onnx_model)
    nodes = []
    for held in [one for one in model.graph.initializer if len(one.dims) == 4]:
        name, factor = _made_of(numpy_helper.to_array(held), own, factors)
        model.graph.initializer.remove(held)
        if factor is not None:
            model.graph.initializer.append(numpy_helper.from_array(factor, f"{name}.factor"))
            nodes.append(helper.make_node("Mul", [name, f"{name}.factor"], [held.name]))
        elif name != held.name:
            nodes.append(helper.make_node("Identity", [name], [held.name]))
        model.graph.initializer.append(_elsewhere(name, own.pop(name).shape))
    if own:
        raise SomaNetError(f"{folder}: expected every weight in the network's graph, which lacks {', '.join(own)}.")
    nodes.extend(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _write(path: Path, model: Any, loaded: Checkpoint, reference: Engine, told: Mapping[str, str]) -> Path:
    """A graph with the weights that it belongs to, what a reference computes, and what else it tells of itself."""
    from onnx import helper

    logits = [reference.logits(images)[SAMPLED] for images in example_images(loaded.spec.in_channels)]
    plain = json.dumps([one.astype(float).round(6).tolist() for one in logits])
    helper.set_model_props(model, {WEIGHTS_SHA256: loaded.sha256, LOGITS: plain, **told})
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
    return path


def _factors(model: nn.Module) -> list[Float32]:
    """What each batch norm multiplies a channel by, O111."""
    from torch import nn

    norms: list[Any] = [one for one in model.modules() if isinstance(one, nn.BatchNorm2d)]
    return [(one.weight / (one.running_var + one.eps).sqrt()).detach().numpy()[:, None, None, None] for one in norms]


def _made_of(weights_OIYX: Float32, own: Mapping[str, Float32], factors: list[Float32]) -> tuple[str, Float32 | None]:
    """The network's tensor, and the factors of its channels, of which a graph's weights are made."""
    for name, tensor in own.items():
        if tensor.shape != weights_OIYX.shape:
            continue
        if np.array_equal(tensor, weights_OIYX):
            return name, None
        for factor in factors:
            if len(factor) == len(tensor) and np.array_equal(tensor * factor, weights_OIYX):
                return name, factor
    raise SomaNetError(
        "This network's graph cannot be stored without its weights: expected each of its arrays to be a weight of the "
        f"network, or one times the factors of a batch norm, found another of the shape {list(weights_OIYX.shape)}."
    )


def _elsewhere(name: str, shape: tuple[int, ...]) -> Any:
    """An array that a graph names and does not hold."""
    from onnx import TensorProto

    entry = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
    place = entry.external_data.add()
    place.key, place.value = "location", WEIGHTS
    return entry
