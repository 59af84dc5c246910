"""Export with 16-bit weights: half the bytes, the same labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from somanet.analysis.network import BUNDLED, network_folder
from somanet.core.errors import SomaNetError
from somanet.core.hashing import sha256_file
from somanet.core.settings import parse, read_yaml
from somanet.segmentation.export import export_half
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import load_checkpoint, read_config, save_checkpoint
from somanet.segmentation.network.intended_use import IntendedUse
from somanet.segmentation.network.settings import ModelSpec
from somanet.simulation import neuron_crops
from somanet.training.loop.settings import TrainSettings
from somanet.training.settings import FinetuneParams, PretrainParams
from tests.worlds import TWO_SOMAS, draw, photograph, save_bright_network, somanet


def test_an_exported_network_gives_the_same_outputs(tmp_path: Path) -> None:
    source = save_bright_network(tmp_path / "model")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "README.md").write_text("a card")
    digest = export_half(source, tmp_path / "out", mlflow_run="abc")
    image = photograph(draw(TWO_SOMAS))
    before, after = load_checkpoint(source), load_checkpoint(tmp_path / "out")
    np.testing.assert_array_equal(
        Segmenter.of(before.model, before.spec).labels(image), Segmenter.of(after.model, after.spec).labels(image)
    )
    assert after.sha256 == digest != before.sha256
    config = read_config(tmp_path / "out")
    assert config["mlflow_run"] == "abc"
    assert config["weights"]["exported_from"] == sha256_file(source / "model.safetensors")
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (source, tmp_path / "out")]
    assert sizes[1] < 0.55 * sizes[0]
    assert (tmp_path / "out" / "README.md").read_text() == "a card"


def test_an_edited_export_stays_whole_until_it_may_be_replaced(tmp_path: Path) -> None:
    """Exported again from another network: the weights are not replaced before the edited config.json is refused."""
    first, second = save_bright_network(tmp_path / "first"), tmp_path / "second"
    model = load_checkpoint(first).model
    for values in model.parameters():
        values.data *= 0.5
    save_checkpoint(second, model, load_checkpoint(first).spec, {})
    assert somanet("export", first, "--output", "out", cwd=tmp_path) is None
    edited = (tmp_path / "out" / "config.json").read_text().replace("{", "{ ", 1)
    (tmp_path / "out" / "config.json").write_text(edited)
    old = load_checkpoint(tmp_path / "out").sha256
    error = somanet("export", second, "--output", "out", cwd=tmp_path)
    assert error is not None
    assert "config.json was not written by SomaNet, or was changed since" in error
    assert load_checkpoint(tmp_path / "out").sha256 == old
    assert somanet("export", second, "--output", "out", "--replace", cwd=tmp_path) is None
    assert load_checkpoint(tmp_path / "out").sha256 != old
    assert (tmp_path / "out" / "config.before.json").read_text() == edited


def test_the_intended_use_is_given_kept_and_changed(tmp_path: Path) -> None:
    source = save_bright_network(tmp_path / "model")
    given = IntendedUse(modality="fluorescence", diameter_px=(8, 48))
    export_half(source, tmp_path / "a", intended_use=given)
    export_half(tmp_path / "a", tmp_path / "b")
    assert [load_checkpoint(tmp_path / name).intended_use for name in ("model", "a", "b")] == [
        IntendedUse(),
        given,
        given,
    ]
    command = ("export", "a", "--output", "c", "--diameters", "10-30.5")
    assert somanet(*command, cwd=tmp_path) is None
    assert load_checkpoint(tmp_path / "c").intended_use == IntendedUse(modality="fluorescence", diameter_px=(10, 30.5))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            "--diameters 48-8",
            "--diameters 48-8: expected the smallest and the largest diameter in pixels, such as 8-48",
        ),
        ("--diameters 20", "expected the smallest and the largest"),
        ("--diameters small-large", "expected the smallest and the largest"),
        ("--modality fluorescence --format onnx", "are written into a checkpoint"),
    ],
)
def test_what_makes_no_sense_is_not_written(tmp_path: Path, options: str, words: str) -> None:
    save_bright_network(tmp_path / "model")
    error = somanet("export", "model", "--output", "out", *options.split(), cwd=tmp_path)
    assert error is not None
    assert words in error
    assert not (tmp_path / "out").exists()


def test_a_damaged_network_is_not_exported(tmp_path: Path) -> None:
    source = save_bright_network(tmp_path / "model")
    weights = source / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(SomaNetError, match="sha256"):
        export_half(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_network_that_comes_along_is_small_and_finds_somas() -> None:
    """Crops of simulated movies that it was not trained on; a soma is detected if its centre lies in an object."""
    assert network_folder(None) == BUNDLED
    assert network_folder("bundled") == BUNDLED
    assert (BUNDLED / "model.safetensors").stat().st_size < 8e6
    checkpoint = load_checkpoint(BUNDLED)
    runs = [one["mlflow_run"] for one in checkpoint.metadata.get("mean_of", [checkpoint.metadata])]
    assert all(runs)
    found = n_true = 0
    for crop in neuron_crops(n_crops=3, size_px=160, seed=77):
        labels = Segmenter.of(checkpoint.model, checkpoint.spec).labels(crop.image)
        for soma in np.setdiff1d(crop.labels, 0):
            n_true += 1
            found += bool(np.mean(labels[crop.labels == soma] > 0) > 0.5)
    assert found >= 0.7 * n_true > 3


def test_the_network_that_comes_along_was_made_by_its_recipe() -> None:
    recipe = read_yaml(BUNDLED / "recipe.yaml")
    nuclei = parse(PretrainParams, recipe["pretrain"]["nuclei"], source="recipe")
    neurons = parse(FinetuneParams, recipe["finetune"]["neurons"], source="recipe")
    config = read_config(BUNDLED)
    # Settings that were introduced later are at their defaults.
    assert parse(TrainSettings, {k: v for k, v in config["training"].items() if k != "seed"}, source="config") == (
        neurons.training
    )
    assert [one["seed"] for one in config["mean_of"]] == [0, 1, 2]
    made = parse(ModelSpec, config["model"], source="config")
    chosen = {name: getattr(made.instances, name) for name in ("threshold", "peak_height", "refine")}  # `calibrate`
    recipe_spec = neurons.adapt(nuclei.model)
    instances = recipe_spec.instances.model_copy(update=chosen)
    assert made == recipe_spec.model_copy(update={"instances": instances})


def test_an_installation_without_a_network_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("somanet.analysis.network.BUNDLED", tmp_path)
    with pytest.raises(SomaNetError, match="--model"):
        network_folder(None)
    assert network_folder(tmp_path / "mine") == tmp_path / "mine"


def test_a_large_variance_stays_finite(tmp_path: Path) -> None:
    """A variance of 70,000 is infinite in 16 bits, and its channel would be a constant."""
    source = save_bright_network(tmp_path / "model")
    loaded = load_checkpoint(source)
    name = next(name for name in loaded.model.state_dict() if name.endswith("running_var"))
    loaded.model.state_dict()[name].fill_(70_000.0)
    save_checkpoint(tmp_path / "large", loaded.model, loaded.spec, {})
    export_half(tmp_path / "large", tmp_path / "out")
    assert load_checkpoint(tmp_path / "out").model.state_dict()[name].tolist()[0] == 70_000.0
    from safetensors.numpy import load_file

    kinds = {key: str(value.dtype) for key, value in load_file(tmp_path / "out" / "model.safetensors").items()}
    assert kinds.pop(name) == "float32"
    assert set(kinds.values()) == {"float16", "int64"}


def test_the_bundled_network_has_finite_numbers_only() -> None:
    assert all(bool(value.isfinite().all()) for value in load_checkpoint(BUNDLED).model.state_dict().values())
