"""Fit a network's temperature and settings on labelled images and write them into its checkpoint's configuration."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from somanet.core.files import atomic_path, make_folder, write_json
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.inference.choosing import Agreement, Setting, choose
from somanet.segmentation.inference.prediction import predict_probabilities
from somanet.segmentation.inference.temperature_scaling import fit_temperature
from somanet.segmentation.network.checkpoint import CONFIG, WEIGHTS, load_checkpoint, read_config
from somanet.segmentation.network.temperature import SECTION, TemperatureScaling


class FittedCheckpoint(NamedTuple):
    """What was written into a checkpoint.

    Attributes:
        temperature: section `calibration`.
        chosen: setting → agreement of the labels with the ground truth before and after.
    """

    temperature: TemperatureScaling
    chosen: dict[Setting, tuple[Agreement, Agreement]]


def fit_checkpoint(
    checkpoint: Path, items: Sequence[LabelledImage], output: Path, *, settings: Sequence[Setting] = ()
) -> FittedCheckpoint:
    """Fit a network's temperature on labelled images that it was not trained on, and write the network with it.

    Images are neither rescaled nor augmented, and no ensemble is used: the temperature holds for that case.

    Args:
        checkpoint: the network's folder.
        items: images with labels.
        output: folder for the network; its own is allowed, and then only `config.json` changes. Other files are kept.
        settings: settings to choose as well, one after the other, by how well labels agree with the ground truth, see
            :func:`somanet.segmentation.inference.choosing.choose`.

    Raises:
        SomaNetError: the network cannot be read, no temperature or value fits (nothing is written then), or the
            output cannot be written.
    """
    loaded = load_checkpoint(checkpoint)
    spec = loaded.spec
    maps = [predict_probabilities(loaded.model, item.image, spec) for item in items]
    ground_truths = [item.labels for item in items]
    soma = spec.outputs.index("soma")
    counted = [... if item.ignored is None else ~item.ignored for item in items]
    temperature = fit_temperature(
        [map_CYX[soma][pixels] for map_CYX, pixels in zip(maps, counted, strict=True)],
        [labels[pixels] > 0 for labels, pixels in zip(ground_truths, counted, strict=True)],
    )
    found = FittedCheckpoint(temperature, {})
    for setting in settings:
        found.chosen[setting] = choose(setting, maps, ground_truths, spec, ignored=[item.ignored for item in items])
        instances = spec.instances.model_copy(update={setting: found.chosen[setting][1].value})
        spec = spec.model_copy(update={"instances": instances})
    config: dict[str, Any] = {**read_config(checkpoint), SECTION: temperature.model_dump(mode="json")}
    if settings:
        config["model"] = {**config["model"], "instances": spec.instances.model_dump(mode="json")}
    own = make_folder(output).resolve() == checkpoint.resolve()
    if not own:
        with atomic_path(output / WEIGHTS) as temporary:
            shutil.copyfile(checkpoint / WEIGHTS, temporary)
    write_json(output / CONFIG, config, updates=own)
    return found
