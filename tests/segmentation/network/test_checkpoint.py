"""Networks on disk: loaded bit for bit as saved, or refused in one line that gives the reason."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from somanet.core.errors import SomaNetError
from somanet.core.hashing import sha256_file
from somanet.segmentation.export.half import export_half
from somanet.segmentation.inference.prediction import predict_probabilities
from somanet.segmentation.network.checkpoint import load_checkpoint, read_config, save_checkpoint
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import InstanceSettings, ModelSpec

SPEC = ModelSpec(
    architecture="Linknet",
    encoder="tu-mobilenetv3_small_050",
    outputs=("soma", "boundary"),
    input="contrasts",
    instances=InstanceSettings(threshold=0.4, min_area_px=7),
)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original") / "network"
    torch.manual_seed(0)
    save_checkpoint(folder, build_model(SPEC), SPEC, {"seed": 3, "note": "before"})
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A saved network, to be corrupted."""
    return Path(shutil.copytree(original, tmp_path / "network"))


def test_encoders_that_read_numbers_while_they_are_built_are_loaded(tmp_path: Path) -> None:
    """mit_b0 reads its drop rates, which it has no memory for while its size is compared with that of its weights."""
    spec = ModelSpec(architecture="Segformer", encoder="mit_b0")
    model = build_model(spec)
    save_checkpoint(tmp_path / "network", model, spec, {})
    expected, got = model.state_dict(), load_checkpoint(tmp_path / "network").model.state_dict()
    assert all(torch.equal(got[name], expected[name]) for name in expected)


def test_a_network_is_loaded_bit_for_bit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build_model(SPEC).to(memory_format=torch.channels_last)
    model.train()(torch.rand(2, 3, 64, 96))  # so that batch-norm statistics are not the initial ones
    digest = save_checkpoint(tmp_path / "deep" / "network", model, SPEC, {"scores": {"iou": float("nan")}, "seed": 3})
    loaded = load_checkpoint(tmp_path / "deep" / "network")
    assert loaded.sha256 == digest == sha256_file(tmp_path / "deep" / "network" / "model.safetensors")
    assert loaded.spec == SPEC
    assert loaded.metadata == {"scores": {"iou": None}, "seed": 3}
    assert not loaded.model.training
    expected, got = model.state_dict(), loaded.model.state_dict()
    assert list(got) == list(expected)
    assert all(torch.equal(got[name], expected[name]) and got[name].dtype == expected[name].dtype for name in got)
    image = np.random.default_rng(0).integers(0, 255, (40, 56, 3), np.uint8)
    np.testing.assert_array_equal(
        predict_probabilities(loaded.model, image, SPEC), predict_probabilities(loaded.model, image, loaded.spec)
    )


def test_equal_weights_are_equal_bytes_whatever_their_memory_layout(folder: Path) -> None:
    loaded = load_checkpoint(folder)
    model = loaded.model.to(memory_format=torch.channels_last)
    assert save_checkpoint(folder.parent / "again", model, SPEC, {}) == loaded.sha256


def test_a_network_is_replaced_whole(folder: Path) -> None:
    torch.manual_seed(1)
    digest = save_checkpoint(folder, build_model(SPEC), SPEC, {"note": "after"})
    assert load_checkpoint(folder).sha256 == digest
    assert read_config(folder)["note"] == "after"
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert [path.name for path in folder.parent.iterdir()] == ["network"]


class Unwritable:
    """Not JSON."""


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_colleagues_may_read_a_network(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "new").write_text("of the usual mode")
    export_half(folder, tmp_path / "exported")
    for path in (folder, tmp_path / "exported"):
        assert {file.stat().st_mode for file in path.iterdir()} == {(tmp_path / "new").stat().st_mode}


def test_a_save_that_fails_leaves_the_old_network(folder: Path) -> None:
    before = load_checkpoint(folder).sha256
    torch.manual_seed(1)
    with pytest.raises(TypeError, match="Unwritable"):
        save_checkpoint(folder, build_model(SPEC), SPEC, {"note": Unwritable()})
    assert load_checkpoint(folder).sha256 == before
    assert read_config(folder)["note"] == "before"
    assert [path.name for path in folder.parent.iterdir()] == ["network"]


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def test_weights_that_were_exchanged_or_damaged(folder: Path) -> None:
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(SomaNetError, match=r"not those its config\.json names: expected sha256 [0-9a-f]{12}…, found"):
        load_checkpoint(folder)


def test_a_hash_that_was_edited(folder: Path) -> None:
    edit(folder, lambda config: config["weights"].update(sha256="0" * 64))
    with pytest.raises(SomaNetError, match="expected sha256 000000000000…"):
        load_checkpoint(folder)


def test_what_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(SomaNetError, match=r"No checkpoint at .*nowhere"):
        load_checkpoint(folder / "nowhere")
    (folder / "model.safetensors").unlink()
    with pytest.raises(SomaNetError, match=r"lacks model\.safetensors.*dvc pull"):
        load_checkpoint(folder)
    (folder / "config.json").unlink()
    with pytest.raises(SomaNetError, match="No checkpoint at"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(format=2), "has checkpoint format 2, expected 1"),
        (lambda c: c.pop("format"), r"lacks format; expected a checkpoint's config\.json"),
        (lambda c: c.pop("weights"), r"lacks weights; expected a checkpoint's config\.json"),
        (lambda c: c["model"].update(wedges=3), "cannot build: wedges: Extra inputs"),
        (lambda c: c["model"].update(outputs=["boundary"]), "cannot build: .*must start with 'soma'"),
        (lambda c: c["model"].update(architecture="Unett"), "Did you mean Unet"),
        (lambda c: c["model"].update(outputs=["soma"]), "do not fit its network"),
        (lambda c: c["model"].update(architecture="FPN"), "do not fit its network"),
    ],
)
def test_an_edited_config(folder: Path, change: Callable[[dict[str, Any]], object], words: str) -> None:
    edit(folder, change)
    with pytest.raises(SomaNetError, match=words) as error:
        load_checkpoint(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "\0", '{"format": 1, "weights": 3}', '{"format": 1, "weights": 3, "model": {}}', "[" * 9999]
)
def test_a_config_that_is_none(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(SomaNetError, match=r"expected a checkpoint's config\.json"):
        read_config(folder)


def test_encoder_weights_are_not_needed_again(tmp_path: Path) -> None:
    """The file they came from may be gone."""
    plain = ModelSpec(architecture="Linknet", encoder="tu-mobilenetv3_small_050")
    torch.manual_seed(0)
    model = build_model(plain)
    save_checkpoint(
        tmp_path / "network", model, plain.model_copy(update={"encoder_weights": str(tmp_path / "gone.pth")}), {}
    )
    assert load_checkpoint(tmp_path / "network").model is not None
