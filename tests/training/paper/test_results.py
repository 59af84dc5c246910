"""Results read from the reports of stages, and the message when one is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.core.files import write_json
from somanet.io.tables import write_table
from somanet.training.loop.settings import TrainSettings
from somanet.training.paper.results import read_result, threshold_network
from somanet.training.paper.settings import StudyRow, ThresholdSettings
from tests.training.comparison.worlds import image_table, metrics
from tests.training.paper.worlds import history
from tests.worlds import scene

ROW = StudyRow(variant="a", what="retrained")


def write_reports(reports: Path) -> None:
    write_json(reports / "evaluate/a/metrics.json", metrics(0.5, n_seeds=2))
    write_table(reports / "evaluate/a/per_image.csv", image_table([0.5] * 5))
    training = {
        "trainable_parameters": 7,
        "weights_sha256": {"0": "a" * 64},
        "train_images_iou": {"0": 0.6, "1": 0.8},
    }
    write_json(reports / "finetune/a/training.json", training)
    write_table(reports / "finetune/a/history.csv", history({0: [1.0, 0.5], 1: [1.0, 0.1]}))


def test_a_variants_result_is_the_mean_over_its_seeds(tmp_path: Path) -> None:
    write_reports(tmp_path)
    settings = TrainSettings(learning_rate=0.5)
    result = read_result(ROW, tmp_path, settings={"a": settings})
    assert result.last_loss == pytest.approx(0.3)
    assert result.train_iou == pytest.approx(0.7)
    assert result.training is settings
    assert result.network.cost.trainable_parameters == 7
    assert result.network.weights == {0: "a" * 64}


def test_reports_of_an_older_stage_are_refused(tmp_path: Path) -> None:
    write_reports(tmp_path)
    write_json(tmp_path / "finetune/a/training.json", {"trainable_parameters": 7})
    with pytest.raises(SomaNetError, match="lacks train_images_iou: it was written by an older stage"):
        read_result(ROW, tmp_path, settings={"a": TrainSettings()})


def test_a_missing_report_names_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match=r"evaluate/a not found; expected scores .*Has the stage that writes it run"):
        read_result(ROW, tmp_path, settings={})


def test_the_threshold_is_scored_like_a_network() -> None:
    """Only the drawn somas are bright: every score is 1. A threshold above them finds nothing: IoU 0."""
    items = [scene("a"), scene("b")]
    right, nothing = (
        threshold_network(items, ThresholdSettings(threshold=t, opening_radius_px=0), (0.5,)) for t in (200, 256)
    )
    assert (right.metrics["iou"], right.metrics["accuracy"]) == (1.0, 1.0)
    assert right.per_image is not None
    assert right.per_image["name"].tolist() == ["a", "b"]
    assert nothing.metrics["iou"] == 0.0
    assert np.isnan(nothing.metrics["precision"])
