"""`evaluate` and `compare`: the scores of known predictions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from somanet.io.datasets.writers import write_kaggle, write_pairs
from somanet.io.images import read_image, write_labels
from tests.markdown_tables import unpadded
from tests.worlds import draw, scene, somanet

KEYS = {
    *("iou", "precision", "recall", "f1", "accuracy", "ap", "mean_ap", "size_bias", "n_images"),
}
INSIDE = """
    ..........
    .aa....b..
    .aa....b..
    ..........
    ..........
"""
NO_B = INSIDE.replace("b", ".")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The ground truth in three layouts, and predictions of it."""
    items = [scene("one", INSIDE), scene("two", INSIDE)]
    write_kaggle(tmp_path / "kaggle", items)
    write_kaggle(tmp_path / "kaggle.zip", items)
    write_pairs(tmp_path / "pairs", items)
    shutil.copytree(tmp_path / "pairs" / "labels", tmp_path / "label_images")
    for item in items:
        write_labels(tmp_path / "perfect" / f"{item.name}.tif", item.labels * 5)
        write_labels(tmp_path / "lacking" / f"{item.name}.tif", draw(NO_B))
    return tmp_path


def evaluate(folder: Path, *arguments: object) -> dict:
    assert somanet("evaluate", *arguments, "--output", "metrics.json", cwd=folder) is None
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("ground_truth", ["kaggle", "kaggle.zip", "pairs", "label_images"])
def test_perfect_predictions_score_1(folder: Path, ground_truth: str) -> None:
    metrics = evaluate(folder, "--predictions", "perfect", "--truth", ground_truth)
    assert set(metrics) >= KEYS
    assert metrics["n_images"] == 2
    assert set(metrics["ap"]) >= {"0.5", "0.7", "0.9"}
    scores = [metrics[k] for k in ("iou", "precision", "recall", "f1", "accuracy", "mean_ap", "size_bias")]
    assert scores == [1.0] * 7
    assert set(metrics["ap"].values()) == {1.0}


def test_a_missed_soma(folder: Path) -> None:
    """Of 4 + 2 squares the 4 are found: IoU 4/6. Of 2 somas 1: precision 1, recall and accuracy 1/2, F1 2/3."""
    metrics = evaluate(folder, "--predictions", "lacking", "--truth", "kaggle", "--per-image", "rows.csv")
    expected = {"iou": 4 / 6, "precision": 1, "recall": 0.5, "f1": 2 / 3, "accuracy": 0.5, "size_bias": 1}
    assert {key: metrics[key] for key in expected} == pytest.approx(expected)
    assert metrics["interval95"]["recall"] == [0.5, 0.5]
    rows = pd.read_csv(folder / "rows.csv")
    assert rows["name"].tolist() == ["one", "two"]
    assert rows["recall"].tolist() == [0.5, 0.5]


def test_a_network_can_be_evaluated_directly(folder: Path, bright: Path) -> None:
    metrics = evaluate(folder, "--model", bright, "--truth", "kaggle.zip", "--panels", "panels.png", "--ignore-edge")
    assert metrics["iou"] == metrics["accuracy"] == 1.0
    assert metrics["everything"]["n_images"] == 2
    assert read_image(folder / "panels.png").shape[2] in (3, 4)


def test_compare_writes_a_table_a_picture_and_numbers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("perfect", "lacking"):
        evaluate(folder, "--predictions", name, "--truth", "pairs")
        (folder / "metrics.json").rename(folder / f"{name}.json")
    capsys.readouterr()
    assert somanet("compare", "perfect.json", "lacking.json", "--output", "side", cwd=folder) is None
    written = json.loads((folder / "side" / "comparison.json").read_text(encoding="utf-8"))
    assert {name: row["recall"] for name, row in written.items()} == {"perfect": 1.0, "lacking": 0.5}
    shown = capsys.readouterr().out
    assert (folder / "side" / "comparison.md").read_text(encoding="utf-8") in shown
    assert "| lacking |" in unpadded(shown)
    assert read_image(folder / "side" / "comparison.png").ndim == 3


@pytest.mark.parametrize(
    "command",
    [("evaluate", "--truth", "pairs", "--predictions", "lacking"), ("label", "agreement", "pairs", "lacking")],
)
def test_of_two_outputs_none_is_written_if_one_is_refused(folder: Path, command: tuple[str, ...]) -> None:
    """Without a suffix an output might be a folder: what is there is looked at by the command, before its work."""
    (folder / "mine").write_text("years of work")
    before = sorted(path.name for path in folder.iterdir())
    for output, table, words in (
        ("new.json", "mine", "mine was not written by SomaNet"),
        ("new.csv", "new.csv", "named for two outputs"),
    ):
        error = somanet(*command, "--output", output, "--per-image", table, cwd=folder)
        assert error is not None
        assert words in error
    assert sorted(path.name for path in folder.iterdir()) == before
    assert (folder / "mine").read_text() == "years of work"
