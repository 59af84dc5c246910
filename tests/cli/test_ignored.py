"""Ignored pixels through the commands: from outlines to a data set, a training, and scores beside the usual ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.regions import ImageRegions, pixels_sha256, regions_of, write_regions
from somanet.io.datasets.writers import write_kaggle
from tests.worlds import make_project, scene, somanet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two scenes of two somas, of which the second has no label in either; outlines name it in the first scene."""
    folder = make_project(tmp_path / "project", tmp_path)
    whole = [replace(scene(name), image=scene().image + np.uint8(number)) for number, name in enumerate("ab")]
    write_kaggle(folder / "set.zip", [replace(item, labels=np.where(item.labels == 1, 1, 0)) for item in whole])
    second = whole[0].labels == 2
    regions = [ImageRegions("a", pixels_sha256(whole[0].image), tuple(regions_of(second, "by hand")))]
    write_regions(folder / "regions.json", regions, {})
    return folder


def test_scores_with_and_without(folder: Path, bright: Path) -> None:
    """The network finds both somas in both scenes: precision 2 of 4, and 2 of 3 where one is ignored."""
    assert somanet("data", "select", "set.zip", "--ignore", "regions.json", "--output", "packed", cwd=folder) is None
    a, b = open_dataset(folder / "packed")
    assert a.ignored is not None
    assert b.ignored is None
    assert somanet("evaluate", "--truth", "packed", "--model", bright, "--output", "own.json", cwd=folder) is None
    assert somanet("predict", "packed", "--model", bright, "--output", "labels", "--rescale", "1", cwd=folder) is None
    assert (
        somanet("evaluate", "--truth", "packed", "--predictions", "labels", "--output", "of.json", cwd=folder) is None
    )
    for name in ("own.json", "of.json"):
        scores = json.loads((folder / name).read_text())
        assert scores["precision"] == pytest.approx(2 / 4)
        assert scores["ignoring"]["precision"] == pytest.approx(2 / 3)
        assert scores["ignoring"]["recall"] == scores["recall"] == 1
        assert "interior" in scores["ignoring"]
    assert somanet("evaluate", "--truth", "set.zip", "--model", bright, "--output", "plain.json", cwd=folder) is None
    assert "ignoring" not in json.loads((folder / "plain.json").read_text())


def test_a_checkpoint_lists_what_it_was_trained_on(folder: Path) -> None:
    """Those of its start before its own; a set that is given twice once."""
    short = ("--set", "training.epochs=1", "--set", "training.size_px=32", "--val", "set.zip")
    assert somanet("data", "select", "set.zip", "--ignore", "regions.json", "--output", "packed", cwd=folder) is None
    assert somanet("train", "set.zip", "--output", "first", *short, cwd=folder) is None
    assert somanet("finetune", "packed", "packed", "--start", "first", "--output", "second", *short, cwd=folder) is None
    assert somanet("export", "second", "--output", "third", cwd=folder) is None
    for name in ("second", "third"):
        sets = json.loads((folder / name / "config.json").read_text())["trained_on"]
        assert [one["name"] for one in sets] == ["set.zip", "packed"]
        assert [one["images"] for one in sets] == [2, 2]
        assert sets[0]["ignored_px"] == 0 < sets[1]["ignored_px"]


def test_varied_crops_are_written_with_what_is_hidden(folder: Path) -> None:
    line = "simulate --output sim --nuclei 0 --crops 3 --frames 0 --seed 4002 --varied"
    assert somanet(*line.split(), cwd=folder) is None
    crops = list(open_dataset(folder / "sim" / "crops.zip"))
    assert len(crops) == 3
    assert len({crop.name.partition("_")[0] for crop in crops}) == 3


def test_yolo_says_what_its_format_lacks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert somanet("data", "select", "set.zip", "--ignore", "regions.json", "--output", "packed", cwd=folder) is None
    assert somanet("data", "yolo", "set.zip", "--output", "without", cwd=folder) is None
    assert "ignored" not in capsys.readouterr().err
    assert somanet("data", "yolo", "packed", "--output", "with", cwd=folder) is None
    assert "become background in 1 image, such as 'a'" in capsys.readouterr().err
