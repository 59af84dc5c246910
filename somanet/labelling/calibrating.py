"""A network's temperature and threshold, fitted on labelled images and written into its checkpoint's configuration."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from somanet.data.layouts import LabelledImage
from somanet.files import atomic_path, make_folder, write_json
from somanet.labelling.thresholds import AtThreshold, best_threshold
from somanet.segmentation.checkpoint import CONFIG, WEIGHTS, load_checkpoint, read_config
from somanet.segmentation.prediction import predict_probabilities
from somanet.segmentation.temperature import SECTION, Temperature, fit_temperature


class Calibrated(NamedTuple):
    """What was written into a checkpoint.

    Attributes:
        temperature: section `calibration`.
        before, now: how labels made with the old and the new threshold agree with the truth; None if it was not chosen.
    """

    temperature: Temperature
    before: AtThreshold | None = None
    now: AtThreshold | None = None


def calibrate_checkpoint(
    checkpoint: Path, items: Sequence[LabelledImage], output: Path, *, choose_threshold: bool = False
) -> Calibrated:
    """Fit a network's temperature on labelled images that it did not learn from, and write the network with it.

    The network sees each image upright and at its own size, alone: that is what the temperature is true of.

    Args:
        checkpoint: the network's folder.
        items: images with labels.
        output: folder for the network; its own is allowed, and then only `config.json` changes. Other files there stay.
        choose_threshold: also give it the threshold whose labels agree best with these, see
            :func:`somanet.labelling.thresholds.best_threshold`.

    Raises:
        SomaNetError: the network cannot be read, no temperature or threshold fits, or the output cannot be written;
            nothing is written but in the last case.
    """
    loaded = load_checkpoint(checkpoint)
    spec = loaded.spec
    maps = [predict_probabilities(loaded.model, item.image, spec) for item in items]
    soma = spec.outputs.index("soma")
    temperature = fit_temperature([map_CYX[soma] for map_CYX in maps], [item.labels > 0 for item in items])
    found = Calibrated(temperature)
    config: dict[str, Any] = {**read_config(checkpoint), SECTION: temperature.model_dump(mode="json")}
    if choose_threshold:
        found = Calibrated(temperature, *best_threshold(maps, [item.labels for item in items], spec))
        assert found.now is not None
        instances = spec.instances.model_copy(update={"threshold": found.now.threshold})
        config["model"] = {**config["model"], "instances": instances.model_dump(mode="json")}
    if make_folder(output).resolve() != checkpoint.resolve():
        with atomic_path(output / WEIGHTS) as temporary:
            shutil.copyfile(checkpoint / WEIGHTS, temporary)
    write_json(output / CONFIG, config)
    return found
