"""Training and evaluation images of the detector."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.yolo import sets
from somanet.io.datasets.layouts import open_dataset
from somanet.io.images import read_image
from tests.benchmarks.yolo.worlds import N_FRAMES, ROOT, names_of


def test_nothing_is_learnt_from_validation_or_test(data: Path, tmp_path: Path) -> None:
    items, _ = sets.training_items(data, seed=0)
    allowed = names_of("train", data) | set(open_dataset(data / "soma" / "train").names)
    made = {crop.name for crop in sets.neuron_crops(n_crops=4, size_px=64, seed=sets.SIM_SEED)}
    assert {item.name.split("_y0_x")[0] if "_y0_x" in item.name else item.name for item in items} == allowed | made
    yaml = sets.write_training_set(data, tmp_path / "set", outlines=False, seed=0)
    assert len((yaml.parent / "val.txt").read_text().split()) == 2


def test_crops_are_listed_in_the_shares_of_somanets_training(
    data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two passes of 6 nuclei, then 3 of 16 samples: 12 + 12 nuclei, 24 real, 12 simulated.

    The set has 12 tiles of nuclei (6 images of 64 x 96, 2 tiles each): each stands for 2 samples, so of the 3 real
    crops with 8 samples each every one is listed 4 times, and of the 4 simulated with 3 each 1 or 2 times.
    """
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "pretrain: {nuclei: {training: {epochs: 2}}}\n"
        "finetune: {neurons: {training: {epochs: 3, samples_per_epoch: 16}}}\n"
    )
    assert sets.samples_seen(recipe, 6) == (24, 24, 12)
    monkeypatch.setattr(sets, "BUNDLED", tmp_path)
    items, repeats = sets.training_items(data, seed=0)
    assert len(items) == 12 + 3 + 4
    assert Counter(repeats.values()) == {4: 3, 2: 4}
    assert sets.samples_of_somanet(data) == 60
    recipe.write_text(recipe.read_text().replace("{epochs: 2}", "{epochs: 2, samples_per_epoch: 40}"))
    assert sets.samples_seen(recipe, 6) == (24 + 80 - 12, 24, 12)


def test_the_bundled_recipe_says_how_much_was_learnt_from() -> None:
    """The file that `make bundled-model` follows has the parts that are counted here."""
    assert min(sets.samples_seen(ROOT / "somanet" / "model" / "recipe.yaml", 462)) > 0


def test_large_images_give_four_tiles_at_most(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "TILE_PX", 64)
    monkeypatch.setattr(sets, "cut_tiles", lambda item, size_px: iter([item] * 9))
    items, _ = sets.training_items(data, seed=0)
    assert len(items) == 6 * 4 + 3 + 4


def test_pictures_are_what_enters_somanets_network(data: Path, tmp_path: Path) -> None:
    wanted = sets.scored_sets(data)
    sets.write_pictures(wanted[sets.MOVIE], tmp_path / "movie")
    picture = read_image(tmp_path / "movie" / "0003.png")
    assert (picture.shape, picture.dtype) == ((96, 600, 3), np.uint8)
    assert (picture[..., 1] >= picture[..., 0]).all()  # the square root of a value below 1 is larger
    labels = next(item.labels for item in wanted[sets.MOVIE] if item.name == "0003")
    assert picture[labels > 0, 2].mean() > 2 * picture[labels == 0, 2].mean()
    assert json.loads((tmp_path / "movie.json").read_text())["pixels"] == N_FRAMES * 96 * 600
    assert {item.name for item in wanted["dsb2018_test"]} == names_of("test", data)
    assert {item.name for item in wanted["nuclei_val"]} == names_of("val", data)
