"""A network's ONNX graph in 8 bits between its first and its last convolution, without training.

Values between layers have 8 bits without a sign and one scale for each array; weights have a sign, are symmetric around
0 and have one scale for each output channel (Jacob et al. 2018, https://arxiv.org/abs/1712.05877). What rounded weights
change on average, biases take back (Nagel et al. 2019, https://arxiv.org/abs/1906.04721).

Sums are whole numbers, so every processor computes the same ones: where pairs of products are added in 16 bits, as on
x86 without VNNI, they fit, whichever two weights of a channel meet. Runtimes compute a layer in 8 bits where the
graph rounds its inputs and its output (QuantizeLinear, DequantizeLinear).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.segmentation.engines.engine import Float32
from somanet.segmentation.engines.graph import INPUT
from somanet.segmentation.engines.onnxruntime_engine import import_onnxruntime
from somanet.segmentation.engines.padding import remove_unread

LEVELS = 255
LARGEST_PAIR = 127.5
"""A channel's two largest weights together, in steps; at most 128 once each is rounded: 255 × 128 = 32,640 < 2¹⁵."""
BIAS_BITS = 24
"""A channel's steps are no finer than its bias takes, which is added in 32 bits."""
_LAYERS = ("Conv", "Clip", "Relu", "Add", "Concat", "Resize")
_FOLLOWING = ("Clip", "Relu")
"""Layers that a runtime computes within the convolution before them."""


@dataclass(frozen=True)
class Seen:
    """The values of an array, as the mean of batches.

    Attributes:
        low, high: the extremes.
        mean_C: by channel.
    """

    low: float
    high: float
    mean_C: NDArray[np.float64]

    @property
    def step(self) -> np.float32:
        """Between two of 256 levels that reach from the one extreme to the other."""
        return np.float32(max(max(self.high, 0.0) - min(self.low, 0.0), 1e-6) / LEVELS)

    @property
    def zero(self) -> np.uint8:
        """The level that is 0, so that padding is exact."""
        return np.uint8(round(-min(self.low, 0.0) / float(self.step)))


