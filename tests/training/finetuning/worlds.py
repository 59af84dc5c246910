"""Crops of drawn somas with a camera's noise, and a network that segments them, as fine-tunings need them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from somanet.core.files import read_json, write_json
from somanet.io.datasets.origins import Origin
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.finetuning import Crop
from somanet.training.loop.settings import TrainSettings
from somanet.training.settings import FinetuneParams
from tests.worlds import scene

SHORT = TrainSettings(epochs=2, size_px=32, batch_size=2, learning_rate=1e-12, samples_per_epoch=4, trainable_blocks=1)
"""Only the head is trained, and hardly: the network stays what it was."""


def noisy(number: int, *, movie: str | None = None, shift: int = 0) -> Crop:
    """A scene whose labels lie ``shift`` px right of its somas."""
    item = scene(f"crop{number:02d}")
    noise = np.random.default_rng(number).integers(-15, 16, item.image.shape)
    image = np.clip(item.image.astype(int) + noise, 0, 255).astype(np.uint8)
    labels = np.roll(item.labels, shift, axis=1)
    origin = None if movie is None else Origin(movie)
    return Crop(Path("crops"), replace(item, image=image, labels=labels), origin)


def inverted_labels(crop: Crop) -> Crop:
    """The same with background labelled as an object, and objects as background."""
    return replace(crop, item=replace(crop.item, labels=(crop.item.labels == 0).astype(np.int32)))


def params(settings: TrainSettings = SHORT) -> FinetuneParams:
    return FinetuneParams(start="checkpoint", weights="pretrained", training=settings)


def add_sections(folder: Path, **sections: object) -> Path:
    """Sections in a checkpoint's configuration."""
    write_json(folder / "config.json", {**read_json(folder / "config.json", expected="it"), **sections})
    return folder


INTENDED = {"modality": "fluorescence", "diameter_px": [12.0, 40.0]}
CALIBRATION = {
    "temperature": 1.5, "images": 3, "nll_before": 0.2, "nll_after": 0.1, "ece_before": 0.02, "ece_after": 0.01,
}  # fmt: skip
CONFIDENCE = {"intercept": -1.0, "slope": 0.5, "images": 3, "objects": 40, "right": 0.8}
SPEC = ModelSpec()
