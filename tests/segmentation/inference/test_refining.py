"""Refinement of outlines by the image: against an independent program, known shapes, and what must never happen."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy import ndimage
from skimage.morphology import opening
from skimage.segmentation import morphological_chan_vese
from torch import Tensor, nn

from somanet.segmentation.export.metadata import postprocessing
from somanet.segmentation.inference import refining
from somanet.segmentation.inference.refining import refine
from somanet.segmentation.inference.rescaling import settings_at
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.object_confidence import ObjectConfidence
from somanet.segmentation.network.settings import InstanceSettings, ModelSpec, RefineSettings

SHAPE = (64, 88)
UNSURE = np.full(SHAPE, 0.5, np.float32)
MIDWAY = RefineSettings(weight=1.0, iterations=6, smoothing=1)


def ellipse(cy: float, cx: float, ry: float, rx: float) -> NDArray[np.bool_]:
    y, x = np.indices(SHAPE)
    return ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1


def photograph(*objects: tuple[NDArray[np.bool_], float], noise: float = 0.0, seed: int = 0) -> NDArray[np.float64]:
    """Objects of given intensities over a background of 100, blurred by 1.5 px, with Gaussian noise."""
    image = np.full(SHAPE, 100.0)
    for inside, intensity in objects:
        image[inside] = intensity
    return ndimage.gaussian_filter(image, 1.5) + noise * np.random.default_rng(seed).standard_normal(SHAPE)


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("weight", [0.4, 1.0, 1.6])
@pytest.mark.parametrize("smoothing", [0, 1, 2])
def test_of_a_single_object_it_is_what_another_program_computes(
    monkeypatch: pytest.MonkeyPatch, weight: float, smoothing: int
) -> None:
    """scikit-image evolves one object over a whole image: here the object's zone is the image."""
    monkeypatch.setattr(refining, "REACH", 1e3)
    image = photograph((ellipse(30, 41, 12, 17), 180.0), noise=25.0)
    start = ellipse(33, 44, 10, 18)
    settings = RefineSettings(weight=weight, iterations=4, smoothing=smoothing)  # even: skimage's turns go on, per call
    expected = morphological_chan_vese(image, 4, start, smoothing=smoothing, lambda1=weight, lambda2=1)
    expected = opening(expected, np.ones((2, 2)))  # single lines of pixels go
    pieces, n = ndimage.label(expected)
    largest = 1 + np.argmax(np.bincount(pieces.ravel())[1:]) if n else 0
    found = refine(start.astype(np.int32), image, UNSURE, settings)
    np.testing.assert_array_equal(found > 0, pieces == largest)
    assert (found > 0).sum() != start.sum()


def test_a_poor_outline_becomes_that_of_the_object() -> None:
    """A displaced outline is off by 1.4 of 12 px; the weight 1 finds the level midway, which blur leaves in place."""
    true = ellipse(31, 45, 12, 18)
    image = photograph((true, 400.0), noise=15.0)
    poor = ellipse(33, 42, 9, 18).astype(np.int32)
    found = refine(poor, image, UNSURE, MIDWAY)
    assert iou(poor > 0, true) < 0.7
    assert iou(found > 0, true) > 0.95


def test_a_lower_weight_gives_larger_objects() -> None:
    """A pixel is inside above (c0 + w c1) / (1 + w), w the root of the weight: at 0.25 a third of the way up."""
    image = photograph((ellipse(31, 45, 12, 18), 400.0))
    start = ellipse(31, 45, 12, 18).astype(np.int32)
    areas = [
        int((refine(start, image, UNSURE, MIDWAY.model_copy(update={"weight": weight})) > 0).sum())
        for weight in (4.0, 1.0, 0.25)
    ]
    assert areas[0] < areas[1] < areas[2]


