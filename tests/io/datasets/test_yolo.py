"""Data sets for YOLO detectors: the content of the files, computed by hand, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.datasets.yolo import box_lines, cut_tiles, outline_lines, write_yolo
from somanet.io.images import read_image

HEIGHT, WIDTH = 10, 20


def item(name: str = "a", *, grey: bool = False) -> LabelledImage:
    """Object 3 in rows 2 to 5 and columns 4 to 11; object 7 in the last pixel."""
    labels = np.zeros((HEIGHT, WIDTH), np.int32)
    labels[2:6, 4:12] = 3
    labels[9, 19] = 7
    image = np.full((HEIGHT, WIDTH) if grey else (HEIGHT, WIDTH, 4), 9, np.uint8)
    image[2:6, 4:12] = 200
    return LabelledImage(name, image, labels)


def test_lines_are_shares_of_the_image() -> None:
    """Columns 4 to 12 of 20: centre 8/20, width 8/20; rows 2 to 6 of 10: centre 4/10, height 4/10."""
    first, second = [[float(word) for word in line.split()] for line in box_lines(item().labels)]
    assert first == [0, 0.4, 0.4, 0.4, 0.4]
    assert second == [0, 0.975, 0.95, 0.05, 0.1]


def test_outlines_follow_the_edges_of_pixels() -> None:
    """Its extremes are the box's; its area (shoelace) lacks 1/8 px² at each corner of a rectangle, so half a pixel."""
    first, second = [[float(word) for word in line.split()] for line in outline_lines(item().labels)]
    for words, (x0, y0, x1, y1), area in ((first, (4, 2, 12, 6), 32 - 4 / 8), (second, (19, 9, 20, 10), 0.5)):
        assert words[0] == 0
        points = np.array(words[1:]).reshape(-1, 2) * [WIDTH, HEIGHT]
        np.testing.assert_allclose([*points.min(0), *points.max(0)], [x0, y0, x1, y1])
        x, y = points.T
        assert abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2 == pytest.approx(area, abs=1e-4)


def test_of_several_parts_the_largest_is_outlined(tmp_path: Path) -> None:
    labels = np.zeros((HEIGHT, WIDTH), np.int32)
    labels[1:3, 1:3] = labels[5:9, 10:18] = 4
    split = LabelledImage("a", np.zeros((HEIGHT, WIDTH), np.uint8), labels)
    write_yolo(tmp_path / "set", {"train": [split]}, outlines=True)
    [line] = (tmp_path / "set" / "labels" / "train" / "a.txt").read_text().splitlines()
    points = np.array([float(word) for word in line.split()[1:]]).reshape(-1, 2) * [WIDTH, HEIGHT]
    np.testing.assert_allclose([*points.min(0), *points.max(0)], [10, 5, 18, 9])


def test_a_data_set_of_two_parts(tmp_path: Path) -> None:
    empty = LabelledImage("b", np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6), np.int32))
    yaml = write_yolo(tmp_path / "set", {"train": [item("a"), empty], "val": [item("a", grey=True)]}, repeats={"a": 3})
    assert yaml.read_text() == "train: train.txt\nval: val.txt\nnc: 1\nnames: [soma]\n"
    listed = (tmp_path / "set" / "train.txt").read_text().split()
    assert listed == ["./images/train/a.png"] * 3 + ["./images/train/b.png"]
    assert (tmp_path / "set" / "labels" / "train" / "b.txt").read_text() == ""
    assert len((tmp_path / "set" / "labels" / "val" / "a.txt").read_text().splitlines()) == 2
    for part, source in (("train", item()), ("val", item(grey=True))):
        picture = read_image(tmp_path / "set" / "images" / part / "a.png")
        assert picture.shape == (HEIGHT, WIDTH, 3)
        np.testing.assert_array_equal(picture[..., 0], source.image if part == "val" else source.image[..., 0])


def test_an_older_set_is_replaced_and_other_things_are_kept(tmp_path: Path) -> None:
    write_yolo(tmp_path / "set", {"train": [item("a")]})
    write_yolo(tmp_path / "set", {"train": [item("b")]})
    assert [file.name for file in (tmp_path / "set" / "images" / "train").iterdir()] == ["b.png"]
    (tmp_path / "set" / "thesis.docx").touch()
    with pytest.raises(SomaNetError, match=r"thesis\.docx"):
        write_yolo(tmp_path / "set", {"train": [item("a")]})


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([], "at least one image"),
        ([item("a"), item("A")], "occurs twice"),
        ([item("a/b")], "is not a valid file name"),
        ([LabelledImage("a", np.zeros((3, 5), np.uint16), np.zeros((3, 5), np.int32))], "uint16"),
    ],
)
def test_what_makes_no_data_set_is_refused_and_leaves_nothing(
    tmp_path: Path, items: list[LabelledImage], words: str
) -> None:
    with pytest.raises(SomaNetError, match=words):
        write_yolo(tmp_path / "set", {"train": items})
    assert list(tmp_path.iterdir()) == []


def test_tiles_cover_the_image_and_keep_its_pixels() -> None:
    """10 x 20 in tiles of 8: rows 0 and 2; columns 0, 6 and 12."""
    whole = item()
    seen = np.zeros((HEIGHT, WIDTH), int)
    names = []
    for tile in cut_tiles(whole, size_px=8):
        names.append(tile.name)
        y, x = (int(word[1:]) for word in tile.name.split("_")[1:])
        assert tile.labels.shape == tile.image.shape[:2] == (8, 8)
        np.testing.assert_array_equal(tile.image, whole.image[y : y + 8, x : x + 8])
        seen[y : y + 8, x : x + 8] += 1
    assert names == ["a_y0_x0", "a_y0_x6", "a_y0_x12", "a_y2_x0", "a_y2_x6", "a_y2_x12"]
    assert seen.min() >= 1


def test_a_sliver_of_an_object_has_no_label() -> None:
    """Object 3 spans columns 4 to 11: tiles of 8 from 0, 6 and 12 hold 4, 6 and 0 of its 8 columns."""
    tiles = {tile.name: tile for tile in cut_tiles(item(), size_px=8, min_visible=0.6)}
    assert [3 in tiles[f"a_y0_x{x}"].labels for x in (0, 6, 12)] == [False, True, False]
    loose = {tile.name: tile for tile in cut_tiles(item(), size_px=8, min_visible=0.5)}
    assert [3 in loose[f"a_y0_x{x}"].labels for x in (0, 6, 12)] == [True, True, False]


def test_a_small_image_is_one_tile() -> None:
    whole = item()
    assert list(cut_tiles(whole, size_px=20)) == [whole]
    assert [tile.labels.shape for tile in cut_tiles(whole, size_px=12)] == [(10, 12)] * 2
