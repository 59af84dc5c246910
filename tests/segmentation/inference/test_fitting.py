"""Calibration of a checkpoint: its temperature, and its settings if wanted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.core.hashing import sha256_file
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.datasets.writers import write_pairs
from somanet.segmentation.inference.fitting import fit_checkpoint
from somanet.segmentation.network.checkpoint import load_checkpoint, save_checkpoint
from somanet.segmentation.network.settings import ModelSpec
from tests.segmentation.inference.test_choosing import cones, somas
from tests.worlds import bright_network, save_bright_network, scene, somanet


@pytest.fixture
def harder() -> list[LabelledImage]:
    """A dim soma that the bright network (logit = 20 (intensity − 0.5)) takes for background, among bright ones."""
    first, second = scene("a"), scene("b")
    dim = second.image.copy()
    dim[second.labels == 1] = 102  # logit −2, and true
    return [first, LabelledImage("b", dim, second.labels)]


def test_a_checkpoint_is_calibrated_in_place_or_as_a_copy(tmp_path: Path, harder: list[LabelledImage]) -> None:
    before = save_checkpoint(tmp_path / "model", bright_network(), ModelSpec(), {"training": {"epochs": 3}})
    (tmp_path / "model" / "README.md").write_text("card")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    found = fit_checkpoint(tmp_path / "model", [harder], tmp_path / "copy").temperature
    assert json.loads((tmp_path / "model" / "config.json").read_text()) == config
    assert found.nll_after < found.nll_before
    copy = load_checkpoint(tmp_path / "copy")
    assert (copy.sha256, copy.temperature_scaling, copy.temperature) == (before, found, found.temperature)
    assert copy.metadata == {"training": {"epochs": 3}}  # inherited by networks fine-tuned from it
    assert load_checkpoint(tmp_path / "model").temperature == 1
    assert fit_checkpoint(tmp_path / "model", [harder], tmp_path / "model").temperature == found
    assert {f.name for f in (tmp_path / "model").iterdir()} == {"README.md", "config.json", "model.safetensors"}
    assert sha256_file(tmp_path / "model" / "model.safetensors") == before
    assert json.loads((tmp_path / "model" / "config.json").read_text()) == {
        **config,
        "calibration": found.model_dump(),
    }
    # fitted again, it is the same: the temperature is fitted to the raw outputs, not to calibrated ones
    assert fit_checkpoint(tmp_path / "copy", [harder], tmp_path / "again").temperature == found


def test_an_edited_copy_stays_whole_and_is_refused_before_the_work(
    tmp_path: Path, harder: list[LabelledImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pairs(tmp_path / "set", harder)
    save_bright_network(tmp_path / "model")
    calibrate = ("calibrate", "set", "--model", "model", "--output", "copy")
    assert somanet(*calibrate, cwd=tmp_path) is None
    config = tmp_path / "copy" / "config.json"
    config.write_text(config.read_text().replace("{", "{ ", 1))
    weights = tmp_path / "copy" / "model.safetensors"
    old = weights.stat().st_ino
    with monkeypatch.context() as patch:
        patch.setattr("somanet.segmentation.inference.fitting.predict_probabilities", None)
        error = somanet(*calibrate, cwd=tmp_path)
    assert error is not None
    assert "config.json was not written by SomaNet, or was changed since" in error
    assert weights.stat().st_ino == old
    assert somanet(*calibrate, "--replace", cwd=tmp_path) is None


@pytest.fixture
def world(tmp_path: Path) -> tuple[Path, LabelledImage]:
    """A network that detects pixels above half the range, and an image whose somas end at an intensity of 94 of 255.

    Its probability sigmoid(20 (b − 0.5)) is 0.20 at b = 0.431 and 0.25 at b = 0.445, where masks agree with these somas
    by (0.569 / 0.631)² = 0.81 and (0.555 / 0.631)² = 0.77: only at the lowest candidate is IoU 0.8 passed.
    """
    grey = (cones() * 255).round().astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=-1)
    return save_bright_network(tmp_path / "model"), LabelledImage("cones", picture, somas(94 / 255))


def test_the_network_gets_the_threshold_and_keeps_the_rest(world: tuple[Path, LabelledImage], tmp_path: Path) -> None:
    folder, item = world
    weights, config = sha256_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())
    found = fit_checkpoint(folder, [[item]], tmp_path / "copy", settings=["threshold"])
    before, now = found.chosen["threshold"]
    assert (before.value, now.value) == (0.5, 0.2)
    assert before.accuracy < now.accuracy == 4 / 5
    assert before.size_bias < now.size_bias <= 1
    assert load_checkpoint(tmp_path / "copy").spec.instances.threshold == 0.2
    assert found.temperature == fit_checkpoint(folder, [[item]], tmp_path / "plain").temperature
    config["model"]["instances"] = {**config["model"]["instances"], "threshold": 0.2}
    config["calibration"] = found.temperature.model_dump()
    assert json.loads((tmp_path / "copy" / "config.json").read_text()) == config
    assert sha256_file(tmp_path / "copy" / "model.safetensors") == weights


def test_a_network_that_no_threshold_suits_is_refused_and_nothing_written(
    world: tuple[Path, LabelledImage], tmp_path: Path
) -> None:
    """Somas as wide as the whole cone: at 0.2 the masks have (0.569 / 0.99)² = 0.33 of their area."""
    folder, item = world
    with pytest.raises(SomaNetError, match="No threshold suits"):
        fit_checkpoint(
            folder, [[LabelledImage("wide", item.image, somas(0.01))]], tmp_path / "copy", settings=["threshold"]
        )
    assert not (tmp_path / "copy").exists()


def test_calibrate_chooses_a_threshold_when_asked(
    world: tuple[Path, LabelledImage], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, item = world
    write_pairs(tmp_path / "set", [item])
    for output, more in (("plain", ()), ("chosen", ("--threshold",))):
        assert somanet("calibrate", "set", "--model", folder, "--output", output, *more, cwd=tmp_path) is None
    assert "0.5 before, 0.2 now" in capsys.readouterr().out
    assert load_checkpoint(tmp_path / "plain").spec.instances.threshold == 0.5
    assert load_checkpoint(tmp_path / "chosen").spec.instances.threshold == 0.2
    assert load_checkpoint(folder).spec.instances.threshold == 0.5


def test_calibrate_refuses_a_setting_that_the_network_does_not_use(
    world: tuple[Path, LabelledImage], tmp_path: Path
) -> None:
    folder, item = world
    write_pairs(tmp_path / "set", [item])
    refused = somanet("calibrate", "set", "--model", folder, "--output", "new", "--peak-height", cwd=tmp_path)
    assert refused == (
        "error: peak_height needs a network with the output 'distance'; this one has soma. Choose other settings."
    )
    assert not (tmp_path / "new").exists()
