"""What a fine-tuned checkpoint may still claim: its intended use, temperature, confidence and post-processing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.intended_use import SECTION as INTENDED_USE
from somanet.segmentation.network.intended_use import IntendedUse
from somanet.segmentation.network.object_confidence import SECTION as CONFIDENCE
from somanet.segmentation.network.temperature import SECTION as TEMPERATURE

if TYPE_CHECKING:
    from torch import nn

    from somanet.segmentation.inference.choosing import Image
    from somanet.segmentation.network.checkpoint import Checkpoint
    from somanet.segmentation.network.settings import ModelSpec

LEAST_OBJECTS = 30
"""Objects without which a confidence is not fitted: with fewer, its slope is hardly known."""


@dataclass(frozen=True)
class Sections:
    """The sections of a fine-tuned checkpoint's configuration.

    Attributes:
        config: section → its content.
        said: section of the starting network → what became of it, in words.
    """

    config: Mapping[str, Any]
    said: Mapping[str, str]

    def checkpoint(self, model: nn.Module, spec: ModelSpec) -> Checkpoint:
        """The fine-tuned network with its sections, in memory only."""
        from somanet.segmentation.network.checkpoint import Checkpoint
        from somanet.segmentation.network.object_confidence import ObjectConfidence
        from somanet.segmentation.network.temperature import TemperatureScaling

        temperature, confidence = self.config.get(TEMPERATURE), self.config.get(CONFIDENCE)
        return Checkpoint(
            model.eval().cpu(),
            spec,
            sha256="",
            intended_use=IntendedUse.model_validate(self.config.get(INTENDED_USE, {})),
            temperature_scaling=None if temperature is None else TemperatureScaling.model_validate(temperature),
            object_confidence=None if confidence is None else ObjectConfidence.model_validate(confidence),
        )


def sections_after(
    start: Checkpoint, model: nn.Module, spec: ModelSpec, train: Sequence[LabelledImage], val: Sequence[LabelledImage]
) -> Sections:
    """What of the starting network's sections holds for the fine-tuned one.

    - `intended_use`, modality: kept where every training image has it; left out where one has not, since a network
      that was trained on bright field must not refuse it.
    - `intended_use`, diameters: kept where the median diameter of the training images' objects lies within the range;
      otherwise the range of these objects (10 to 90 %), since inference rescales images to the middle of this range,
      and would rescale them away from what the network was just trained on.
    - `calibration`, the temperature: fitted anew, since training changes logits. On the validation images: no weight
      was fitted to them. That the epoch was chosen on them makes the network look slightly better than it is. Left out
      where no temperature fits; probabilities are then not calibrated.
    - `confidence`: fitted anew on the same images for the same reason, where they have right and wrong objects and at
      least 30; otherwise left out, and the confidence is the mean probability.
    - threshold, peak height, smallest area and the other settings of post-processing (in `model`): kept. They are
      settings, not measurements, a handful of validation images cannot choose better ones, and the comparison at the
      end is of network and settings together. A refinement of outlines is left out: it suits the labels that it was
      chosen on, see :class:`somanet.training.settings.FinetuneParams`.

    A section that the starting network lacks is not added: `somanet calibrate` adds it.

    Args:
        start: the starting network.
        model, spec: the fine-tuned one.
        train: images that it was trained on.
        val: images that it was not trained on, to fit with; may be empty.
    """
    said: dict[str, str] = {}
    config: dict[str, Any] = {}
    if start.intended_use != IntendedUse():
        use, said[INTENDED_USE] = _intended_use(start.intended_use, train)
        config[INTENDED_USE] = use.model_dump(mode="json")
    if start.temperature_scaling is not None or start.object_confidence is not None:
        images = _predicted(model, spec, val)
        if start.temperature_scaling is not None:
            _fit(TEMPERATURE, lambda: _temperature(images, spec), config, said)
        if start.object_confidence is not None:
            _fit(CONFIDENCE, lambda: _confidence(images, spec), config, said)
    if start.spec.instances.refine is not None and spec.instances.refine is None:
        said["refine"] = "left out: it suits the labels that it was chosen on; `somanet calibrate --refine` chooses one"
    return Sections(config, said)


def _intended_use(use: IntendedUse, train: Sequence[LabelledImage]) -> tuple[IntendedUse, str]:
    from somanet.segmentation.inference.diameters import diameters_px
    from somanet.segmentation.inference.modality import not_fluorescence

    changes: dict[str, Any] = {}
    said = []
    if use.modality is not None and (reasons := [why for item in train if (why := not_fluorescence(item.image))]):
        changes["modality"] = None
        said.append(f"modality left out: {len(reasons)} of {len(train)} training images have {reasons[0]}")
    diameters = np.concatenate([np.empty(0), *(diameters_px(item.labels) for item in train)])
    if use.diameter_px is not None and diameters.size:
        low, high = use.diameter_px
        middle = float(np.median(diameters))
        if not low <= middle <= high:
            smallest, largest = (round(float(px), 1) for px in np.percentile(diameters, (10, 90)))
            changes["diameter_px"] = (smallest, largest) if smallest < largest else None
            said.append(f"diameters {low:g} to {high:g} px became {smallest:g} to {largest:g} px, those trained on")
    return use.model_copy(update=changes), "; ".join(said) or "kept"


def _predicted(model: nn.Module, spec: ModelSpec, items: Sequence[LabelledImage]) -> list[Image]:
    from somanet.segmentation.inference.choosing import Image
    from somanet.segmentation.inference.prediction import predict_probabilities

    model.eval()
    return [
        Image(item.image, item.labels, predict_probabilities(model, item.image, spec), item.ignored) for item in items
    ]


def _fit(section: str, fitted: Any, config: dict[str, Any], said: dict[str, str]) -> None:
    """Fit a section, or say why it is left out."""
    try:
        content = fitted()
    except SomaNetError as error:
        said[section] = f"left out: {error}"
    else:
        config[section] = content.model_dump(mode="json")
        said[section] = f"fitted anew on {content.images} validation images"


def _temperature(images: Sequence[Image], spec: ModelSpec) -> Any:
    from somanet.segmentation.inference.temperature_scaling import fit_temperature

    soma = spec.outputs.index("soma")
    counted = [... if one.ignored_YX is None else ~one.ignored_YX for one in images]
    return fit_temperature(
        [one.maps_CYX[soma][pixels] for one, pixels in zip(images, counted, strict=True)],
        [one.labels_YX[pixels] > 0 for one, pixels in zip(images, counted, strict=True)],
    )


def _confidence(images: Sequence[Image], spec: ModelSpec) -> Any:
    from somanet.segmentation.inference.object_confidence import fit_object_confidence

    if not images:
        raise SomaNetError("There are no images that were not trained on.")
    found = fit_object_confidence([images], spec)
    if found.objects < LEAST_OBJECTS:
        raise SomaNetError(
            f"The validation images have {found.objects} objects, fewer than the {LEAST_OBJECTS} that a confidence "
            "needs. `somanet calibrate --confidence` fits it on others."
        )
    return found
