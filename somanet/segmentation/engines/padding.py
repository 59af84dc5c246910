"""Convolutions that pad their own input, in the ONNX graph of a network that pads as TensorFlow does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

SAME = "SAME_UPPER"
"""ONNX's name of TensorFlow's rule: along each axis as many zeros as give ceil(size / stride) outputs, half of them
before the image, and the odd one behind it."""
LARGE_PX = 1024


def pad_in_convolution(onnx_model: bytes) -> bytes:
    """The graph with TensorFlow's padding as an attribute of its convolutions: the same outputs, for every image size.

    This padding depends on the size of the image, so a tracer writes it as sixty small operations and a copy of the
    whole input before the convolution. ONNX has the rule as an attribute (``auto_pad``, see its operator Conv).

    A padding stays where the two might differ: it has other values than zeros or another reader, its amounts depend on
    anything but the size of the padded array or follow another rule at any size (as constant ones do, which runtimes
    fuse themselves); or the convolution pads already, is dilated, which ONNX Runtime refuses, or has a kernel smaller
    than its stride, where versions of it disagree.

    Args:
        onnx_model: a serialised model, nodes in the order in which they run.

    Returns:
        The rewritten model; the same bytes if there is nothing to rewrite.
    """
    import onnx

    model = onnx.load_model_from_string(onnx_model)
    made_by = {name: node for node in model.graph.node for name in node.output}
    readers = [name for node in model.graph.node for name in _read_by(node)]
    readers += [one.name for one in model.graph.output]
    changed = False
    for node in model.graph.node:
        padding = made_by.get(node.input[0]) if node.op_type == "Conv" else None
        if padding is None or padding.op_type != "Pad" or readers.count(node.input[0]) != 1:
            continue
        if not (_pads_zeros(padding, model.graph, made_by) and _follows_rule(padding, node, model, made_by)):
            continue
        node.input[0] = padding.input[0]
        kept = [one for one in node.attribute if one.name not in ("pads", "auto_pad")]
        del node.attribute[:]
        node.attribute.extend([*kept, onnx.helper.make_attribute("auto_pad", SAME)])
        changed = True
    if not changed:
        return onnx_model
    remove_unread(model.graph)
    content: bytes = model.SerializeToString()
    return content


def remove_unread(graph: Any) -> None:
    """Remove the operations and arrays of a graph that no output depends on."""
    read = {one.name for one in graph.output}
    kept = []
    for node in reversed(graph.node):
        if any(name in read for name in node.output):
            read.update(_read_by(node))
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    for held in (graph.initializer, graph.value_info):
        of_use = [one for one in held if one.name in read]
        del held[:]
        held.extend(of_use)


def _read_by(node: Any) -> Iterator[str]:
    """Names of the arrays that an operation reads, in the branches and loops within it too."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            yield from (one.name for one in graph.output)
            for inner in graph.node:
                yield from _read_by(inner)


def _attributes(node: Any) -> dict[str, Any]:
    from onnx import helper

    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def _pads_zeros(padding: Any, graph: Any, made_by: dict[str, Any]) -> bool:
    """Whether it adds zeros along all axes that its amounts list."""
    from onnx import numpy_helper

    value, axes = (padding.input[n] if len(padding.input) > n else "" for n in (2, 3))
    if len(padding.input) < 2 or _attributes(padding).get("mode", b"constant") != b"constant" or axes:
        return False
    if not value:
        return True
    constants = {one.name: one for one in graph.initializer}
    if value in made_by and made_by[value].op_type == "Constant":
        constants[value] = _attributes(made_by[value]).get("value")
    held = constants.get(value)
    return held is not None and not numpy_helper.to_array(held).any()


def _follows_rule(padding: Any, convolution: Any, model: Any, made_by: dict[str, Any]) -> bool:
    """Whether a padding adds before a convolution what :data:`SAME` would, for images of any size.

    The amounts are computed for heights and widths with every remainder by the stride, on which alone the rule depends.
    """
    told = _attributes(convolution)
    kernel = told.get("kernel_shape", [])
    n = len(kernel)
    strides = told.get("strides", [1] * n)
    pads_already = told.get("auto_pad", b"NOTSET") != b"NOTSET" or any(told.get("pads", []))
    dilated = any(one != 1 for one in told.get("dilations", []))
    if not n or pads_already or dilated:
        return False
    amounts = _Amounts.of(padding, model, made_by)
    if amounts is None:
        return False
    longest = max(strides)
    sizes = [*range(1, 3 * longest + 1), *range(LARGE_PX, LARGE_PX + longest)]
    for first in range(len(sizes)):
        shape = [sizes[(first + axis) % len(sizes)] for axis in range(n)]  # another size along each axis
        total = [  # below zero where a kernel is smaller than its stride: no padding adds that
            (-(-size // stride) - 1) * stride + side - size
            for size, stride, side in zip(shape, strides, kernel, strict=True)
        ]
        expected = [0, 0, *(one // 2 for one in total), 0, 0, *(one - one // 2 for one in total)]
        if amounts.at([2, 3, *shape]) != expected:
            return False
    return True


class _Amounts:
    """How much a padding adds, computed by its graph from the shape of the array that it pads.

    Args:
        evaluator: runs the operations that compute it.
        shapes: their inputs, each of which is the shape.
    """

    def __init__(self, evaluator: Any, shapes: list[str]) -> None:
        self._evaluator = evaluator
        self._shapes = shapes

    @classmethod
    def of(cls, padding: Any, model: Any, made_by: dict[str, Any]) -> _Amounts | None:
        """None if they depend on anything but this shape."""
        from onnx import TensorProto, helper
        from onnx.reference import ReferenceEvaluator

        array, amounts = padding.input[:2]
        held = {one.name for one in model.graph.initializer}
        needed, shapes, waiting = {amounts}, [], [amounts]
        while waiting:
            name = waiting.pop()
            node = made_by.get(name)
            if node is None:
                if name not in held:
                    return None
            elif node.op_type == "Shape" and node.input[0] == array and not node.attribute:
                shapes.append(name)
            elif any(one.HasField("g") or one.graphs for one in node.attribute):
                return None
            else:
                new = [one for one in node.input if one and one not in needed]
                needed.update(new)
                waiting.extend(new)
        graph = helper.make_graph(
            [one for one in model.graph.node if needed.intersection(one.output) and one.output[0] not in shapes],
            "amounts",
            [helper.make_tensor_value_info(name, TensorProto.INT64, [None]) for name in shapes],
            [helper.make_tensor_value_info(amounts, TensorProto.INT64, [None])],
            [one for one in model.graph.initializer if one.name in needed],
        )
        small = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
        try:
            return cls(ReferenceEvaluator(small), shapes)
        except Exception:  # of any kind, for an operation that the evaluator lacks
            return None

    def at(self, shape: list[int]) -> list[int] | None:
        """Zeros before each axis and then behind each; None if they cannot be computed."""
        try:
            [found] = self._evaluator.run(None, dict.fromkeys(self._shapes, np.array(shape, np.int64)))
        except Exception:  # of any kind, depending on the operation
            return None
        amounts: list[int] = np.asarray(found).tolist()
        return amounts
