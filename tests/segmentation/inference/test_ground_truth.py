"""Pairs of ground-truth and predicted label images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.datasets.writers import write_kaggle
from somanet.io.images import write_labels
from somanet.segmentation.inference.ground_truth import read_ground_truth, read_predictions
from tests.worlds import TWO_SOMAS, draw, scene


def test_ground_truth_and_predictions_are_paired_by_name(tmp_path: Path) -> None:
    labels = draw(TWO_SOMAS)
    for name in ("x", "y", "not_asked_for"):
        write_labels(tmp_path / "out" / f"{name}.tif", labels * 3)
    write_kaggle(tmp_path / "truth.zip", [scene("y"), scene("x")])
    truth = read_ground_truth(tmp_path / "truth.zip")
    predicted = read_predictions(tmp_path / "out", truth)
    assert set(truth) == set(predicted) == {"x", "y"}
    assert np.array_equal(truth["x"].labels, labels)
    assert np.array_equal(predicted["x"].labels, labels * 3)


def test_an_empty_image_of_a_kaggle_set_is_ground_truth_too(tmp_path: Path) -> None:
    empty = LabelledImage("dark", np.full((64, 96), 20, np.uint8), np.zeros((64, 96), np.int32))
    write_kaggle(tmp_path / "set.zip", [scene("a"), empty])
    ground_truth = read_ground_truth(tmp_path / "set.zip")
    assert {name: int(one.labels.max()) for name, one in ground_truth.items()} == {"a": 2, "dark": 0}


def test_a_ground_truth_with_a_broken_image_is_refused(tmp_path: Path) -> None:
    """If it were left out silently, the scores would cover fewer images than the user expects."""
    write_kaggle(tmp_path / "set", [scene("a"), scene("b")])
    (tmp_path / "set" / "b" / "images" / "b.png").unlink()
    with pytest.raises(SomaNetError, match="1 image cannot be scored, such as 'b'"):
        read_ground_truth(tmp_path / "set")
