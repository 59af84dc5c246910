"""Scores of objects during a training are those of an evaluation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from somanet.evaluation.masks import score_image
from somanet.evaluation.scores import score_dataset
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.inference.instances import probabilities_to_labels
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.experiments.objects import ValidationObjects, object_counts

SPEC = ModelSpec()


def drawn(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (24, 31)) -> np.ndarray:
    """Label images of boxes (first row, end, first column, end), numbered from 3 with gaps."""
    labels = np.zeros(shape, np.int32)
    for number, (top, bottom, left, right) in enumerate(boxes):
        labels[top:bottom, left:right] = 3 + 2 * number
    return labels


def random_boxes(rng: np.random.Generator, n: int) -> np.ndarray:
    corners = rng.integers(0, (20, 27), (n, 2))
    sizes = rng.integers(1, 8, (n, 2))
    return drawn(*((y, y + h, x, x + w) for (y, x), (h, w) in zip(corners, sizes, strict=True)))


@pytest.mark.parametrize("seed", range(40))
def test_counts_are_those_of_an_evaluation(seed: int) -> None:
    """Random overlapping boxes, some of them moved by a pixel in the prediction, some missing, some added."""
    rng = np.random.default_rng(seed)
    true = random_boxes(rng, int(rng.integers(0, 9)))
    pred = np.where(rng.random() < 0.7, np.roll(true, 1, axis=1), random_boxes(rng, 12)).astype(np.int32)
    row = score_image(true, pred, thresholds=(0.5,))
    assert object_counts(true, pred).tolist() == [row["tp_0.5"], row["fp_0.5"], row["fn_0.5"]]


def test_one_object_that_is_half_of_two() -> None:
    """IoU of exactly 0.5 with both halves: one is found, one is missed, none is false."""
    assert object_counts(drawn((4, 8, 3, 7), (4, 8, 7, 11)), drawn((4, 8, 3, 11))).tolist() == [1, 0, 1]


def test_scores_of_several_images_are_those_of_a_data_set() -> None:
    """Found and missed objects, a false one, and an image without any; only counts are kept."""
    truths = [drawn((2, 9, 3, 12), (14, 20, 5, 13)), drawn((1, 8, 1, 9)), drawn()]
    predicted = [drawn((2, 9, 3, 12)), drawn((1, 8, 2, 10), (12, 20, 12, 25)), drawn()]
    items = [LabelledImage(str(number), np.zeros(true.shape, np.uint8), true) for number, true in enumerate(truths)]
    objects, pairs = ValidationObjects(SPEC), []
    for item, labels in zip(items, predicted, strict=True):
        probabilities = np.where(labels > 0, 0.9, 0.1).astype(np.float32)[None]
        objects.add(item, probabilities)
        pairs.append((item.name, item.labels, probabilities_to_labels(probabilities, SPEC.outputs, SPEC.instances)))
    expected = score_dataset(pairs, intervals=False).values
    assert objects.scores() == {name: expected[name] for name in ("iou", "precision", "accuracy")}
    assert objects.scores()["precision"] == 2 / 3


def test_without_any_prediction_precision_is_undefined() -> None:
    item = LabelledImage("a", np.zeros((24, 31), np.uint8), drawn((2, 9, 3, 12)))
    objects = ValidationObjects(SPEC)
    objects.add(item, np.zeros((1, 24, 31), np.float32))
    scores = objects.scores()
    assert math.isnan(scores["precision"])
    assert (scores["iou"], scores["accuracy"]) == (0, 0)


def test_thousands_of_specks_cost_little_memory() -> None:
    """A large image with 400 somas and 245,760 specks: all pairs together would be 98 million."""
    import tracemalloc

    true = np.zeros((960, 1024), np.int32)
    true[::48, ::52] = np.arange(1, 401).reshape(20, 20)
    specks = np.zeros_like(true)
    specks[::2, ::2] = np.arange(1, 480 * 512 + 1).reshape(480, 512)
    tracemalloc.start()
    counts = object_counts(true, specks)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counts.tolist() == [400, 480 * 512 - 400, 0]
    assert peak < 200e6
