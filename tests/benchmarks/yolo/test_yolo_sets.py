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
from tests.benchmarks.yolo.worlds import N_FRAMES, names_of


def test_nothing_is_learnt_from_validation_or_test(data: Path, tmp_path: Path) -> None:
    items, _ = sets.detector_items(data, seed=0)
    allowed = names_of("train", data) | set(open_dataset(data / "soma" / "train").names)
    made = {crop.name for crop in sets.neuron_crops(n_crops=4, size_px=64, seed=sets.SIM_SEED)}
    assert {item.name.split("_y0_x")[0] if "_y0_x" in item.name else item.name for item in items} == allowed | made
    yaml = sets.write_training_set(data, tmp_path / "set", outlines=False, seed=0)
    assert len((yaml.parent / "val.txt").read_text().split()) == 2


def test_crops_are_listed_in_their_shares(data: Path) -> None:
    """Half of all samples are nuclei, a quarter each real and simulated crops.

    The detectors' 12 tiles of nuclei (6 images of 64 x 96, 2 tiles each) ask for 6 of each kind of crop: the 3 real
    ones twice, the 4 simulated ones once or twice. SomaNet's 6 whole images ask for 3: every crop once.
    """
    items, repeats = sets.detector_items(data, seed=0)
    assert len(items) == 12 + 3 + 4
    assert Counter(repeats.values()) == {2: 3 + 4}
    items, val = sets.somanet_items(data)
    assert len({item.name for item in items}) == len(items) == 6 + 3 + 4
    assert len(val) == 2
    assert sets.times_listed(462, 32, 1 / 4) == 7  # 231 samples of 32 crops


def test_both_learn_from_the_same_images(data: Path) -> None:
    """A detector's pictures are those that SomaNet's network makes of the same crops itself."""
    theirs, _ = sets.detector_items(data, seed=0)
    ours, _ = sets.somanet_items(data)
    names = {item.name for item in ours}
    assert {item.name.split("_y0_x")[0] for item in theirs} == names
    crop = ours[-1]
    [picture] = [item.image for item in theirs if item.name == crop.name]
    np.testing.assert_array_equal(picture, sets.prepared(crop.image))


def test_large_images_give_four_tiles_at_most(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "TILE_PX", 64)
    monkeypatch.setattr(sets, "cut_tiles", lambda item, size_px: iter([item] * 9))
    items, _ = sets.detector_items(data, seed=0)
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
