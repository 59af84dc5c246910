"""The mean of networks: of a linear one computed by hand, and refused where it makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from somanet.core.errors import SomaNetError
from somanet.segmentation.network.checkpoint import load_checkpoint, read_config, save_checkpoint
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import ModelSpec
from tools.average import average

SPEC = ModelSpec(architecture="paper-unet", encoder=None, encoder_weights=None)


def save(folder: Path, value: float, *, spec: ModelSpec = SPEC, seed: int = 0) -> Path:
    """A checkpoint whose every weight is `value`."""
    model = build_model(spec)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(value)
    save_checkpoint(folder, model, spec, {"training": {"seed": seed, "epochs": 7}, "best_epoch": 3, "trained_on": [1]})
    return folder


def test_every_weight_is_the_mean_and_the_record_names_the_networks(tmp_path: Path) -> None:
    folders = [save(tmp_path / str(seed), value, seed=seed) for seed, value in enumerate((0.5, 2.0, 6.5))]
    digest = average(folders, tmp_path / "mean")
    found = load_checkpoint(tmp_path / "mean")
    assert found.sha256 == digest
    floats = [one for one in found.model.state_dict().values() if one.is_floating_point()]
    assert len(floats) > 50
    assert all(bool((one == 3.0).all()) for one in floats)
    config = read_config(tmp_path / "mean")
    assert [one["seed"] for one in config["mean_of"]] == [0, 1, 2]
    assert [one["weights_sha256"] for one in config["mean_of"]] == [load_checkpoint(one).sha256 for one in folders]
    assert config["training"] == {"seed": None, "epochs": 7}
    assert config["trained_on"] == [1]
    assert "best_epoch" not in config


def test_a_mean_that_makes_no_sense_is_not_written(tmp_path: Path) -> None:
    one = save(tmp_path / "one", 1.0)
    other = save(tmp_path / "other", 2.0, spec=SPEC.model_copy(update={"input": "background"}))
    for folders, words in (
        ([one], "needs two networks or more"),
        ([one, one], "the same one"),
        ([one, other], f"{other} is another kind of network than {one}: input is background, not"),
    ):
        with pytest.raises(SomaNetError, match=words):
            average(folders, tmp_path / "mean")
    assert not (tmp_path / "mean").exists()
