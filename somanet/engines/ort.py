"""ONNX Runtime."""

from __future__ import annotations

from somanet.engines.engine import Float32
from somanet.engines.graph import INPUT


class OnnxRuntimeEngine:
    """A graph in ONNX Runtime on the processor, in float32.

    Args:
        onnx_model: from :func:`somanet.engines.graph.to_onnx`.
        threads: that one call uses; calls may run side by side.
    """

    name = "onnxruntime"

    def __init__(self, onnx_model: bytes, *, threads: int = 1) -> None:
        import onnxruntime

        self.version: str = onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 4  # what it raises needs no second line
        # threads that wait for work busily take it from the program beside them
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(onnx_model, options, providers=["CPUExecutionProvider"])

    def logits(self, images_NCHW: Float32) -> Float32:
        """See :meth:`somanet.engines.engine.Engine.logits`."""
        answer: Float32 = self._session.run(None, {INPUT: images_NCHW})[0]
        return answer
