"""The manifest: each defect is found once, by name, and the rest of the data set is still used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from somanet.core.calibration import FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.hashing import sha256_file
from somanet.core.schema import MANIFEST, MOVIE_MANIFEST
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.manifest import check_dataset, describe_manifest, pack_dataset
from somanet.io.datasets.movie_manifest import check_movie, check_movies
from somanet.io.datasets.splits import read_split
from somanet.io.datasets.writers import write_kaggle, write_pairs
from somanet.io.images import write_image
from somanet.io.movies import write_movie

Y, X = 19, 31


def item(name: str, n_objects: int = 2) -> LabelledImage:
    rng = np.random.default_rng(sum(map(ord, name)))
    labels = np.zeros((Y, X), np.int32)
    for label in range(1, n_objects + 1):
        labels[5:8, 5 * label : 5 * label + 4] = label
    return LabelledImage(name, rng.integers(0, 255, (Y, X, 3), dtype=np.uint8), labels)


@pytest.fixture
def flawed(tmp_path: Path) -> Path:
    """Eleven images, each but `fine`, `slight` and `bare` with one fatal defect, named by it."""
    names = [
        "fine",
        "truncated",
        "constant",
        "twin_of_fine",
        "shape",
        "overlap",
        "slight",
        "maskcut",
        "bare",
        "noimage",
        "text",
    ]
    root = tmp_path / "flawed"
    write_kaggle(root, [item(name, 0 if name == "bare" else 2) for name in names])

    def image(name: str) -> Path:
        return root / name / "images" / f"{name}.png"

    image("truncated").write_bytes(image("truncated").read_bytes()[:-40])
    write_image(image("constant"), np.full((Y, X, 3), 7, np.uint8))
    image("twin_of_fine").write_bytes(image("fine").read_bytes())
    write_image(root / "shape" / "masks" / "soma_02.png", np.full((X, Y), 255, np.uint8))
    mask = np.zeros((Y, X), np.uint8)
    mask[5:8, 7:12] = 255
    write_image(root / "overlap" / "masks" / "soma_03.png", mask)  # 2 of 5 columns on object 1
    mask = np.zeros((Y, X), np.uint8)
    mask[7:15, 8:15] = 255
    mask[7, 9:15] = 0
    write_image(root / "slight" / "masks" / "soma_03.png", mask)  # 1 px on object 1, which has 12
    cut = root / "maskcut" / "masks" / "soma_01.png"
    cut.write_bytes(cut.read_bytes()[:-6])
    image("noimage").unlink()
    image("text").write_text("not a picture")
    return root


def test_each_defect_is_found(flawed: Path) -> None:
    manifest = check_dataset(flawed, overlap_tolerance=0.1)
    assert tuple(manifest.columns) == MANIFEST.names
    assert manifest["name"].is_monotonic_increasing
    assert len(manifest) == 11
    rows = manifest.set_index("name")
    rejected = rows[rows["status"] == "rejected"]["reason"].to_dict()
    assert rejected == {
        "truncated": "truncated",
        "constant": "empty image",
        "twin_of_fine": "duplicate",
        "shape": "mask wrong shape",
        "overlap": "overlapping masks",
        "maskcut": "mask truncated",
        "noimage": "broken layout",
        "text": "not an image",
    }
    assert "fine" in rows.loc["twin_of_fine", "note"]
    fine = rows.loc["fine"]
    assert fine[["height_px", "width_px", "channels", "dtype", "n_objects"]].tolist() == [Y, X, 3, "uint8", 2]
    assert fine["sha256"] == sha256_file(flawed / fine["path"])
    assert rows.loc["slight", "note"] == "1 px in two masks, at worst 8.3% of the smaller"
    assert rows.loc["bare", "note"] == "no objects"
    assert rows.loc["bare", "n_objects"] == 0
    words = describe_manifest(manifest)
    assert "3 of 11 accepted, with 5 objects" in words
    assert "rejected, duplicate: 1 (twin_of_fine)" in words


def test_the_parameters_decide(flawed: Path) -> None:
    strict = check_dataset(flawed, overlap_tolerance=0.05, require_objects=True).set_index("name")
    assert strict.loc[["slight", "bare"], "reason"].tolist() == ["overlapping masks", "no objects"]


def test_pack_keeps_what_is_accepted(flawed: Path, tmp_path: Path) -> None:
    manifest = pack_dataset(flawed, tmp_path / "packed", overlap_tolerance=0.1)
    assert len(manifest) == 11
    packed = open_dataset(tmp_path / "packed")
    assert (packed.layout, packed.names) == ("pairs", ("bare", "fine", "slight"))
    np.testing.assert_array_equal(packed.load("fine").labels, item("fine").labels)
    np.testing.assert_array_equal(packed.load("fine").image, item("fine").image)
    some = pack_dataset(flawed, tmp_path / "some", names=["fine", "noimage"])
    assert some["status"].tolist() == ["accepted", "rejected"]


def test_pack_refuses(flawed: Path, tmp_path: Path) -> None:
    for names, destination, words in (
        (["zebra"], tmp_path / "p", "'zebra'"),
        (["text"], tmp_path / "p", "none of 1 images"),
        (None, flawed, "lies in the other"),
        (None, flawed / "inside", "lies in the other"),
        (None, tmp_path, "lies in the other"),
    ):
        with pytest.raises(SomaNetError, match=words):
            pack_dataset(flawed, destination, names=names)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["flawed"]


def test_unlabelled_images_scale_and_nan(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name, bad in (("a", False), ("b", True)):
        image = rng.normal(size=(Y, X)).astype(np.float32)
        image[3, 4] = np.nan if bad else 0
        tifffile.imwrite(tmp_path / f"{name}.tif", image, imagej=True, resolution=(2, 2), metadata={"unit": "um"})
    rows = check_dataset(tmp_path).set_index("name")
    assert rows.loc["a", ["status", "note", "pixel_size_um"]].tolist() == ["accepted", "no labels", 0.5]
    assert rows.loc["b", "reason"] == "not finite"
    assert rows["n_objects"].isna().all()


def test_a_pair_without_its_half_is_rejected(tmp_path: Path) -> None:
    write_pairs(tmp_path / "p", [item("a"), item("b"), item("c")])
    (tmp_path / "p" / "labels" / "a.tif").unlink()
    (tmp_path / "p" / "images" / "b.png").unlink()
    rows = check_dataset(tmp_path / "p")
    assert rows["reason"].tolist() == ["broken layout", "broken layout", ""]
    with pytest.raises(SomaNetError, match="no label image"):
        open_dataset(tmp_path / "p").load("a")


def test_movies(tmp_path: Path) -> None:
    frames = np.random.default_rng(2).integers(0, 999, (5, Y, X), dtype=np.uint16)
    stalled = frames.copy()
    stalled[3], stalled[4] = stalled[2], 7
    for name, movie in (
        ("a", frames),
        ("b", frames),
        ("c", stalled),
        ("d", np.zeros_like(frames)),
        ("e", frames),
    ):
        write_movie(tmp_path / f"{name}.tif", movie, FileCalibration(0.65, None))
    data = (tmp_path / "e.tif").read_bytes()
    (tmp_path / "e.tif").write_bytes(data[: len(data) // 2])
    rows = check_movies(tmp_path)
    assert tuple(rows.columns) == MOVIE_MANIFEST.names
    assert rows["reason"].tolist() == ["", "duplicate", "", "empty movie", "truncated"]
    lacks = "its metadata lack the scale, so `somanet analyze` needs --frame-interval-min"
    assert rows["note"][2] == f"{lacks}; 1 blank frame; 1 frame equal to the one before"
    first = rows.iloc[0]
    assert first[["n_frames", "n_channels", "n_planes", "height_px", "width_px", "pixel_size_um"]].tolist() == [
        5, 1, 1, Y, X, 0.65,
    ]  # fmt: skip
    assert np.isnan(first["frame_interval_min"])
    assert check_movie(tmp_path / "a.tif")["status"] == "accepted"
    assert "2 of 5 accepted" in describe_manifest(rows)
    for path, words in ((tmp_path / "none", "no such"), (tmp_path / "empty", "found none")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(SomaNetError, match=words):
            check_movies(path)


@pytest.mark.real
@pytest.mark.slow
def test_the_real_nuclei(data_root: Path) -> None:
    manifest = check_dataset(data_root / "dsb2018" / "stage1_train.zip")
    assert (manifest["status"] == "accepted").sum() == 591
    assert manifest["n_objects"].sum() == 25_545


@pytest.mark.real
def test_the_real_splits_and_somas(data_root: Path) -> None:
    dataset = open_dataset(data_root / "dsb2018" / "stage1_train.zip")
    split = read_split(data_root / "dsb2018" / "split.csv", names=dataset.names)
    assert {part: len(names) for part, names in split.items()} == {"train": 462, "val": 67, "test": 62}
    for part, n_images, n_somas in (("train", 32, 100), ("val", 5, 29)):
        manifest = check_dataset(data_root / "soma" / part)
        assert (manifest["status"] == "accepted").tolist() == [True] * n_images
        assert manifest["n_objects"].sum() == n_somas
