"""OpenVINO."""

from __future__ import annotations

import sys
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from somanet.segmentation.engines.engine import Float32

if TYPE_CHECKING:
    from openvino import Model

_LAYERS_WITH_WEIGHTS = ("Input", "Convolution", "Deconvolution", "FullyConnected", "MatMul")
"""Operations of a compiled network whose data types give its precision: the images and the multiplications."""
_NUMPY_NAMES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16", "u8": "uint8", "i8": "int8"}


def import_openvino() -> Any:
    """OpenVINO without its telemetry: importing it notifies Google Analytics, unless that package is missing."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # makes importing it an ImportError
    import openvino

    return openvino


class OpenVinoEngine:
    """A graph in OpenVINO on the CPU, in float32.

    Args:
        model: an ONNX model's bytes, or OpenVINO's own.
        threads: threads per call.
        at_once: calls that run concurrently; further ones wait.
    """

    name = "openvino"

    def __init__(self, model: bytes | Model, *, threads: int = 1, at_once: int = 1) -> None:
        openvino = import_openvino()
        self.version: str = openvino.__version__.partition("-")[0]
        core = openvino.Core()
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",  # some processors default to bf16: three digits
            "NUM_STREAMS": at_once,
            "INFERENCE_NUM_THREADS": at_once * threads,
            "ENABLE_CPU_PINNING": False,  # two processes would pin their threads to the same cores
        }
        graph = core.read_model(model) if isinstance(model, bytes) else model
        compiled = core.compile_model(graph, "CPU", settings)
        self.precision = _number_types(compiled)
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(at_once):
            self._idle.put(compiled.create_infer_request())

    def logits(self, images_NCHW: Float32) -> Float32:
        """See :meth:`somanet.segmentation.engines.engine.Engine.logits`."""
        request = self._idle.get()
        try:
            logits: Float32 = request.infer([np.ascontiguousarray(images_NCHW)])[0]
        finally:
            self._idle.put(request)
        return logits


def _number_types(compiled: Any) -> str:
    """Data types of the images and the multiplications in the compiled network."""
    steps = [step.get_rt_info() for step in compiled.get_runtime_model().get_ops()]
    found = {
        step["runtimePrecision"].astype(str) for step in steps if step["layerType"].astype(str) in _LAYERS_WITH_WEIGHTS
    }
    return "+".join(sorted(_NUMPY_NAMES.get(name, name) for name in found))
