"""How MLflow serves a checkpoint: images_NCHW float32 in, logits NCHW out. MLflow runs this file to load a model."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns of its own type hints
    import mlflow
    from mlflow.pyfunc.model import PythonModel


class Network(PythonModel):
    """A network from its checkpoint folder. Inputs are those of `somanet.segmentation.inputs.to_input`, in batches."""

    def load_context(self, context: Any) -> None:
        """Read and verify the checkpoint."""
        from somanet.segmentation.checkpoint import load_checkpoint

        self.checkpoint = load_checkpoint(context.artifacts["checkpoint"])

    # Without type hints: MLflow would make a signature of them and warn that it does not know arrays.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Logits NCHW of images_NCHW, both float32 numpy arrays of any height and width."""
        from somanet.segmentation.prediction import predict_logits

        return np.stack([predict_logits(self.checkpoint.model, image_CYX) for image_CYX in model_input])


mlflow.models.set_model(Network())