def test_the_unit_of_the_intensity_does_not_matter() -> None:
    image = photograph((ellipse(20, 25, 9, 12), 300.0), (ellipse(45, 62, 8, 13), 160.0), noise=10.0)
    start = ellipse(22, 26, 8, 12) + 2 * ellipse(44, 60, 9, 12).astype(np.int32)
    np.testing.assert_array_equal(
        refine(start, image, UNSURE, MIDWAY), refine(start, 0.013 * image - 5, UNSURE, MIDWAY)
    )
    inverted = refine(start, -image, UNSURE, MIDWAY)
    np.testing.assert_array_equal(refine(start, image, UNSURE, MIDWAY), inverted)


def test_neighbours_keep_their_own_ground_and_a_dim_one_its_own_scale() -> None:
    """A dim soma that touches one five times as bright, both outlined 2 px too small."""
    left, right = ellipse(32, 28, 13, 13), ellipse(32, 55, 13, 13)
    image = photograph((left, 150.0), (right, 350.0), noise=4.0)
    start = np.zeros(SHAPE, np.int32)
    start[ellipse(32, 28, 11, 11)], start[ellipse(32, 55, 11, 11)] = 1, 2
    found = refine(start, image, UNSURE, MIDWAY)
    assert set(np.unique(found)) == {0, 1, 2}
    assert iou(found == 1, left) > 0.9 > iou(start == 1, left)
    assert iou(found == 2, right) > 0.9 > iou(start == 2, right)


def dumbbell() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    blobs = ellipse(32, 25, 9, 9) | ellipse(32, 63, 9, 9)
    bridge = np.zeros(SHAPE, bool)
    bridge[28:37, 25:63] = True
    return blobs, blobs | bridge


def test_what_would_vanish_fall_apart_or_leave_stays_as_it_was() -> None:
    speck = np.zeros(SHAPE, np.int32)
    speck[30:32, 40:44] = 1
    curved = RefineSettings(weight=1.0, iterations=5, smoothing=3)
    flat = np.full(SHAPE, 7.0)
    np.testing.assert_array_equal(refine(speck, flat, UNSURE, curved), speck)
    blobs, whole = dumbbell()
    before = whole.astype(np.int32)
    long = MIDWAY.model_copy(update={"iterations": 30})
    np.testing.assert_array_equal(refine(before, photograph((blobs, 400.0)), UNSURE, long), before)
    beside = ellipse(32, 44, 14, 6).astype(np.int32)  # of the bright ellipse's half, and as much background
    bright = photograph((ellipse(32, 57, 10, 12), 400.0))
    np.testing.assert_array_equal(refine(beside, bright, UNSURE, long), beside)


def test_no_object_falls_below_the_least_area() -> None:
    image = photograph((ellipse(32, 44, 6, 6), 400.0))
    start = ellipse(32, 44, 8, 8).astype(np.int32)
    shrunk = int((refine(start, image, UNSURE, MIDWAY) > 0).sum())
    assert shrunk < start.sum()
    np.testing.assert_array_equal(refine(start, image, UNSURE, MIDWAY, min_area_px=shrunk + 1), start)
    assert (refine(start, image, UNSURE, MIDWAY, min_area_px=shrunk) > 0).sum() == shrunk


def test_sure_pixels_and_those_without_data_are_left_alone() -> None:
    image = photograph((ellipse(32, 44, 12, 16), 400.0))
    start = ellipse(32, 44, 10, 13).astype(np.int32)
    sure = np.where(start > 0, 0.99, 0.01).astype(np.float32)
    np.testing.assert_array_equal(refine(start, image, sure, MIDWAY), start)
    missing = np.zeros(SHAPE, bool)
    missing[:, 56:] = True
    found = refine(start, image, UNSURE, MIDWAY, missing=missing)
    assert not found[missing].any()
    assert (found > 0).sum() > start.sum()


def test_an_image_without_objects_has_none() -> None:
    assert not refine(np.zeros(SHAPE, np.int32), photograph(), UNSURE, MIDWAY).any()


