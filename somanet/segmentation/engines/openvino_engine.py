"""OpenVINO."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from somanet.core.errors import SomaNetError
from somanet.segmentation.engines.devices import CPU, OPENVINO_GPU, PROCESSOR, Device
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
    """A graph in OpenVINO, in float32.

    Args:
        model: an ONNX model's bytes, or OpenVINO's own.
        threads: threads per call.
        at_once: calls that run concurrently; further ones wait.
        device: the processor, or `gpu`: the graphics processor that OpenVINO finds.

    Raises:
        SomaNetError: OpenVINO finds no such device.
    """

    name = "openvino"
    notes = ()

    def __init__(self, model: bytes | Model, *, threads: int = 1, at_once: int = 1, device: Device = PROCESSOR) -> None:
        openvino = import_openvino()
        self.version: str = openvino.__version__.partition("-")[0]
        self.device = device
        core = openvino.Core()
        name = _name_of(device, core.available_devices)
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",  # some processors default to bf16: three digits
            "NUM_STREAMS": at_once,
        }
        if name == "CPU":
            settings["INFERENCE_NUM_THREADS"] = at_once * threads
            settings["ENABLE_CPU_PINNING"] = False  # two processes would pin their threads to the same cores
        graph = core.read_model(model) if isinstance(model, bytes) else model
        compiled = core.compile_model(graph, name, settings)
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


def _name_of(device: Device, available: Sequence[str]) -> str:
    """OpenVINO's name of a device."""
    if device.kind == CPU:
        return "CPU"
    if device.kind != OPENVINO_GPU or not any(one.startswith("GPU") for one in available):
        raise SomaNetError(
            f"OpenVINO cannot compute on {device.name}: it finds {', '.join(available)}. Use --device cpu, or --engine "
            "torch for CUDA."
        )
    return "GPU"


def _number_types(compiled: Any) -> str:
    """Data types of the images and the multiplications in the compiled network."""
    steps = [step.get_rt_info() for step in compiled.get_runtime_model().get_ops()]
    found = {
        step["runtimePrecision"].astype(str) for step in steps if step["layerType"].astype(str) in _LAYERS_WITH_WEIGHTS
    }
    return "+".join(sorted(_NUMPY_NAMES.get(name, name) for name in found))
