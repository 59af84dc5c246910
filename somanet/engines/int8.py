"""8-bit integers in place of float32: faster, and not the same answers. For measurement and for networks that bear it.

No `--engine` uses it: on the network that comes along it changes too many labels (docs/engines.md).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from somanet.engines.engine import Float32
from somanet.engines.graph import INPUT
from somanet.errors import SomaNetError


def quantise(onnx_model: bytes, images: Sequence[Float32], *, parts: Sequence[str] = ()) -> bytes:
    """The same graph with 8-bit convolutions, each scaled to the values that it meets in given images.

    Both runtimes run it: the scales stand beside the float operations, which they fuse.

    Args:
        onnx_model: from :func:`somanet.engines.graph.to_onnx`.
        images: batches NCHW as they enter the network, such as those it will be used for.
        parts: only convolutions with one of these words in their name, such as ``decoder``; all if empty.

    Raises:
        SomaNetError: there are no images, or no convolution has such a name.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left: Iterator[Float32] = iter(images)

        def get_next(self) -> dict[str, Float32] | None:
            batch = next(self._left, None)
            return None if batch is None else {INPUT: batch}

    if not images:
        raise SomaNetError("Quantising needs images to scale to, found none: give some of those it will be used for.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "float.onnx").write_bytes(onnx_model)
        quant_pre_process(folder / "float.onnx", folder / "prepared.onnx", skip_symbolic_shape=True)
        convolutions = [node.name for node in onnx.load(folder / "prepared.onnx").graph.node if node.op_type == "Conv"]
        chosen = [conv for conv in convolutions if not parts or any(part in conv for part in parts)]
        if not chosen:
            raise SomaNetError(f"No convolution has {' or '.join(parts)} in its name; there is {convolutions[0]}, …")
        before = logging.root.level
        logging.root.setLevel(logging.ERROR)  # it advises, on the root logger, what has been done
        try:
            quantize_static(
                folder / "prepared.onnx",
                folder / "int8.onnx",
                Reader(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_quantize=chosen,
            )
        finally:
            logging.root.setLevel(before)
        return (folder / "int8.onnx").read_bytes()
