"""Data sets: both layouts, folders and zips; names in a zip never lead out of it."""

from __future__ import annotations

import pickle
import shutil
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.masks import compose_masks
from somanet.io.datasets.writers import write_kaggle, write_pairs
from somanet.io.images import encode_png, write_image

Y, X = 19, 31


def item(name: str, *shape_end: int, dtype: str = "uint8", n_objects: int = 2) -> LabelledImage:
    """Objects are 3 × 4 px boxes side by side; the pixels depend on the name."""
    rng = np.random.default_rng(sum(map(ord, name)))
    labels = np.zeros((Y, X), np.int32)
    for label in range(1, n_objects + 1):
        labels[5:8, 5 * label : 5 * label + 4] = label
    image = rng.integers(0, 255, (Y, X, *shape_end)).astype(dtype)
    return LabelledImage(name, image, labels)


ITEMS = [item("b", 3), item("a", dtype="uint16"), item("c", 4, n_objects=0)]


def same(first: LabelledImage, second: LabelledImage) -> None:
    assert first.name == second.name
    assert first.image.dtype == second.image.dtype
    assert second.labels.dtype == np.int32
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.labels, second.labels)


@pytest.mark.parametrize("name", ["folder", "data.zip"])
def test_kaggle_is_read_back(tmp_path: Path, name: str) -> None:
    dataset = write_kaggle(tmp_path / name, ITEMS)
    assert (dataset.layout, dataset.names, len(dataset)) == ("kaggle", ("a", "b", "c"), 3)
    for first, second in zip(sorted(ITEMS, key=lambda i: i.name), dataset, strict=True):
        same(first, second)
    same(ITEMS[0], pickle.loads(pickle.dumps(dataset)).load("b"))


def test_pairs_are_read_back(tmp_path: Path) -> None:
    items = [*ITEMS, item("d", dtype="float32")]
    dataset = write_pairs(tmp_path / "pairs", items)
    assert (dataset.layout, dataset.names) == ("pairs", ("a", "b", "c", "d"))
    for first, second in zip(sorted(items, key=lambda i: i.name), dataset, strict=True):
        same(first, second)


def test_pairs_side_by_side_and_masks_folder(tmp_path: Path) -> None:
    dataset = write_pairs(tmp_path / "pairs", ITEMS)
    (tmp_path / "flat").mkdir()
    for name in dataset.names:
        image = tmp_path / "pairs" / dataset.image_file(name)
        shutil.copy(image, tmp_path / "flat" / image.name)
        shutil.copy(tmp_path / "pairs" / "labels" / f"{name}.tif", tmp_path / "flat" / f"{name}_labels.tif")
    same(ITEMS[0], open_dataset(tmp_path / "flat").load("b"))
    (tmp_path / "pairs" / "labels").rename(tmp_path / "pairs" / "masks")
    same(ITEMS[0], open_dataset(tmp_path / "pairs").load("b"))


def test_more_than_nine_objects_keep_their_order(tmp_path: Path) -> None:
    labels = np.zeros((Y, 8 * 16), np.int32)
    labels[3, : 8 * 12] = np.repeat(np.arange(1, 13), 8)
    image = np.arange(labels.size, dtype=np.uint16).reshape(labels.shape)
    dataset = write_kaggle(tmp_path / "k", [LabelledImage("a", image, labels)])
    np.testing.assert_array_equal(dataset.load("a").labels, labels)


def test_a_zip_has_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    write_kaggle(tmp_path / "1.zip", ITEMS)
    write_kaggle(tmp_path / "2.zip", ITEMS[::-1])
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1.zip", "2.zip"]


def test_wrapped_with_leftovers_and_without_masks(tmp_path: Path) -> None:
    image = encode_png(ITEMS[0].image, "b")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("stage1/b/images/b.png", "__MACOSX/stage1/b/images/._b.png", "stage1/.DS_Store"):
            archive.writestr(name, image)
    dataset = open_dataset(tmp_path / "a.zip")
    assert dataset.names == ("b",)
    assert not dataset.has_labels()
    assert not dataset.has_labels("b")
    np.testing.assert_array_equal(dataset.load_image("b"), ITEMS[0].image)
    with pytest.raises(SomaNetError, match="no labels"):
        dataset.load("b")
    with pytest.raises(SomaNetError, match="no usable image 'z'"):
        dataset.load("z")


