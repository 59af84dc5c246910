"""What a fine-tuned checkpoint may still claim."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.intended_use import IntendedUse
from somanet.segmentation.network.object_confidence import ObjectConfidence
from somanet.segmentation.network.settings import InstanceSettings, ModelSpec, RefineSettings
from somanet.segmentation.network.temperature import TemperatureScaling
from somanet.training.finetuning.sections import LEAST_OBJECTS, Sections, sections_after
from tests.training.finetuning.worlds import CALIBRATION, CONFIDENCE, INTENDED, SPEC, noisy
from tests.worlds import bright_network

TRAIN = [noisy(number).item for number in range(4)]
"""Objects of 24 × 24 and 16 × 32 px, 27 and 26 px across."""
SHIFTED = [noisy(10 + number, shift=3).item for number in range(4)]
"""Labels that lie beside the somas: the network is wrong about some pixels, and its temperature is above 1."""


def start(**sections: object) -> Checkpoint:
    everything = {
        "intended_use": IntendedUse.model_validate(INTENDED),
        "temperature_scaling": TemperatureScaling.model_validate(CALIBRATION),
        "object_confidence": ObjectConfidence.model_validate(CONFIDENCE),
    }
    return Checkpoint(bright_network(), SPEC, "0" * 64, {}, **{**everything, **sections})  # type: ignore[arg-type]


def after(train: list[LabelledImage] = TRAIN, val: list[LabelledImage] = SHIFTED, **sections: object) -> Sections:
    return sections_after(start(**sections), bright_network(), SPEC, train, val)


def test_a_network_for_other_sizes_now_states_those_it_was_trained_on() -> None:
    kept = after()
    assert kept.config["intended_use"] == INTENDED
    assert kept.said["intended_use"] == "kept"
    small = after(intended_use=IntendedUse(modality="fluorescence", diameter_px=(5.0, 12.0)))
    areas = np.array([24 * 24, 16 * 32] * 4)
    expected = [round(float(px), 1) for px in np.percentile(2 * np.sqrt(areas / np.pi), (10, 90))]
    assert small.config["intended_use"] == {"modality": "fluorescence", "diameter_px": expected}
    assert "5 to 12 px became" in small.said["intended_use"]


def test_a_network_trained_on_bright_field_no_longer_refuses_it() -> None:
    dark = [replace(item, image=255 - item.image) for item in TRAIN]
    found = after(train=[*TRAIN, *dark])
    assert found.config["intended_use"]["modality"] is None
    assert "modality left out: 4 of 8 training images have dark objects" in found.said["intended_use"]


def test_the_temperature_is_that_of_images_that_were_not_trained_on() -> None:
    """Of labels beside the somas: a hotter network than the old section says, and never the old number."""
    found = after()
    assert found.config["calibration"]["images"] == len(SHIFTED)
    assert found.config["calibration"]["temperature"] != CALIBRATION["temperature"]
    assert found.config["calibration"]["temperature"] > 1
    assert found.said["calibration"] == f"fitted anew on {len(SHIFTED)} validation images"


@pytest.mark.parametrize("val", [[], TRAIN], ids=["no image is left", "the network is right about every pixel"])
def test_a_temperature_that_cannot_be_fitted_is_left_out(val: list[LabelledImage]) -> None:
    found = after(val=val)
    assert "calibration" not in found.config
    assert found.said["calibration"].startswith("left out: No ")


def test_a_confidence_rests_on_enough_objects_or_is_left_out() -> None:
    """Two somas an image, of which the labels miss one in every second: half of the objects are right."""
    few = after()
    assert "confidence" not in few.config
    assert few.said["confidence"].startswith("left out: ")
    many = [noisy(20 + number).item for number in range(24)]
    many = [
        replace(item, labels=np.where(item.labels == 2, 0, item.labels), image=_dimmed(item)) if number % 2 else item
        for number, item in enumerate(many)
    ]
    enough = after(val=many)
    assert enough.config["confidence"]["objects"] == 48 >= LEAST_OBJECTS
    assert enough.config["confidence"]["right"] == 0.75


def _dimmed(item: LabelledImage) -> np.ndarray:
    """The image with its second soma just bright enough to be found."""
    return np.where(item.labels == 2, 140, item.image).astype(np.uint8)


def test_a_section_that_the_start_lacks_is_not_added() -> None:
    found = after(intended_use=IntendedUse(), temperature_scaling=None, object_confidence=None)
    assert (found.config, found.said) == ({}, {})


def test_a_refinement_is_left_out_and_said() -> None:
    refining = ModelSpec(instances=InstanceSettings(refine=RefineSettings()))
    found = sections_after(replace(start(), spec=refining), bright_network(), SPEC, TRAIN, SHIFTED)
    assert found.said["refine"].startswith("left out")


def test_the_network_in_memory_has_the_sections_of_the_one_on_disk() -> None:
    found = after()
    network = found.checkpoint(bright_network(), SPEC)
    assert network.intended_use == IntendedUse.model_validate(INTENDED)
    assert network.temperature == found.config["calibration"]["temperature"]
    assert network.object_confidence is None
