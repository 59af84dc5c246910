"""How MLflow serves a network: images in as they are stored, labels and confidence out. MLflow runs this file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns about its own type hints
    import mlflow
    from mlflow.pyfunc.model import PythonModel

CHANNELS = (1, 3, 4)
"""Lengths of a last axis that is colour."""


class ServedNetwork(PythonModel):
    """A network from its checkpoint folder, which labels images as `somanet predict` does."""

    def load_context(self, context: Any) -> None:
        """Read and verify the checkpoint."""
        from somanet.segmentation.inference.haze import rule_for
        from somanet.segmentation.inference.segmenter import Segmenter
        from somanet.segmentation.network.checkpoint import load_checkpoint

        checkpoint = load_checkpoint(context.artifacts["checkpoint"])
        self.segmenter = Segmenter((checkpoint,), haze=rule_for(checkpoint.intended_use))

    # A bare np.ndarray is the only array hint from which MLflow does not derive a signature.
    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> Any:
        """The somas in an image, or in each of several.

        Args:
            context: MLflow's, not used.
            model_input: an image YX or YXC (C = 1, 3 or 4) with its pixels as stored, of any real type and size; or a
                batch NYX or NYXC. Without a numeric type, as JSON arrives, the first axis is always the batch's, and
                its images may differ in size.
            params: `dtype`, the type of the pixels where `model_input` has none.

        Returns:
            `labels`, YX int32 with 0 = background and 1…n for the somas, and `confidence`, n numbers from 0 to 1. Of
            several images a list of these.

        Raises:
            MlflowException: not such an image, or one outside the network's intended use.
        """
        try:
            batch, images = images_of(model_input, str((params or {}).get("dtype", "uint8")))
            found = [self._segment(image) for image in images]
        except SomaNetError as error:
            raise mlflow.exceptions.MlflowException.invalid_parameter_value(str(error)) from error
        return found if batch else found[0]

    def _segment(self, image: NDArray[Any]) -> dict[str, NDArray[Any]]:
        from somanet.segmentation.inference.modality import ModalityInput, check_modality
        from somanet.segmentation.inference.soma_size import decide

        check_modality([ModalityInput("The image", lambda: [image])], self.segmenter.intended_use)
        segmenter, _ = decide(self.segmenter, [image])
        found = segmenter.segment(image)
        return {"labels": found.labels_YX, "confidence": found.confidence}


def images_of(pixels: NDArray[Any], dtype: str) -> tuple[bool, list[NDArray[Any]]]:
    """The images YX or YXC in an array, and whether it is a batch of them.

    Args:
        pixels: see :meth:`ServedNetwork.predict`.
        dtype: the type of the pixels of an array without a numeric type.

    Raises:
        SomaNetError: there are none.
    """
    if pixels.dtype == object and pixels.size:
        return True, list(_typed(pixels, dtype))
    axes = pixels.ndim - (pixels.ndim > 2 and pixels.shape[-1] in CHANNELS)
    if pixels.size and axes in (2, 3):
        return axes == 3, list(pixels) if axes == 3 else [pixels]
    raise SomaNetError(
        f"Expected an image (Y, X) or (Y, X, C) with 1, 3 or 4 channels, or a batch (N, …) of them, found shape "
        f"{pixels.shape}. Pick a channel, frame or plane first."
    )


def _typed(batch: NDArray[Any], dtype: str) -> Iterator[NDArray[Any]]:
    """Each image of a batch of nested lists as an array of a type that holds its pixels exactly."""
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind.kind not in "uif":
        raise SomaNetError(f"Expected the type of the pixels in params.dtype, such as uint16, found {dtype!r}.")
    for image in batch:
        if isinstance(image, np.ndarray) and image.dtype != object:
            yield image
            continue
        try:
            values = np.array(image.tolist() if isinstance(image, np.ndarray) else image, np.float64)
        except (TypeError, ValueError) as error:
            raise SomaNetError(
                "Expected each image as rows of equally many numbers, [[0, 1, …], …], found something else. In JSON "
                "`instances` is a list of images: [image.tolist()]."
            ) from error
        if values.ndim not in (2, 3):
            raise SomaNetError(
                f"Expected each image as (Y, X) or (Y, X, C), found shape {values.shape}. `instances` is a list of "
                "images, also for a single one: [image.tolist()]."
            )
        with np.errstate(invalid="ignore"):  # of NaN, which the comparison then finds
            typed = values.astype(kind)
        if kind.kind != "f" and not np.array_equal(typed, values):
            raise SomaNetError(
                f"Expected pixels of type {kind}, found values from {values.min():g} to {values.max():g}. JSON keeps "
                'no type: give it as "params": {"dtype": "uint16"}.'
            )
        yield typed


mlflow.models.set_model(ServedNetwork())
