"""The graph of a network, stored beside its weights: what :mod:`somanet.segmentation.engines.stored_graph` opens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.segmentation.engines.eager import EagerEngine
from somanet.segmentation.engines.graph import example_images, to_onnx
from somanet.segmentation.engines.stored_graph import GRAPH, LOGITS, SAMPLED, WEIGHTS_SHA256, weights_of_convolutions
from somanet.segmentation.network.checkpoint import WEIGHTS, load_checkpoint

if TYPE_CHECKING:
    from torch import nn

    from somanet.segmentation.engines.engine import Float32


def store_graph(folder: Path) -> Path:
    """Write the graph of a checkpoint into its folder; returns the file.

    The exporter multiplies the weights of a convolution by a factor per channel, which stands for the batch norm behind
    it. The stored graph does the same: it has the factors, and the names of the weights. So it is small, and the arrays
    that are computed with are those of the exported graph to the bit.

    Raises:
        SomaNetError: the checkpoint cannot be used or exported, or has weights that are made otherwise.
    """
    import onnx
    from onnx import helper, numpy_helper

    loaded = load_checkpoint(folder)
    own = weights_of_convolutions({name: value.numpy() for name, value in loaded.model.state_dict().items()})
    factors = _factors(loaded.model)
    model = onnx.load_model_from_string(to_onnx(loaded.model, loaded.spec.in_channels))
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
    logits = [EagerEngine(loaded.model).logits(images)[SAMPLED] for images in example_images(loaded.spec.in_channels)]
    plain = json.dumps([one.astype(float).round(6).tolist() for one in logits])
    helper.set_model_props(model, {WEIGHTS_SHA256: loaded.sha256, LOGITS: plain})
    path = folder / GRAPH
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
