"""Fit a network's temperature and settings on labelled images and write them into its checkpoint's configuration."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from somanet.core.files import atomic_paths, check_outputs, write_json
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.engines import with_engine
from somanet.segmentation.engines.devices import CPU
from somanet.segmentation.inference.choosing import Agreement, Image, Setting, choose
from somanet.segmentation.inference.object_confidence import fit_object_confidence
from somanet.segmentation.inference.prediction import predict_probabilities
from somanet.segmentation.inference.temperature_scaling import fit_temperature
from somanet.segmentation.network.checkpoint import CONFIG, WEIGHTS, load_checkpoint, read_config
from somanet.segmentation.network.object_confidence import SECTION as OBJECT_CONFIDENCE
from somanet.segmentation.network.object_confidence import ObjectConfidence
from somanet.segmentation.network.temperature import SECTION, TemperatureScaling


class FittedCheckpoint(NamedTuple):
    """What was written into a checkpoint.

    Attributes:
        temperature: section `calibration`.
        chosen: setting → agreement of the labels with the ground truth before and after.
        confidence: section `confidence`, if it was fitted.
    """

    temperature: TemperatureScaling
    chosen: dict[Setting, tuple[Agreement, Agreement]]
    confidence: ObjectConfidence | None = None


def fit_checkpoint(
    checkpoint: Path,
    sets: Sequence[Sequence[LabelledImage]],
    output: Path,
    *,
    settings: Sequence[Setting] = (),
    confidence: bool = False,
    device: str = CPU,
) -> FittedCheckpoint:
    """Fit a network's temperature on labelled images that it was not trained on, and write the network with it.

    Images are neither rescaled nor augmented, and no ensemble is used: the temperature holds for that case.

    Args:
        checkpoint: the network's folder.
        sets: images with labels, by data set.
        output: folder for the network; its own is allowed, and then only `config.json` changes. Other files are kept.
        settings: settings to choose as well, one after the other, by how well labels agree with the ground truth, see
            :func:`somanet.segmentation.inference.choosing.choose`.
        confidence: whether to fit the confidence in objects as well, see
            :func:`somanet.segmentation.inference.object_confidence.fit_object_confidence`. Where it is not fitted, one
            that the network has stays, unless a setting is chosen: then it is of other objects, and is left out.

        device: where the network computes, see :func:`somanet.segmentation.engines.devices.find_device`.

    Raises:
        SomaNetError: the network or the device cannot be used, no temperature or value fits (nothing is written
            then), or the output cannot be written.
    """
    loaded = load_checkpoint(checkpoint)
    own = output.resolve() == checkpoint.resolve()
    if not own:
        check_outputs(output / WEIGHTS, output / CONFIG)
    spec, network = loaded.spec, with_engine(loaded, "torch", device=device).checkpoint.model
    seen = [
        [
            Image(item.image, item.labels, predict_probabilities(network, item.image, spec), item.ignored)
            for item in items
        ]
        for items in sets
    ]
    images = [one for part in seen for one in part]
    soma = spec.outputs.index("soma")
    counted = [... if one.ignored_YX is None else ~one.ignored_YX for one in images]
    temperature = fit_temperature(
        [one.maps_CYX[soma][pixels] for one, pixels in zip(images, counted, strict=True)],
        [one.labels_YX[pixels] > 0 for one, pixels in zip(images, counted, strict=True)],
    )
    chosen: dict[Setting, tuple[Agreement, Agreement]] = {}
    for setting in settings:
        chosen[setting] = choose(setting, images, spec)
        instances = spec.instances.model_copy(update={setting: chosen[setting][1].value})
        spec = spec.model_copy(update={"instances": instances})
    found = FittedCheckpoint(temperature, chosen, fit_object_confidence(seen, spec) if confidence else None)
    config: dict[str, Any] = {**read_config(checkpoint), SECTION: temperature.model_dump(mode="json")}
    if found.confidence is not None:
        config[OBJECT_CONFIDENCE] = found.confidence.model_dump(mode="json")
    elif spec.instances != loaded.spec.instances:
        config.pop(OBJECT_CONFIDENCE, None)
    if settings:
        config["model"] = {**config["model"], "instances": spec.instances.model_dump(mode="json")}
    if own:
        write_json(output / CONFIG, config, updates=True)
        return found
    with atomic_paths(output / WEIGHTS, output / CONFIG) as (weights_file, config_file):
        shutil.copyfile(checkpoint / WEIGHTS, weights_file)
        write_json(config_file, config)
    return found
