"""ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np

from somanet.core.errors import SomaNetError
from somanet.segmentation.engines.devices import CPU, PROCESSOR, Device
from somanet.segmentation.engines.engine import Float32
from somanet.segmentation.engines.graph import INPUT

SMALL_PX = 64
PRECISION = "precision"
"""Metadata of a graph without its weights: the data types of the running network, if not all have 32 bits."""


def import_onnxruntime() -> Any:
    """ONNX Runtime without its telemetry, which would report to Microsoft and keep an id in the temporary folder."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when its library is loaded
    import onnxruntime

    return onnxruntime


class OnnxRuntimeEngine:
    """A graph in ONNX Runtime, with the numbers that it was written for.

    Args:
        onnx_model: from :func:`somanet.segmentation.engines.graph.to_onnx`.
        threads: threads per call; calls may run concurrently.
        weights: arrays that the graph names and does not hold.
        name: as `--engine` takes it.
        device: the processor, or one of CUDA, for which this build of ONNX Runtime must have its provider.

    Raises:
        SomaNetError: it has none for the device.
    """

    notes = ()

    def __init__(
        self,
        onnx_model: bytes,
        *,
        weights: Mapping[str, Float32] | None = None,
        name: str = "onnxruntime",
        threads: int = 1,
        device: Device = PROCESSOR,
    ) -> None:
        onnxruntime = import_onnxruntime()

        self.name = name
        self.device = device
        providers = _providers(device, onnxruntime.get_available_providers())
        self.version: str = onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 4  # what it raises needs no second line
        # busy-waiting threads take processor time from other programs
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if weights:
            values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]
            options.add_external_initializers(list(weights), values)
        self._giving_back = onnxruntime.RunOptions()
        self._giving_back.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._session = onnxruntime.InferenceSession(onnx_model, options, providers=providers)
        self.precision = self.metadata.get(PRECISION, "float32") if weights else _number_types(onnx_model)
        self._largest: tuple[int, ...] | None = None
        self._changing = Lock()

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the graph says of itself, by key."""
        found: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        return found

    def logits(self, images_NCHW: Float32) -> Float32:
        """See :meth:`somanet.segmentation.engines.engine.Engine.logits`.

        The runtime keeps the memory of a run, 300 MB for a tile, for the next ones: taking it anew for each frame costs
        a quarter of the network's own time. Smaller images fit into it; for a larger one it would keep as much again.
        """
        with self._changing:
            if self._largest is not None and images_NCHW.size > np.prod(self._largest):
                self._give_back(images_NCHW.shape[1])
                self._largest = None
            self._largest = self._largest or images_NCHW.shape
        logits: Float32 = self._session.run(None, {INPUT: images_NCHW})[0]
        return logits

    def rest(self) -> None:
        """Give back the memory that is kept for the next run."""
        with self._changing:
            if self._largest is not None:
                self._give_back(self._largest[1])
            self._largest = None

    def _give_back(self, channels: int) -> None:
        """Memory is given back at the end of a run, so that of a small image."""
        small_NCHW = np.zeros((1, channels, SMALL_PX, SMALL_PX), np.float32)
        self._session.run(None, {INPUT: small_NCHW}, self._giving_back)


def _providers(device: Device, available: Sequence[str]) -> list[Any]:
    """ONNX Runtime's names for a device; what CUDA lacks runs on the processor."""
    if device.kind == CPU:
        return ["CPUExecutionProvider"]
    if device.kind != "cuda" or "CUDAExecutionProvider" not in available:
        raise SomaNetError(
            f"ONNX Runtime cannot compute on {device.name}: this build has {', '.join(available)}. Use --engine torch, "
            "or for CUDA `pip install onnxruntime-gpu` in place of onnxruntime."
        )
    number = int(device.name.partition(":")[2] or 0)
    return [("CUDAExecutionProvider", {"device_id": number, "use_tf32": 0}), "CPUExecutionProvider"]


def _number_types(onnx_model: bytes) -> str:
    """Data types of the images and the weights, which the runtime multiplies on a CPU."""
    import onnx

    graph = onnx.load_model_from_string(onnx_model).graph
    found = {entry.type.tensor_type.elem_type for entry in graph.input}
    found |= {weights.data_type for weights in graph.initializer if len(weights.dims) > 1}
    found.discard(onnx.TensorProto.INT64)  # sizes and places
    return "+".join(sorted(onnx.helper.tensor_dtype_to_np_dtype(number).name for number in found))
