"""How MLflow serves a checkpoint: images_NCHW float32 in, logits NCHW out. MLflow runs this file to load a model."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns about its own type hints
    import mlflow
    from mlflow.pyfunc.model import PythonModel


class ServedNetwork(PythonModel):
    """A network from its checkpoint folder. Inputs are batches of `somanet.segmentation.network.inputs.to_input`."""

    def load_context(self, context: Any) -> None:
        """Read and verify the checkpoint."""
        from somanet.segmentation.network.checkpoint import load_checkpoint

        self.checkpoint = load_checkpoint(context.artifacts["checkpoint"])

    # A bare np.ndarray is the only array hint from which MLflow does not derive a signature.
    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> np.ndarray:
        """Logits NCHW of images_NCHW, both float32, of any height and width."""
        from somanet.segmentation.network.forward import predict_logits

        return np.stack([predict_logits(self.checkpoint.model, image_CYX) for image_CYX in model_input])


mlflow.models.set_model(ServedNetwork())
