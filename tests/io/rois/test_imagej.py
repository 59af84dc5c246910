"""Selections against ImageJ itself: Debian's libij-java, or the ij.jar that IJ_JAR names, and Java 11 or later."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from skimage.morphology import dilation, disk

from somanet.io.rois.selections import Selection, label_selections, read_selections, write_selections

JAR = Path(os.environ.get("IJ_JAR", "/usr/share/java/ij.jar"))
PROGRAM = Path(__file__).with_name("ImageJ.java")
SHAPE_YX = (71, 97)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (JAR.is_file() and shutil.which("java")), reason="no ImageJ: apt install libij-java"),
]


class Filled(NamedTuple):
    """What ImageJ says of a selection: its name, kind, positions (slice, c, z, t), and the pixels that it fills."""

    name: str
    kind: str
    positions: tuple[int, ...]
    mask_YX: np.ndarray


def imagej(mode: str, first: str, *files: Path, shape_YX: tuple[int, int]) -> list[Filled]:
    height, width = shape_YX
    words = ["java", "-Djava.awt.headless=true", "-cp", str(JAR), str(PROGRAM), mode, first, str(width), str(height)]
    told = subprocess.run([*words, *map(str, files)], check=True, capture_output=True, text=True)
    masks = np.fromfile(files[-1], np.uint8).reshape(-1, height, width) > 0
    rows = [line.split("\t") for line in told.stdout.splitlines()]
    return [Filled(row[0], row[1], tuple(map(int, row[2:])), mask) for row, mask in zip(rows, masks, strict=True)]


def filled_here(selection: Selection, shape_YX: tuple[int, int]) -> np.ndarray:
    image = np.zeros(shape_YX, bool)
    place, mask = selection.mask(shape_YX)
    image[place] = mask
    return image


@pytest.mark.parametrize("seed", [1, 2])
def test_what_imagej_draws_is_filled_as_imagej_fills_it(seed: int, tmp_path: Path) -> None:
    """Every tool, threshold and command; corners on the centres of pixels, where ties decide; beyond the image."""
    theirs = imagej("draw", str(seed), tmp_path / "d.zip", tmp_path / "d.bin", shape_YX=SHAPE_YX)
    ours = {one.name: one for one in read_selections(tmp_path / "d.zip")}
    different = {
        one.name: int(np.count_nonzero(filled_here(ours[one.name], SHAPE_YX) != one.mask_YX)) for one in theirs
    }
    assert {name: n for name, n in different.items() if n} == {}
    assert len(theirs) == 218
    assert {one.kind for one in theirs} >= {"Rectangle", "Oval", "Freehand", "Polygon", "Traced", "Composite", "Point"}
    assert sum(bool(one.mask_YX.any()) for one in theirs) > 200
    assert {name[5:] for name, one in ours.items() if not one.has_area} == {"point", "line"}


def test_objects_are_the_same_pixels_in_imagej(tmp_path: Path) -> None:
    """Pieces, holes, pixels that touch by a corner, single pixels, and the image's whole edge."""
    rng = np.random.default_rng(5)
    frames = []
    for _ in range(2):
        labels = np.zeros(SHAPE_YX, np.int32)
        labels[rng.integers(0, 71, 90), rng.integers(0, 97, 90)] = np.arange(3, 93)
        labels = dilation(labels, disk(3)).astype(np.int32)
        frames.append(np.where(rng.random(SHAPE_YX) < 0.2, 0, labels))
    frame = np.zeros(SHAPE_YX, np.int32)
    frame[[0, -1], :] = frame[:, [0, -1]] = 7
    frame[20:40, 30:60], frame[25:30, 40:50], frame[35, 35] = 90000, 0, 12
    frames.append(frame)
    write_selections(
        tmp_path / "m.zip", (one for t, labels in enumerate(frames) for one in label_selections(labels, position=t))
    )
    theirs = imagej("masks", str(tmp_path / "m.zip"), tmp_path / "m.bin", shape_YX=SHAPE_YX)
    expected = {
        f"t{t:04d}_id{one:04d}": labels == one
        for t, labels in enumerate(frames)
        for one in np.unique(labels[labels > 0])
    }
    assert len(theirs) == len(expected) > 170
    assert sum(int(np.count_nonzero(one.mask_YX != expected[one.name])) for one in theirs) == 0
    assert {one.kind for one in theirs} == {"Traced", "Composite"}
    assert all(one.positions[0] == int(one.name[1:5]) + 1 for one in theirs)
    with zipfile.ZipFile(tmp_path / "m.zip") as archive:
        assert archive.testzip() is None