def in_8_bits(onnx_model: bytes, images: Iterable[Float32]) -> bytes:
    """The graph with 8 bits in all but its first and its last convolution; its weights are rounded where it is loaded.

    Args:
        onnx_model: of a network of convolutions with biases, clipped values, sums, joins and doublings, for images
            whose sides are multiples of :data:`somanet.segmentation.engines.engine.MULTIPLE`.
        images: batches NCHW as they enter the network, typical of later use.

    Raises:
        SomaNetError: it has layers of another kind.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_model_from_string(onnx_model)
    graph = model.graph
    _double_by_factor(graph)
    seen = _seen(model, _arrays_between(graph), images)
    for node in graph.node:
        if node.op_type == "Resize":  # copies
            seen[node.output[0]] = seen[node.input[0]]
    held = {one.name: one for one in graph.initializer}
    before = list(graph.node)
    inner = {node.output[0] for node in [node for node in before if node.op_type == "Conv"][1:-1]}
    del graph.node[:]

    def constant(name: str, values: Any) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def round_through(name: str, step: Any, zero: Any) -> None:
        """Adds nodes: from `name` to `name/8` in 8 bits, and back to `name/32`."""
        given = [constant(f"{name}/step", step), constant(f"{name}/zero", zero)]
        graph.node.append(helper.make_node("QuantizeLinear", [name, *given], [f"{name}/8"], axis=0))
        graph.node.append(helper.make_node("DequantizeLinear", [f"{name}/8", *given], [f"{name}/32"], axis=0))

    for node in before:
        if node.output[0] in inner:
            source, kernel, offset = node.input
            weights, biases = (numpy_helper.to_array(held[name]) for name in (kernel, offset))
            steps = weight_steps(weights, biases, seen[source].step)
            groups = helper.get_node_attr_value(node, "group")
            lost = lost_on_average(weights, steps, seen[source].mean_C, groups)
            round_through(kernel, steps, np.zeros(len(steps), np.int8))
            units = steps * seen[source].step
            whole = np.round((biases + lost) / units.astype(np.float64)).astype(np.int32)
            graph.initializer.remove(held[offset])
            given = [constant(offset, whole), constant(f"{offset}/step", units)]
            graph.node.append(helper.make_node("DequantizeLinear", given, [f"{offset}/32"], axis=0))
            node.input[1], node.input[2] = f"{kernel}/32", f"{offset}/32"
        for place, name in enumerate(node.input):
            if name in seen:
                node.input[place] = f"{name}/32"
        graph.node.append(node)
        if node.output[0] in seen:
            array = seen[node.output[0]]
            round_through(node.output[0], array.step, array.zero)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def weight_steps(weights_OIYX: Float32, biases_O: Float32, step: np.float32) -> Float32:
    """The unit of each channel's weights: no two of them are more than 128 units together.

    Args:
        weights_OIYX, biases_O: of a convolution.
        step: the unit of its input.
    """
    magnitudes = np.sort(np.abs(weights_OIYX).reshape(len(weights_OIYX), -1), axis=1)
    steps = magnitudes[:, -2:].sum(axis=1) / LARGEST_PAIR
    steps = np.maximum(steps, np.abs(biases_O) / step / 2**BIAS_BITS)
    return np.where(steps > 0, steps, 1).astype(np.float32)


def lost_on_average(
    weights_OIYX: Float32, steps_O: Float32, mean_C: NDArray[np.float64], groups: int
) -> NDArray[np.float64]:
    """By how much rounded weights lower a convolution's outputs, where its input has its mean everywhere."""
    steps = steps_O[:, None, None, None]
    lost_OI = (weights_OIYX - np.round(weights_OIYX / steps) * steps).sum(axis=(2, 3), dtype=np.float64)
    of_groups = lost_OI.reshape(groups, -1, lost_OI.shape[1])
    lost: NDArray[np.float64] = np.einsum("goi,gi->go", of_groups, mean_C.reshape(groups, -1))
    return lost.reshape(-1)


def _double_by_factor(graph: Any) -> None:
    """Let images be doubled by the factor 2, not to a size that is computed from another array's.

    It is the same for the sides that networks take. OpenVINO 2026.4 takes the contents of that other array too, if it
    has 8 bits.
    """
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "doubled"))
    for node in graph.node:
        if node.op_type == "Resize":
            del node.input[1:]
            node.input.extend(["", "doubled"])
    remove_unread(graph)


def _arrays_between(graph: Any) -> list[str]:
    """Names of the arrays that get 8 bits: of all layers from the first convolution's to the last one's input."""
    first, *_, last = (node for node in graph.node if node.op_type == "Conv")
    readers = Counter(name for node in graph.node for name in node.input)
    followed = {node.input[0] for node in graph.node if node.op_type in _FOLLOWING and readers[node.input[0]] == 1}
    reached = [first.output[0]]
    for node in graph.node:
        if node is not last and any(name in reached for name in node.input):
            if node.op_type not in _LAYERS:
                raise SomaNetError(
                    f"This network cannot be written in 8 bits: expected layers of the kinds {', '.join(_LAYERS)}, "
                    f"found {node.op_type}."
                )
            reached += node.output
    return [name for name in reached if name not in followed]


def _seen(model: Any, names: list[str], images: Iterable[Float32]) -> dict[str, Seen]:
    """What each array holds while the network computes these images."""
    import onnx

    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = import_onnxruntime().InferenceSession(shown.SerializeToString(), providers=["CPUExecutionProvider"])
    batches = [
        [(one.min(), one.max(), one.mean((0, 2, 3), np.float64)) for one in session.run(names, {INPUT: batch})]
        for batch in images
    ]
    return {
        name: Seen(*(np.mean(one, axis=0) for one in zip(*of_batches, strict=True)))
        for name, of_batches in zip(names, zip(*batches, strict=True), strict=True)
    }
