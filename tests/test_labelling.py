"""What counts as an input, what counts as the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from somanet.data.layouts import LabelledImage, write_kaggle, write_pairs
from somanet.errors import SomaNetError
from somanet.io.images import write_image, write_labels
from somanet.labelling import find_inputs, pair_predictions, predict_files, read_truth
from somanet.segmentation.checkpoint import load_checkpoint
from tests.worlds import TWO_SOMAS, draw, photograph, save_bright_network, scene

IMAGE = photograph(draw(TWO_SOMAS))


def write_tiff_movie(path: Path, n_frames: int) -> None:
    tifffile.imwrite(path, np.stack([IMAGE] * n_frames), photometric="minisblack", metadata={"axes": "TYX"})


def kinds(*paths: Path) -> dict[str, str]:
    return {item.name: "movie" if item.read is None else "image" for item in find_inputs(paths)}


def test_images_and_movies_are_told_apart_by_their_frames(tmp_path: Path) -> None:
    write_tiff_movie(tmp_path / "three.tif", 3)
    write_image(tmp_path / "one.tif", IMAGE)
    write_image(tmp_path / "rgb.tif", np.stack([IMAGE] * 3, axis=-1))
    write_image(tmp_path / "still.png", IMAGE)
    (tmp_path / "video.mp4").touch()  # opened later, frame by frame
    (tmp_path / "array.zarr").mkdir()
    expected = {
        "one": "image", "rgb": "image", "still": "image", "three": "movie", "video": "movie", "array": "movie",
    }  # fmt: skip
    assert kinds(*sorted(tmp_path.iterdir())) == expected
    assert kinds(tmp_path) == expected


def test_a_folder_of_stills_is_a_data_set(tmp_path: Path) -> None:
    write_image(tmp_path / "b.png", IMAGE)
    write_image(tmp_path / "a.tif", IMAGE)
    (tmp_path / ".hidden.tif").write_bytes(b"II*\0")
    assert list(kinds(tmp_path)) == ["a", "b"]


def test_label_images_beside_their_images_are_no_inputs(tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", IMAGE)
    write_labels(tmp_path / "a_labels.tif", draw(TWO_SOMAS))
    write_pairs(tmp_path / "pairs", [scene("b")])
    assert list(kinds(tmp_path / "pairs")) == ["b"]
    (tmp_path / "flat").mkdir()
    for name in ("a.tif", "a_labels.tif"):
        (tmp_path / name).rename(tmp_path / "flat" / name)
    assert list(kinds(tmp_path / "flat")) == ["a"]


def test_names_that_collide_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    write_kaggle(tmp_path / "one.zip", [scene("a")])
    write_pairs(tmp_path / "two", [scene("a")])
    with pytest.raises(SomaNetError, match=r"Two inputs are called 'a': .*one.zip and .*two"):
        find_inputs([tmp_path / "one.zip", tmp_path / "two"])


def test_labels_come_one_by_one(tmp_path: Path) -> None:
    """A caller that stops early has what was labelled so far, and no list that claims more."""
    write_kaggle(tmp_path / "set.zip", [scene("a"), scene("b")])
    checkpoint = load_checkpoint(save_bright_network(tmp_path / "model"))
    steps = predict_files(checkpoint, find_inputs([tmp_path / "set.zip"]), tmp_path / "out")
    item, n_objects = next(steps)
    assert (item.name, n_objects) == ("a", 2)
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["a.tif"]
    assert [item.name for item, _ in steps] == ["b"]
    assert (tmp_path / "out" / "predictions.json").is_file()


def test_truth_and_predictions_are_paired_by_name(tmp_path: Path) -> None:
    labels = draw(TWO_SOMAS)
    for name in ("x", "y", "not_asked_for"):
        write_labels(tmp_path / "out" / f"{name}.tif", labels * 3)
    write_kaggle(tmp_path / "truth.zip", [scene("y"), scene("x")])
    pairs = {name: (true, pred) for name, true, pred in pair_predictions(
        tmp_path / "out", read_truth(tmp_path / "truth.zip"))}  # fmt: skip
    assert set(pairs) == {"x", "y"}
    true, pred = pairs["x"]
    assert np.array_equal(true, labels)
    assert np.array_equal(pred, labels * 3)


def test_an_empty_image_of_a_kaggle_set_is_a_truth_too(tmp_path: Path) -> None:
    empty = LabelledImage("dark", np.full((64, 96), 20, np.uint8), np.zeros((64, 96), np.int32))
    write_kaggle(tmp_path / "set.zip", [scene("a"), empty])
    truth = read_truth(tmp_path / "set.zip")
    assert {name: int(labels.max()) for name, labels in truth.items()} == {"a": 2, "dark": 0}


def test_a_truth_with_a_broken_image_is_refused(tmp_path: Path) -> None:
    """Left out silently, the scores would be of fewer images than the person thinks."""
    write_kaggle(tmp_path / "set", [scene("a"), scene("b")])
    (tmp_path / "set" / "b" / "images" / "b.png").unlink()
    with pytest.raises(SomaNetError, match="1 images cannot be scored, such as 'b'"):
        read_truth(tmp_path / "set")
