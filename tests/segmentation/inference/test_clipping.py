"""Pixels at an image's ceiling, and the note on somas that they merge."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import pytest

from somanet.segmentation.inference.clipping import Clipping, clipping_of, note_on_clipping
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.intended_use import IntendedUse
from somanet.segmentation.network.settings import ModelSpec
from tests.worlds import bright_network


@pytest.mark.parametrize(("dtype", "ceiling"), [(np.uint8, 255), (np.uint16, 4095), (np.float32, 0.75)])
def test_the_ceiling_is_the_images_own_brightest_value(dtype: type, ceiling: float) -> None:
    """3 rows of 7 are at the ceiling, 21 pixels of 35; 4 pixels are soma; one clipped pixel has no data."""
    image = np.zeros((5, 7), dtype)
    image[1:4] = ceiling
    labels_YX = np.zeros((5, 7), np.int32)
    labels_YX[0, 1:5] = 1
    assert clipping_of(image, labels_YX) == Clipping(ceiling=ceiling, n_px=35, n_at_ceiling=21, n_soma_px=4)
    missing = np.zeros((5, 7), bool)
    missing[1, 0] = missing[0, 0] = True
    assert clipping_of(image, labels_YX, missing=missing) == Clipping(
        ceiling=ceiling, n_px=33, n_at_ceiling=20, n_soma_px=4
    )


def test_the_strongest_channel_counts() -> None:
    """Alpha is no light."""
    image = np.zeros((4, 6, 4), np.uint8)
    image[..., 3] = 255
    image[1, 2, 1] = 200
    image[3, 5, 0] = 200
    assert clipping_of(image, np.zeros((4, 6), np.int32)).n_at_ceiling == 2


def counts(*, at_ceiling: int, soma: int, px: int = 10_000) -> Clipping:
    return Clipping(ceiling=255, n_px=px, n_at_ceiling=at_ceiling, n_soma_px=soma)


def test_frames_count_together() -> None:
    """1,500 of 15,000 pixels, twice the 750 of somas."""
    whole = Clipping.of_all([counts(at_ceiling=1499, soma=250), counts(at_ceiling=1, soma=500, px=5_000)])
    assert (whole.share, whole.n_soma_px, whole.ceiling) == (0.1, 750, 255)
    note = note_on_clipping(whole) or ""
    assert note.startswith("10 % of the pixels are at the ceiling of 255, 2.0 times as many as the somas have")


@pytest.mark.parametrize(
    ("found", "noted"),
    [
        (counts(at_ceiling=1001, soma=1000), True),
        (counts(at_ceiling=1000, soma=1000), False),  # saturated somas, apart
        (counts(at_ceiling=49, soma=10), False),  # specks
        (counts(at_ceiling=6000, soma=1000), True),  # over-exposed as a whole
        (Clipping.of_all([]), False),
        (None, False),
    ],
)
def test_the_note_comes_where_more_is_at_the_ceiling_than_somas(found: Clipping | None, noted: bool) -> None:
    assert (note_on_clipping(found) is not None) == noted


def test_no_soma_at_all_is_told() -> None:
    assert "and no soma was found" in (note_on_clipping(counts(at_ceiling=1500, soma=0)) or "")


@pytest.mark.parametrize(("value", "at_ceiling"), [(255, 24), (100, 0), (0, 0)])
def test_an_image_of_one_value_is_at_the_ceiling_only_of_its_type(value: int, at_ceiling: int) -> None:
    found = clipping_of(np.full((4, 6), value, np.uint8), np.zeros((4, 6), np.int32))
    assert found.n_at_ceiling == at_ceiling


@pytest.mark.parametrize("modality", [None, "fluorescence"])
def test_most_of_an_image_is_at_the_ceiling(modality: Literal["fluorescence"] | None) -> None:
    """Over-exposed fluorescence; for a network for any kind of image it may be the background of bright field."""
    checkpoint = Checkpoint(bright_network().eval(), ModelSpec(), "0" * 64, intended_use=IntendedUse(modality=modality))
    image = np.full((48, 64), 255, np.uint8)
    image[:12] = 30
    clipping = Segmenter((checkpoint,)).segment(image).clipping
    assert (clipping is None) == (modality is None)
    assert clipping is None or clipping.share == 0.75


def blurred_somas(peak: float) -> np.ndarray:
    """Six Gaussian somas, 30 px from centre to centre with a sigma of 8, as 8 bit: clipped if the peak is above 255."""
    y, x = np.mgrid[:90, :130]
    light = sum(np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 128) for cy in (30, 60) for cx in (30, 60, 90))
    return (10 + peak * np.asarray(light)).clip(0, 255).astype(np.uint8)


def test_a_segmented_image_counts_its_clipped_pixels() -> None:
    """The network takes what is above 127.5 for soma: with peaks of 230 six somas, of which no more than a pixel is
    at the ceiling; with peaks of 1,200 one, which has all pixels at the ceiling and a rim.
    """
    segmenter = Segmenter((Checkpoint(bright_network().eval(), ModelSpec(), "0" * 64),))
    exposed, stretched = (segmenter.segment(blurred_somas(peak)) for peak in (230, 1200))
    assert len(exposed.confidence) == 6
    assert exposed.clipping is not None
    assert exposed.clipping.share < 0.002
    assert len(stretched.confidence) == 1
    assert stretched.clipping is not None
    image = blurred_somas(1200)
    assert stretched.clipping.n_at_ceiling == np.sum(image == 255)
    assert stretched.clipping.n_soma_px == np.sum(stretched.labels_YX > 0)
    assert 0.6 < stretched.clipping.n_at_ceiling / stretched.clipping.n_soma_px < 1


def test_dark_objects_have_no_ceiling() -> None:
    """Of a network for any kind of image: its white background is at the ceiling, and that is no fault."""
    image = 255 - blurred_somas(230)
    segmenter = Segmenter((Checkpoint(bright_network().eval(), ModelSpec(), "0" * 64),))
    assert dataclasses.replace(segmenter, inverted=True).segment(image).clipping is None
