"""The same outputs from fewer operations: rewritings of a network's ONNX graph."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from somanet.segmentation.engines.padding import remove_unread


def convolve_before_upsampling(onnx_model: bytes) -> bytes:
    """3 × 3 convolutions of an image doubled in size, as 2 × 2 convolutions of the image itself: 4/9 of the products.

    Each pixel of the doubled image sees 3 × 3 pixels that are copies of 2 × 2. Which of them depends on whether its row
    and column are even: four kernels of sums of weights, of which each gives a quarter of the pixels. The channels that
    come from the encoder are convolved as before, and the two are added.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_model_from_string(onnx_model)
    graph = model.graph
    made_by = {name: node for node in graph.node for name in node.output}
    weights = {one.name: one for one in graph.initializer}
    nodes: list[Any] = []
    for node in graph.node:
        joined = made_by.get(node.input[0]) if node.op_type == "Conv" else None
        doubled = made_by.get(joined.input[0]) if joined is not None and joined.op_type == "Concat" else None
        if joined is None or doubled is None or doubled.op_type != "Resize":
            nodes.append(node)
            continue
        weight = numpy_helper.to_array(weights[node.input[1]])
        name, small, skip = node.output[0], doubled.input[0], joined.input[1]
        n_small = weight.shape[1] - _channels_of(made_by, weights, skip)
        phases = quarter_kernels(weight[:, :n_small])
        rest = weight[:, n_small:].copy()
        graph.initializer.extend(
            numpy_helper.from_array(array, f"{name}/{what}")
            for what, array in {
                "phases": phases,
                "rest": rest,
                "from": np.array([1, 1], np.int64),
                "to": np.array([-1, -1], np.int64),
                "axes": np.array([2, 3], np.int64),
            }.items()
        )
        nodes += [
            helper.make_node("Conv", [small, f"{name}/phases"], [f"{name}/q"], f"{name}/q", pads=[1, 1, 1, 1]),
            helper.make_node("DepthToSpace", [f"{name}/q"], [f"{name}/s"], f"{name}/s", blocksize=2, mode="CRD"),
            helper.make_node(
                "Slice", [f"{name}/s", f"{name}/from", f"{name}/to", f"{name}/axes"], [f"{name}/u"], f"{name}/u"
            ),
            helper.make_node(
                "Conv", [skip, f"{name}/rest", *node.input[2:]], [f"{name}/r"], f"{name}/r", pads=[1, 1, 1, 1]
            ),
            helper.make_node("Add", [f"{name}/r", f"{name}/u"], [name], f"{name}/a"),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
    return _serialised(model)


def with_folded_constants(onnx_model: bytes) -> bytes:
    """What depends on no image is computed once: rounded weights become 8-bit numbers, a quarter of the bytes.

    ONNX Runtime does the same whenever it loads the graph; this keeps its result, without operations of its own.
    """
    import onnx

    from somanet.segmentation.engines.onnxruntime_engine import import_onnxruntime

    runtime = import_onnxruntime()
    with tempfile.TemporaryDirectory() as folder:
        options = runtime.SessionOptions()
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.log_severity_level = 4
        options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        runtime.InferenceSession(onnx_model, options, providers=["CPUExecutionProvider"])
        return _serialised(onnx.load(options.optimized_model_filepath))


def quarter_kernels(weight_OIKK: np.ndarray) -> np.ndarray:
    """The four 2 × 2 kernels of a 3 × 3 one, as outputs 4 O in the order of ``DepthToSpace``.

    On a grid one larger than the small image, position k has its pixels k − 1 and k. An even row i of the doubled image
    sees k = i / 2 with the weights w0 and w1 + w2; an odd one sees k = (i + 1) / 2 with w0 + w1 and w2. Odd rows
    come first, so that the doubled grid has one row too many at either end.
    """
    odd, even = np.array([[1, 1, 0], [0, 0, 1]], np.float64), np.array([[1, 0, 0], [0, 1, 1]], np.float64)
    phases = np.stack([odd, even])
    found = np.einsum("pak,qbl,oikl->opqiab", phases, phases, weight_OIKK.astype(np.float64))
    n_out, _, _, n_in = found.shape[:4]
    return np.ascontiguousarray(found.reshape(4 * n_out, n_in, 2, 2)).astype(np.float32)


def _channels_of(made_by: dict[str, Any], weights: dict[str, Any], name: str) -> int:
    """Channels of an array, from the convolution that it comes from."""
    node = made_by[name]
    while node.op_type != "Conv":
        node = made_by[node.input[0]]
    return int(weights[node.input[1]].dims[0])


def _serialised(model: Any) -> bytes:
    """The model without operations and arrays that nothing reads, checked."""
    import onnx

    remove_unread(model.graph)
    used = {node.domain for node in model.graph.node}
    for one in [one for one in model.opset_import if one.domain not in used]:
        model.opset_import.remove(one)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
