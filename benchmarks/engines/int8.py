"""8-bit integers instead of float32: faster, with different outputs. For measuring only: no `--engine` uses it."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engines.movie import Frames, compare_labels
from benchmarks.engines.timing import ROUNDS, Row, best_of_rounds
from somanet.core.errors import SomaNetError
from somanet.segmentation.engines.eager import EagerEngine
from somanet.segmentation.engines.engine import Float32
from somanet.segmentation.engines.graph import INPUT, to_onnx
from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine
from somanet.segmentation.engines.openvino_engine import OpenVinoEngine
from somanet.segmentation.inference.instances import probabilities_to_labels
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.inputs import to_input
from somanet.segmentation.network.probabilities import sigmoid


def quantise(onnx_model: bytes, images: Sequence[Float32], *, parts: Sequence[str] = ()) -> bytes:
    """The same graph with 8-bit convolutions, each scaled to its range of values on given images.

    Both runtimes run it: the scales accompany the float operations, which they fuse.

    Args:
        onnx_model: from :func:`somanet.segmentation.engines.graph.to_onnx`.
        images: batches NCHW as they enter the network, typical of later use.
        parts: only convolutions with one of these words in their name, such as ``decoder``; all if empty.

    Raises:
        SomaNetError: there are no images, or no convolution has such a name.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class CalibrationReader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left: Iterator[Float32] = iter(images)

        def get_next(self) -> dict[str, Float32] | None:
            batch = next(self._left, None)
            return None if batch is None else {INPUT: batch}

    if not images:
        raise SomaNetError(
            "Quantising needs images for its scales, found none: give some that are typical of later use."
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "float.onnx").write_bytes(onnx_model)
        quant_pre_process(folder / "float.onnx", folder / "prepared.onnx", skip_symbolic_shape=True)
        convolutions = [node.name for node in onnx.load(folder / "prepared.onnx").graph.node if node.op_type == "Conv"]
        chosen = [conv for conv in convolutions if not parts or any(part in conv for part in parts)]
        if not chosen:
            raise SomaNetError(f"No convolution has {' or '.join(parts)} in its name; there are {convolutions[0]}, …")
        before = logging.root.level
        logging.root.setLevel(logging.ERROR)  # it logs advice, on the root logger, that was followed already
        try:
            quantize_static(
                folder / "prepared.onnx",
                folder / "int8.onnx",
                CalibrationReader(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                reduce_range=not sums_in_32_bits(),
                nodes_to_quantize=chosen,
            )
        finally:
            logging.root.setLevel(before)
        return (folder / "int8.onnx").read_bytes()


def sums_in_32_bits() -> bool:
    """Whether the processor adds 8-bit products in 32 bits; others overflow 16, unless weights have 7 bits."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and "vnni" in cpuinfo.read_text(encoding="utf-8", errors="replace")


def integers(checkpoint: Checkpoint, frames: Frames) -> list[Row]:
    """Float32 and 8-bit integers in both runtimes, scaled on every eighth frame, scored on the frames between."""
    spec = checkpoint.spec

    def prepare(frame: np.ndarray) -> np.ndarray:
        one = to_input(frame, spec)
        return np.pad(one, ((0, 0), (0, -one.shape[1] % 32), (0, -one.shape[2] % 32)), mode="symmetric")[None]

    def label(logits: np.ndarray, frame: np.ndarray) -> np.ndarray:
        cut = logits[0, :, : frame.shape[0], : frame.shape[1]]
        return probabilities_to_labels(sigmoid(cut), spec.outputs, spec.instances)

    tested = frames[4::8]
    graph = to_onnx(checkpoint.model, spec.in_channels)
    crops = [np.ascontiguousarray(prepare(frame)[:, :, :256, :256]) for frame in frames[::8]]
    graphs = {"float32": graph, "int8": quantise(graph, crops)}
    if b"/decoder/" in graph:
        graphs["int8 in the decoder"] = quantise(graph, crops, parts=("/decoder/",))
    expected = [label(EagerEngine(checkpoint.model).logits(prepare(frame)), frame) for frame in tested]
    calls: dict[Any, Callable[[], object]] = {}
    labels: dict[Any, list[np.ndarray]] = {}
    image = prepare(tested[0])
    for precision, content in graphs.items():
        for engine in (OnnxRuntimeEngine(content), OpenVinoEngine(content)):
            labels[engine.name, precision] = [label(engine.logits(prepare(frame)), frame) for frame in tested]
            calls[engine.name, precision] = lambda engine=engine: engine.logits(image)
    return [
        {"engine": name, "precision": precision, "ms": 1000 * wall, "processor_ms": 1000 * cpu}
        | compare_labels(np.stack(expected), np.stack(labels[name, precision]))
        for (name, precision), (wall, cpu) in best_of_rounds(calls, ROUNDS).items()
    ]