def packed(path: Path, name: str, data: bytes = b"x", *, mode: int = 0, deflate: bool = False) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, data, zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED)
    return path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../a/images/a.png", "leads out"),
        ("a/../../images/a.png", "leads out"),
        ("/etc/a.png", "leads out"),
        ("C:/a.png", "leads out"),
        ("..\\a.png", "leads out"),
        ("__MACOSX/../../a.png", "leads out"),
        ("notes.txt", "expected images"),
        (".DS_Store", "empty"),
    ],
)
def test_names_in_a_zip(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(SomaNetError, match=words):
        open_dataset(packed(tmp_path / "a.zip", name))


def test_links_bombs_and_non_zips(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match="link"):
        open_dataset(packed(tmp_path / "link.zip", "a/images/a.png", mode=stat.S_IFLNK | 0o777))
    with pytest.raises(SomaNetError, match="would unpack"):
        open_dataset(packed(tmp_path / "bomb.zip", "a/images/a.png", bytes(80 << 20), deflate=True))
    zipfile.ZipFile(tmp_path / "empty.zip", "w").close()
    with pytest.raises(SomaNetError, match="zip is empty"):
        open_dataset(tmp_path / "empty.zip")
    (tmp_path / "no.zip").write_bytes(b"no zip")
    with pytest.raises(SomaNetError, match="expected a folder or a zip"):
        open_dataset(tmp_path / "no.zip")
    with pytest.raises(SomaNetError, match="no such data set"):
        open_dataset(tmp_path / "none")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SomaNetError, match="expected images"):
        open_dataset(tmp_path / "folder")


def test_a_damaged_entry_is_named(tmp_path: Path) -> None:
    write_kaggle(tmp_path / "a.zip", ITEMS)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[data.index(b"IDAT") + 20] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(data)
    dataset = open_dataset(tmp_path / "a.zip")
    with pytest.raises(SomaNetError, match="zip is damaged here"):
        list(dataset)


def test_several_data_sets_and_twin_names(tmp_path: Path) -> None:
    write_kaggle(tmp_path / "sets" / "train", ITEMS)
    write_kaggle(tmp_path / "sets" / "val", ITEMS)
    with pytest.raises(SomaNetError, match="several: train, val"):
        open_dataset(tmp_path / "sets")
    write_image(tmp_path / "twins" / "a.png", ITEMS[0].image)
    write_image(tmp_path / "twins" / "a.tif", ITEMS[0].image)
    with pytest.raises(SomaNetError, match="the same name"):
        open_dataset(tmp_path / "twins")


@pytest.mark.parametrize("write", [write_pairs, write_kaggle])
def test_what_cannot_be_written(tmp_path: Path, write: object) -> None:
    assert callable(write)
    odd = LabelledImage("a", ITEMS[0].image, np.zeros((X, Y), np.int32))
    for items, words in (
        ([], "found none"),
        ([item("../a")], "is not a valid file name"),
        ([item("a"), item("A")], "twice"),
        ([odd], "the labels of 'a'"),
    ):
        with pytest.raises(SomaNetError, match=words):
            write(tmp_path / "out", items)
        assert not list(tmp_path.iterdir())
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    with pytest.raises(SomaNetError, match=r"contains files other than a data set"):
        write(tmp_path / "home", ITEMS)
    write(tmp_path / "again", ITEMS)
    assert write(tmp_path / "again", ITEMS[:1]).names == ("b",)


def test_overlaps_are_recorded_and_erase_nothing() -> None:
    """Two 4 × 4 masks share 4 × 1 px, a quarter of each; the first keeps them. The third is hidden."""
    first, second, hidden, empty = (np.zeros((Y, X), np.uint8) for _ in range(4))
    first[2:6, 3:7] = 255
    second[2:6, 6:10] = 255
    hidden[3:5, 4:6] = 255
    grey = np.zeros((Y, X, 4), np.uint16)
    grey[..., 3] = 65535
    grey[10:12, 1, 0], grey[12, 1, 1] = 100, 200
    masks = compose_masks(zip("12345", (first, second, hidden, empty, grey), strict=True), (Y, X))
    assert (masks.overlap_px, masks.worst_overlap, masks.hidden, masks.empty, masks.grey) == (8, 1.0, 1, 1, 1)
    assert masks.n_objects == 3
    assert np.bincount(masks.labels.ravel())[1:].tolist() == [16, 12, 3]
    assert compose_masks([("1", first), ("2", second)], (Y, X)).worst_overlap == 0.25
    with pytest.raises(SomaNetError, match=f"found {Y} × {X}"):
        compose_masks([("1", first)], (X, Y))
