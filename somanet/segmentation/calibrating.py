"""A checkpoint's temperature, fitted on labelled images and written into its configuration."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from somanet.data.layouts import LabelledImage
from somanet.files import atomic_path, make_folder, write_json
from somanet.segmentation.checkpoint import CONFIG, WEIGHTS, load_checkpoint, read_config
from somanet.segmentation.prediction import predict_probabilities
from somanet.segmentation.temperature import SECTION, Temperature, fit_temperature


def calibrate_checkpoint(checkpoint: Path, items: Sequence[LabelledImage], output: Path) -> Temperature:
    """Fit a network's temperature on labelled images that it did not learn from, and write the network with it.

    The network sees each image upright and at its own size, alone: that is what the temperature is true of.

    Args:
        checkpoint: the network's folder.
        items: images with labels.
        output: folder for the network; its own is allowed, and then only `config.json` changes. Other files there stay.

    Raises:
        SomaNetError: the network cannot be read, no temperature fits, or the output cannot be written.
    """
    loaded = load_checkpoint(checkpoint)
    soma = loaded.spec.outputs.index("soma")
    found = fit_temperature(
        [predict_probabilities(loaded.model, item.image, loaded.spec)[soma] for item in items],
        [item.labels > 0 for item in items],
    )
    if make_folder(output).resolve() != checkpoint.resolve():
        with atomic_path(output / WEIGHTS) as temporary:
            shutil.copyfile(checkpoint / WEIGHTS, temporary)
    write_json(output / CONFIG, {**read_config(checkpoint), SECTION: found.model_dump(mode="json")})
    return found
