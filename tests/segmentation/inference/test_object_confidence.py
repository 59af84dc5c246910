"""The confidence in objects: its curve, what it is fitted on, and `somanet calibrate --refine --confidence`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.datasets.writers import write_pairs
from somanet.segmentation.inference.choosing import Image
from somanet.segmentation.inference.object_confidence import fit_object_confidence, logistic_fit
from somanet.segmentation.network.checkpoint import load_checkpoint
from somanet.segmentation.network.settings import ModelSpec
from tests.worlds import save_bright_network, somanet

SHAPE = (60, 84)


def test_a_curve_through_two_values_is_that_of_their_shares() -> None:
    """Of 10 objects at 1 three are right, of 20 at 3 eighteen: the logits of 0.3 and 0.9 at 1 and 3."""
    values = np.repeat([1.0, 3.0], [10, 20])
    targets = np.concatenate([np.arange(10) < 3, np.arange(20) < 18]).astype(float)
    slope = (np.log(9) - np.log(3 / 7)) / 2
    expected = pytest.approx((np.log(3 / 7) - slope, slope), rel=1e-6)
    assert logistic_fit(values, targets, np.ones(30)) == expected
    weights = np.where(values > 2, 0.01, 5.0)  # the shares at each value are the same
    assert logistic_fit(values, targets, weights) == expected


def test_far_apart_values_converge() -> None:
    values = np.concatenate([np.full(50, -40.0), np.full(50, 60.0)])
    intercept, slope = logistic_fit(values, np.repeat([0.02, 0.98], 50), np.ones(100))
    assert 1 / (1 + np.exp(-(intercept + slope * -40))) == pytest.approx(0.02, rel=1e-4)
    assert 1 / (1 + np.exp(-(intercept + slope * 60))) == pytest.approx(0.98, rel=1e-4)


def disks(probabilities: list[float], right: list[bool]) -> Image:
    """Disks with these probabilities, some of which are somas; one at the border, which does not count."""
    y, x = np.indices(SHAPE)
    maps, labels = np.full((1, *SHAPE), 0.01, np.float32), np.zeros(SHAPE, np.int32)
    for number, (probability, soma) in enumerate(zip(probabilities, right, strict=True)):
        inside = np.hypot(y - 15 - 30 * (number // 4), x - 12 - 20 * (number % 4)) <= 7
        maps[0][inside] = probability
        labels[inside & soma] = number + 1
    maps[0, 28:31, 82:] = 0.6
    return Image(np.zeros(SHAPE, np.uint8), labels, maps)


def test_every_data_set_counts_alike_and_targets_are_platts() -> None:
    """Two values: at logit(0.6) one right of four, at logit(0.9) all of four; the second set has the latter alone."""
    mixed = disks([0.6] * 4 + [0.9] * 4, [True, False, False, False] + [True] * 4)
    sure = disks([0.9] * 8, [True] * 8)
    fitted = fit_object_confidence([[mixed], [sure, sure]], ModelSpec())
    assert (fitted.images, fitted.objects) == (3, 24)
    assert fitted.right == 21 / 24
    positive, negative = 22 / 23, 1 / 5
    share_low = (positive + 3 * negative) / 4
    low, high = np.log(0.6 / 0.4), np.log(0.9 / 0.1)
    slope = (np.log(positive / (1 - positive)) - np.log(share_low / (1 - share_low))) / (high - low)
    assert fitted.slope == pytest.approx(slope, rel=1e-3)
    assert fitted.of(np.array([low, high])) == pytest.approx([share_low, positive], rel=1e-3)


def test_ignored_objects_are_neither_right_nor_wrong() -> None:
    """Of six wrong disks the first three are ignored: what is left is as if they were not there."""
    image = disks([0.7] * 3 + [0.6] * 3 + [0.9] * 2, [False] * 6 + [True] * 2)
    ignored = np.zeros(SHAPE, bool)
    ignored[:30, :62] = True
    fitted = fit_object_confidence([[image._replace(ignored_YX=ignored)]], ModelSpec())
    assert (fitted.objects, fitted.right) == (5, 2 / 5)
    low, high = np.log(0.6 / 0.4), np.log(0.9 / 0.1)
    assert fitted.of(np.array([low, high])) == pytest.approx([1 / 5, 3 / 4], rel=1e-3)


@pytest.mark.parametrize(
    ("right", "said"), [([True] * 8, "All of the 8 objects"), ([False] * 8, "None of the 8 objects")]
)
def test_right_and_wrong_objects_are_needed(right: list[bool], said: str) -> None:
    with pytest.raises(SomaNetError, match=said):
        fit_object_confidence([[disks([0.8] * 8, right)]], ModelSpec())


def test_a_network_that_is_surer_of_what_is_wrong_is_refused() -> None:
    image = disks([0.6] * 4 + [0.95] * 4, [True] * 4 + [False] * 4)
    with pytest.raises(SomaNetError, match="Right objects have no higher probabilities than wrong ones"):
        fit_object_confidence([[image]], ModelSpec())


def test_calibrate_chooses_a_refinement_and_fits_the_confidence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somas of 250 with a rim of 3 px of 110, which the network, whose level is 128, does not outline.

    It is unsure of the rim, which lies above (c0 + w c1) / (1 + w), w the root of the weight, up to a weight of 0.6.
    """
    y, x = np.indices(SHAPE)
    labels = np.zeros(SHAPE, np.int32)
    for number, (cy, cx, ry, rx) in enumerate([(20, 20, 9, 11), (38, 58, 12, 9)], start=1):
        labels[((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1] = number
    core = ndimage.distance_transform_edt(labels > 0) > 3
    grey = np.where(core, 250, np.where(labels > 0, 110, 0)).astype(np.uint8)
    grey[3:8, 70:78] = 150  # and something dim without a label
    picture = np.repeat(grey[..., None], 3, axis=-1)
    write_pairs(tmp_path / "set", [LabelledImage("rims", picture, labels)])
    folder = save_bright_network(tmp_path / "model")
    asked = ("calibrate", "set", "--model", folder, "--refine", "--confidence", "--output", "made")
    assert somanet(*asked, cwd=tmp_path) is None
    said = capsys.readouterr().out
    assert "none before, weight " in said
    assert "67% of 3" in said
    made = load_checkpoint(tmp_path / "made")
    assert made.spec.instances.refine is not None
    assert made.object_confidence is not None
    assert made.object_confidence.objects == 3
    assert load_checkpoint(folder).spec.instances.refine is None
    # another choice makes other objects: the confidence in those of before goes
    assert somanet("calibrate", "set", "--model", "made", "--output", "again", cwd=tmp_path) is None
    assert load_checkpoint(tmp_path / "again").object_confidence == made.object_confidence
    config = json.loads((tmp_path / "made" / "config.json").read_text())
    config["model"]["instances"].pop("refine")
    (tmp_path / "made" / "config.json").write_text(json.dumps(config))
    assert somanet("calibrate", "set", "--model", "made", "--refine", "--output", "other", cwd=tmp_path) is None
    assert load_checkpoint(tmp_path / "other").object_confidence is None


def test_a_damaged_confidence_is_named(tmp_path: Path) -> None:
    folder = save_bright_network(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "confidence": {"slope": -1}}))
    with pytest.raises(SomaNetError, match=r"calibrate --confidence.* in confidence\."):
        load_checkpoint(folder)
