"""The threshold that suits a network: cones of probability, of which a known level is the soma."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from somanet.data.layouts import LabelledImage, write_pairs
from somanet.errors import SomaNetError
from somanet.files import sha256_file
from somanet.labelling.thresholds import CANDIDATES, at_thresholds, choose_threshold
from somanet.segmentation.checkpoint import load_checkpoint
from somanet.segmentation.settings import ModelSpec
from tests.worlds import save_bright_network, somanet

SHAPE = (96, 160)
CENTRES = ((40, 40), (50, 110))
RADIUS = 32.0


def cones() -> np.ndarray:
    """1 at each centre, falling to 0 at a distance of RADIUS."""
    y, x = np.indices(SHAPE)
    return np.max([1 - np.hypot(y - cy, x - cx) / RADIUS for cy, cx in CENTRES], axis=0).clip(0).astype(np.float32)


def somas(level: float) -> np.ndarray:
    """The two cones from a level up."""
    y, x = np.indices(SHAPE)
    labels = np.zeros(SHAPE, np.int32)
    for number, (cy, cx) in enumerate(CENTRES, start=1):
        labels[1 - np.hypot(y - cy, x - cx) / RADIUS >= level] = number
    return labels


def test_the_accuracy_is_best_at_the_level_of_the_truth() -> None:
    """Of a cone, the level t has the radius (1 − t) R: masks at 0.5 have (0.5 / 0.7)² of the area at 0.3."""
    scored = {one.threshold: one for one in at_thresholds([cones()[None]], [somas(0.3)], ModelSpec())}
    assert tuple(scored) == CANDIDATES
    assert max(scored.values(), key=lambda one: one.accuracy).threshold == 0.3
    assert scored[0.3].accuracy == 1
    assert scored[0.3].size_bias == 1
    assert scored[0.5].size_bias == pytest.approx((0.5 / 0.7) ** 2, rel=0.02)
    assert scored[0.5].accuracy == pytest.approx(1 / 5), "(0.5 / 0.7)² = 0.51: of the five IoUs only 0.5 is passed"
    assert math.isnan(scored[0.8].size_bias), "(0.2 / 0.7)² matches nothing"


@pytest.fixture
def world(tmp_path: Path) -> tuple[Path, LabelledImage]:
    """A network that finds what is brighter than half, and a picture whose somas end at 94 of 255.

    Its probability sigmoid(20 (b − 0.5)) is 0.20 at b = 0.431 and 0.25 at b = 0.445, where masks agree with these somas
    by (0.569 / 0.631)² = 0.81 and (0.555 / 0.631)² = 0.77: only at the lowest candidate is IoU 0.8 passed.
    """
    grey = (cones() * 255).round().astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=-1)
    return save_bright_network(tmp_path / "model"), LabelledImage("cones", picture, somas(94 / 255))


def test_the_network_gets_the_threshold_and_keeps_the_rest(world: tuple[Path, LabelledImage]) -> None:
    folder, item = world
    weights, config = sha256_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())
    before, now = choose_threshold(folder, [item])
    assert (before.threshold, now.threshold) == (0.5, 0.2)
    assert before.accuracy < now.accuracy == 4 / 5
    assert before.size_bias < now.size_bias <= 1
    assert load_checkpoint(folder).spec.instances.threshold == 0.2
    config["model"]["instances"] = {**config["model"]["instances"], "threshold": 0.2}
    assert json.loads((folder / "config.json").read_text()) == config
    assert sha256_file(folder / "model.safetensors") == weights


def test_of_equal_thresholds_the_nearest_is_kept(world: tuple[Path, LabelledImage]) -> None:
    """A step from black to white: every threshold gives the same labels."""
    folder, item = world
    step = np.where(item.labels[..., None] > 0, np.uint8(255), np.uint8(0)).repeat(3, axis=-1)
    before, now = choose_threshold(folder, [LabelledImage("step", step, item.labels)])
    assert before == now
    assert now.threshold == 0.5


def test_a_network_that_finds_nothing_is_refused_and_unchanged(world: tuple[Path, LabelledImage]) -> None:
    folder, item = world
    before = (folder / "config.json").read_bytes()
    with pytest.raises(SomaNetError, match="No threshold suits"):
        choose_threshold(folder, [LabelledImage("dark", np.zeros_like(item.image), item.labels)])
    assert (folder / "config.json").read_bytes() == before


def test_calibrate_chooses_a_threshold_when_asked(
    world: tuple[Path, LabelledImage], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, item = world
    write_pairs(tmp_path / "set", [item])
    shutil.copytree(folder, tmp_path / "plain")
    for output, more in (("plain", ()), ("chosen", ("--threshold",))):
        assert somanet("calibrate", "set", "--model", folder, "--output", output, *more, cwd=tmp_path) is None
    assert "0.5 before, 0.2 now" in capsys.readouterr().out
    assert load_checkpoint(tmp_path / "plain").spec.instances.threshold == 0.5
    assert load_checkpoint(tmp_path / "chosen").spec.instances.threshold == 0.2
    assert load_checkpoint(folder).spec.instances.threshold == 0.5
