"""Whether objects look like somas, or like what a network draws where there are none."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from somanet.analysis.network import open_networks
from somanet.segmentation.inference.appearance import appearance_of, note_on_appearance
from somanet.segmentation.inference.found import segment_image
from somanet.segmentation.inference.haze import HazeRule
from somanet.segmentation.inference.looks import Appearance
from somanet.segmentation.inference.objects import measure_objects
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.intended_use import IntendedUse
from somanet.segmentation.network.object_confidence import ObjectConfidence
from somanet.segmentation.network.settings import ModelSpec
from tests.worlds import bright_network


@pytest.mark.parametrize(
    ("found", "noted"),
    [
        (Appearance(n_objects=3, contrast=4.2, confidence=0.87), True),
        (Appearance(n_objects=2, contrast=4.2, confidence=0.87), False),  # too few to tell
        (Appearance(n_objects=5, contrast=4.2, confidence=0.9), False),  # dim somas, of which the network is sure
        (Appearance(n_objects=5, contrast=10.0, confidence=0.87), False),  # tiny nuclei, which stand out
        (Appearance(n_objects=5, contrast=None, confidence=0.87), True),
        (Appearance(n_objects=0, contrast=None, confidence=None), False),
        (Appearance(n_objects=3, contrast=50.0, confidence=0.95, diameter_px=5.9), True),  # as small as a point
        (Appearance(n_objects=3, contrast=50.0, confidence=0.95, diameter_px=6.0), False),
        (Appearance(n_objects=2, contrast=50.0, confidence=0.95, diameter_px=4.0), False),
        (None, False),
    ],
)
def test_the_note_is_on_objects_that_neither_stand_out_nor_are_sure_and_on_points(
    found: Appearance | None, noted: bool
) -> None:
    assert (note_on_appearance(found) is not None) == noted


def segmenter(modality: str | None, **other: object) -> Segmenter:
    use = IntendedUse.model_validate({"modality": modality})
    return Segmenter((Checkpoint(bright_network().eval(), ModelSpec(), "0" * 64, intended_use=use, **other),))


def objects(contrast: Sequence[float], confidence: Sequence[float], diameter_px: Sequence[float]) -> pd.DataFrame:
    return pd.DataFrame({"contrast": contrast, "confidence": confidence, "diameter_px": diameter_px}, dtype=float)


def test_medians_are_of_objects_that_are_no_haze() -> None:
    """Of five, the first is haze; the last has no known contrast.

    Medians of 3, 8, 13, of 0.6, 0.8, 0.9, 0.95, and of 10, 12, 20, 30.
    """
    found = objects([5, 8, 3, 13, np.nan], [0.7, 0.6, 0.8, 0.9, 0.95], [99, 12, 30, 10, 20])
    look = appearance_of(segmenter("fluorescence"), found)
    assert look == Appearance(n_objects=4, contrast=8.0, confidence=0.85, diameter_px=16.0)
    assert appearance_of(segmenter("fluorescence"), objects([], [], [])) == Appearance(
        n_objects=0, contrast=None, confidence=None, diameter_px=None
    )


def test_nothing_is_said_where_nothing_is_known() -> None:
    """Of a network for any image, or one whose confidence was fitted on objects, no usual values are known."""
    values = objects([0.5] * 9, [0.8] * 9, [20.0] * 9)
    assert appearance_of(segmenter(None), values) is None
    curve = ObjectConfidence(intercept=0.0, slope=1.0, images=3, objects=9, right=0.5)
    assert appearance_of(segmenter("fluorescence", object_confidence=curve), values) is None


def test_smooth_noise_is_told_from_somas_by_the_bundled_network() -> None:
    """Noise blurred by 4 px, 200 × 230 px; and 12 disks of 22 px with soft edges, in the same noise at a tenth."""
    rng = np.random.default_rng(3)
    field = ndimage.gaussian_filter(rng.standard_normal((200, 230)), 4)
    noise = 1000 + 200 * field / field.std() + rng.normal(0, 20, field.shape)
    y, x = np.mgrid[:200, :230]
    disks = np.zeros(field.shape)
    for cy, cx in ((a, b) for a in (35, 100, 165) for b in (35, 90, 145, 200)):
        disks[(y - cy) ** 2 + (x - cx) ** 2 <= 11**2] = 1
    somas = 1000 + 20 * field / field.std() + 800 * ndimage.gaussian_filter(disks, 1.5) + rng.normal(0, 20, field.shape)
    opened = dataclasses.replace(open_networks(None).segmenter, rescale=1.0, haze=HazeRule())
    for image, noted in ((noise, True), (somas, False)):
        look = appearance_of(opened, measure_objects(opened.segment(image.round().astype(np.uint16))))
        assert look is not None
        assert look.n_objects >= 5
        assert (note_on_appearance(look) is not None) == noted


def test_points_of_light_are_told_by_the_bundled_network() -> None:
    """20 points of 4 px (full width at half maximum), 100 times as bright as the noise.

    They are enlarged four times, as by the size that is estimated of them.
    """
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:200, :230]
    image = np.full(y.shape, 1000.0)
    for cy, cx in ((20 + 40 * a, 20 + 45 * b) for a in range(5) for b in range(4)):
        image += 2700 * np.exp(-((y - cy - rng.random()) ** 2 + (x - cx - rng.random()) ** 2) / (2 * (4 / 2.355) ** 2))
    opened = dataclasses.replace(open_networks(None).segmenter, rescale=4.0, haze=HazeRule())
    _, found = segment_image(opened, rng.normal(image, 27).round().astype(np.uint16))
    assert found.n_objects >= 10
    assert found.appearance is not None
    assert "about as wide as a microscope shows a point" in (note_on_appearance(found.appearance) or "")
