"""Commands that read labels say what is wrong with them, and take masks once that is confirmed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.io.datasets.writers import write_kaggle, write_pairs
from somanet.io.images import write_image, write_labels
from tests.worlds import TWO_SOMAS, draw, photograph, scene, somanet

LABELS = draw(TWO_SOMAS)
MASK = np.where(LABELS > 0, 255, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images with their labels, and the same as masks."""
    write_kaggle(tmp_path / "labels.zip", [scene("a"), scene("b")])
    for number, name in enumerate("ab"):
        (tmp_path / "masks").mkdir(exist_ok=True)
        write_image(tmp_path / "masks" / f"{name}.png", photograph(LABELS) + np.uint8(number))
        write_labels(tmp_path / "masks" / f"{name}_mask.tif", MASK)
        write_labels(tmp_path / "truth" / f"{name}_mask.tif", MASK)
        write_labels(tmp_path / "out" / f"{name}.tif", LABELS * 3)
        write_labels(tmp_path / "mask_out" / f"{name}_cp_masks.tif", MASK)
    return tmp_path


def scores(folder: Path, *arguments: object) -> tuple[str | None, list[float] | None]:
    error = somanet("evaluate", *arguments, "--output", "metrics.json", cwd=folder)
    if error is not None:
        assert not (folder / "metrics.json").exists()
        return error, None
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    (folder / "metrics.json").unlink()
    return None, [metrics[name] for name in ("iou", "precision", "recall", "mean_ap")]


@pytest.mark.parametrize(
    ("truth", "predictions"),
    [("labels.zip", "mask_out"), ("masks", "out"), ("truth", "out"), ("truth", "mask_out")],
)
def test_masks_are_scored_as_their_pieces_or_not_at_all(folder: Path, truth: str, predictions: str) -> None:
    """As one object each, perfect masks of two somas would have a precision of 0."""
    error, _ = scores(folder, "--truth", truth, "--predictions", predictions)
    assert error is not None
    assert "2 separate pieces" in error
    assert "--binary" in error
    assert scores(folder, "--truth", truth, "--predictions", predictions, "--binary") == (None, [1.0] * 4)


def test_the_class_that_the_message_names_is_scored_alone(folder: Path) -> None:
    """COCO with the left soma as soma and the right one as debris; the prediction has both, with the ids times 3."""
    outlines = []
    for number, kind in ((1, 1), (2, 2)):
        y, x = np.nonzero(number == LABELS)
        box = [x.min(), y.min(), x.max() + 1, y.min(), x.max() + 1, y.max() + 1, x.min(), y.max() + 1]
        outlines.append({"image_id": 1, "category_id": kind, "segmentation": [[int(value) for value in box]]})
    height, width = LABELS.shape
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": height, "width": width}],
        "annotations": outlines,
        "categories": [{"id": 1, "name": "soma"}, {"id": 2, "name": "debris"}],
    }
    write_image(folder / "coco" / "a.png", photograph(LABELS))
    (folder / "coco" / "x.json").write_text(json.dumps(content))
    arguments = ("--truth", "coco", "--predictions", "out")
    error, _ = scores(folder, *arguments)
    assert error is not None
    assert "1 'soma', 1 'debris'" in error
    advice = error.split("such as ")[1].split(";")[0].split()
    assert advice == ["--class", "soma"]
    error, found = scores(folder, *arguments, *advice)
    assert error is None
    assert found is not None
    assert found[1:3] == [0.5, 1.0]
    error = somanet("data", "check", "coco", cwd=folder)
    assert error is not None
    assert "1 of 1 were rejected" in error
    assert somanet("data", "check", "coco", "--output", "manifest.csv", *advice, cwd=folder) is None
    assert pd.read_csv(folder / "manifest.csv")["n_objects"].tolist() == [1]
    assert somanet("data", "select", "coco", "--count", 1, "--output", "chosen", *advice, cwd=folder) is None
    assert scores(folder, "--truth", "chosen", "--predictions", "out")[1] == found


def test_a_network_is_scored_against_masks(folder: Path, bright: Path) -> None:
    error, _ = scores(folder, "--truth", "masks", "--model", bright)
    assert error is not None
    assert "--binary" in error
    assert scores(folder, "--truth", "masks", "--model", bright, "--binary") == (None, [1.0] * 4)