@pytest.mark.parametrize("seed", range(8))
def test_every_object_is_still_itself(seed: int) -> None:
    """In noise, where anything may happen: one piece, at least half shared with before, and all are still there."""
    rng = np.random.default_rng(seed)
    start, n = ndimage.label(ndimage.gaussian_filter(rng.random(SHAPE), 2) > 0.52)
    found = refine(start.astype(np.int32), rng.random(SHAPE), UNSURE, MIDWAY)
    for number in range(1, n + 1):
        assert ndimage.label(found == number)[1] == 1
        assert iou(found == number, start == number) >= 0.5


def test_more_steps_where_the_network_sees_a_smaller_image() -> None:
    settings = InstanceSettings(refine=RefineSettings(iterations=6))
    assert [settings_at(settings, factor).refine.iterations for factor in (0.5, 1, 2, 8)] == [12, 6, 3, 1]


def test_settings_without_refinement_are_written_as_before_it_existed() -> None:
    plain = ModelSpec().model_dump(mode="json")
    assert set(plain["instances"]) == {"threshold", "seed_threshold", "min_seed_px", "peak_height", "min_area_px"}
    chosen = ModelSpec(instances=InstanceSettings(refine=MIDWAY))
    assert chosen.model_dump(mode="json")["instances"]["refine"] == {"weight": 1.0, "iterations": 6, "smoothing": 1}
    assert ModelSpec.model_validate(chosen.model_dump(mode="json")) == chosen
    assert "no part of the exported network" in postprocessing(chosen)
    assert "no part" not in postprocessing(ModelSpec())
    for wrong in ({"weight": 0}, {"iterations": 0}, {"iterations": 10**6}, {"smoothing": -1}):
        with pytest.raises(ValidationError):
            RefineSettings(**wrong)


class Blurred(nn.Module):
    """A network that is unsure within some pixels of a soma's edge: logit = 4 × (mean of 7 × 7 px − 0.5)."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(4.0))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        return self.scale * (nn.functional.avg_pool2d(images_NCHW[:, :1], 7, stride=1, padding=3) - 0.5)


def test_a_segmenter_refines_where_the_network_says_so() -> None:
    true = ellipse(32, 44, 10, 15)
    image = np.repeat(np.where(true, 255, 10).astype(np.uint8)[..., None], 3, axis=-1)
    plain = Checkpoint(Blurred().eval(), ModelSpec(), "0" * 64)
    with_it = ModelSpec(instances=InstanceSettings(threshold=0.3, refine=MIDWAY))
    refining_one = dataclasses.replace(plain, spec=with_it)
    outlined = Segmenter((refining_one,), as_outlined=True)
    found = Segmenter((refining_one,)).segment(image)
    assert iou(found.labels_YX > 0, true) > 0.95 > iou(outlined.labels(image) > 0, true)
    np.testing.assert_array_equal(Segmenter((refining_one,)).labels(image), found.labels_YX)
    np.testing.assert_allclose(found.confidence, outlined.segment(image).confidence)
    without = dataclasses.replace(plain, spec=ModelSpec(instances=InstanceSettings(threshold=0.3)))
    np.testing.assert_array_equal(Segmenter((without,)).labels(image), outlined.labels(image))


def test_a_segmenter_has_the_confidence_that_was_fitted() -> None:
    """Of two somas in a flat image of known logits: 4 (v − 0.5) where a neighbourhood is even."""
    image = np.full((*SHAPE, 3), 255, np.uint8)
    fitted = ObjectConfidence(intercept=-3.0, slope=0.5, images=2, objects=9, right=0.6)
    one = Checkpoint(Constant(2.0).eval(), ModelSpec(), "0" * 64, object_confidence=fitted)
    assert Segmenter((one,)).segment(image).confidence == pytest.approx([1 / (1 + np.exp(3.0 - 0.5 * 2.0))], rel=1e-5)
    mean = Segmenter((one,), as_outlined=True).segment(image).confidence
    assert mean == pytest.approx([1 / (1 + np.exp(-2.0))], rel=1e-5)


class Constant(nn.Module):
    """The same logit everywhere."""

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        n, _, height, width = images_NCHW.shape
        return self.logit.expand(n, 1, height, width)
