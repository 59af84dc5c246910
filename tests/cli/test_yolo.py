"""`somanet data yolo`: a labelled set becomes training data for a YOLO program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from somanet.io.datasets.layouts import LabelledImage
from somanet.io.datasets.writers import write_pairs
from somanet.io.images import read_image
from tests.worlds import scene, somanet


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty scenes of 64 x 96 px, one of them 16-bit."""
    folder = tmp_path_factory.mktemp("yolo")
    sixteen = LabelledImage("dim", scene().image.astype(np.uint16) * 7, scene().labels)
    write_pairs(folder / "set", [sixteen, *(scene(f"s{i:02d}") for i in range(19))])
    (folder / "split.csv").write_text("image_id,split\ndim,train\ns00,train\ns01,val\n")
    return folder


def test_a_tenth_validates(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert somanet("data", "yolo", folder / "set", "--output", tmp_path / "out", cwd=tmp_path) is None
    assert "18 train, 2 val images" in capsys.readouterr().out
    names = {part: {file.stem for file in (tmp_path / "out" / "labels" / part).iterdir()} for part in ("train", "val")}
    assert (len(names["train"]), len(names["val"])) == (18, 2)
    assert names["train"] | names["val"] == {"dim", *(f"s{i:02d}" for i in range(19))}


@pytest.mark.parametrize("command", ["select", "yolo"])
def test_a_set_is_written_again_and_other_files_are_kept(folder: Path, tmp_path: Path, command: str) -> None:
    write = ("data", command, folder / "set", "--split", folder / "split.csv", "--output", "out")
    assert [somanet(*write, cwd=tmp_path) for _ in range(2)] == [None, None]
    (tmp_path / "out" / "thesis.doc").write_text("years of work")
    words = somanet(*write, cwd=tmp_path)
    assert words is not None
    assert "contains files that SomaNet did not write" in words
    assert "--replace" in words
    assert somanet(*write, "--replace", cwd=tmp_path) is None
    assert (tmp_path / "out.before" / "thesis.doc").read_text() == "years of work"
    assert not (tmp_path / "out" / "thesis.doc").exists()


def test_a_part_cannot_lead_out_of_the_output(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("image_id,split\ns00,../../../outside\ns01,val\n")
    options = ("--output", tmp_path / "a" / "b", "--split", tmp_path / "split.csv")
    words = somanet("data", "yolo", folder / "set", *options, cwd=tmp_path)
    assert words is not None
    assert "expected train, val or test as the split, found '../../../outside'" in words
    assert {path.name for path in tmp_path.iterdir()} == {"split.csv"}


def test_a_split_decides_and_tiles_keep_sizes(folder: Path, tmp_path: Path) -> None:
    """Squares of 64 px: columns from 0 and 32. The left soma spans columns 8 to 31, the right one 64 to 79."""
    options = ("--split", folder / "split.csv", "--tile-px", 64)
    assert somanet("data", "yolo", folder / "set", "--output", tmp_path / "out", *options, cwd=tmp_path) is None
    listed = (tmp_path / "out" / "val.txt").read_text().split()
    assert listed == ["./images/val/s01_y0_x0.png", "./images/val/s01_y0_x32.png"]
    lines = (tmp_path / "out" / "labels" / "val" / "s01_y0_x32.txt").read_text().split()
    assert [float(word) for word in lines] == [0, (72 - 32) / 64, 24 / 64, 16 / 64, 32 / 64]
    dim = read_image(tmp_path / "out" / "images" / "train" / "dim_y0_x0.png")
    assert dim.dtype == np.uint8
    assert (dim[0, 0, 0], dim[10, 10, 0]) == (0, 255)  # its own range


def test_a_missing_set_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    line = somanet("data", "yolo", folder / "nothing", "--output", tmp_path / "out", cwd=tmp_path)
    assert line is not None
    assert "nothing" in line
    assert not (tmp_path / "out").exists()