def test_a_prediction_of_the_background_is_scored_with_a_note(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        write_labels(folder / "out" / f"{name}.tif", LABELS + 1)
    error, found = scores(folder, "--truth", "labels.zip", "--predictions", "out")
    assert error is None
    assert found is not None
    assert found[0] < 1
    assert "note: out: 2 of 2 label images look wrong, such as a: out/a.tif: expected 0" in capsys.readouterr().err


def test_label_images_that_somanet_wrote_are_taken_as_they_are(folder: Path) -> None:
    (folder / "mask_out" / "predictions.json").write_text("{}")
    assert scores(folder, "--truth", "labels.zip", "--predictions", "mask_out")[0] is None


def test_data_check_names_each_mask_and_counts_its_pieces_when_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = somanet("data", "check", "masks", cwd=folder)
    assert error is not None
    assert "2 of 2 were rejected" in error
    assert "rejected, mask in pieces: 2" in capsys.readouterr().out
    assert somanet("data", "check", "masks", "--binary", "--output", "m.csv", cwd=folder) is None
    assert pd.read_csv(folder / "m.csv")["n_objects"].tolist() == [2, 2]
    assert somanet("data", "check", "masks", "--no-binary", "--output", "m.csv", cwd=folder) is None
    assert pd.read_csv(folder / "m.csv")["n_objects"].tolist() == [1, 1]


def test_selected_and_yolo_images_keep_the_pieces(folder: Path) -> None:
    assert "none of 1 images can be packed" in str(
        somanet("data", "select", "masks", "--output", "s", "--count", 1, cwd=folder)
    )
    assert somanet("data", "select", "masks", "--output", "s", "--count", 2, "--binary", cwd=folder) is None
    assert somanet("data", "check", "s", "--output", "m.csv", cwd=folder) is None
    assert pd.read_csv(folder / "m.csv")["n_objects"].tolist() == [2, 2]
    (folder / "split.csv").write_text("image_id,split\na,train\nb,val\n")
    options = ("--output", "y", "--split", "split.csv")
    assert "--binary" in str(somanet("data", "yolo", "masks", *options, cwd=folder))
    assert somanet("data", "yolo", "masks", *options, "--binary", cwd=folder) is None
    [boxes] = (folder / "y" / "labels" / "train").iterdir()
    assert len(boxes.read_text().splitlines()) == 2


@pytest.mark.parametrize("command", ["train masks", "calibrate masks --model {bright}"])
def test_masks_are_no_training_data_until_they_are_confirmed(folder: Path, bright: Path, command: str) -> None:
    error = somanet(*command.format(bright=bright).split(), "--output", "new", cwd=folder)
    assert error is not None
    assert "--binary" in error
    assert not (folder / "new").exists()


def test_a_doubt_is_a_note_and_no_error(tmp_path: Path, bright: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = draw(TWO_SOMAS.replace("b", "a") + "    ..cc........")
    write_pairs(tmp_path / "set", [scene("b")])
    write_image(tmp_path / "set" / "images" / "a.png", photograph(shared))
    write_labels(tmp_path / "set" / "labels" / "a.tif", shared)
    told = "1 of 2 label images look wrong, such as a: the id 1 is in 2 separate pieces; do several objects share it?"
    assert somanet("evaluate", "--truth", "set", "--model", bright, "--output", "m.json", cwd=tmp_path) is None
    assert f"note: {told}" in capsys.readouterr().err
    somanet("calibrate", "set", "--model", bright, "--output", "new", cwd=tmp_path)  # it has nothing to calibrate
    assert f"note: {told}" in capsys.readouterr().err
    assert somanet("data", "check", "set", cwd=tmp_path) is None
    assert "the id 1 is in 2 separate pieces" in capsys.readouterr().out


def test_the_masks_beside_images_are_not_segmented(folder: Path, bright: Path) -> None:
    """Nor is an image left out that has no mask."""
    write_image(folder / "masks" / "new.png", photograph(LABELS))
    assert somanet("predict", "masks", "--model", bright, "--output", "found", cwd=folder) is None
    assert sorted(path.name for path in (folder / "found").glob("*.tif")) == ["a.tif", "b.tif", "new.tif"]
