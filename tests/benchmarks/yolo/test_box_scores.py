"""Boxes on drawn worlds counted by hand, and against pycocotools on a whole data set."""

from __future__ import annotations

import contextlib
import io
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import benchmarks.yolo.__main__ as program
from benchmarks.yolo.box_scores import (
    MatchedBoxes,
    best_cut,
    boxes_of,
    match_boxes,
    on_edge,
    score_boxes,
)
from somanet.core.errors import SomaNetError

SMALL, LARGE = (2, 8), (12, 20)


def boxes(*sides: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(sides, float).reshape(-1, 4)


def scores(*values: float) -> np.ndarray:
    return np.array(values, float)


def test_boxes_of_a_drawing() -> None:
    """Ids 2, 5 and 9; 5 has two parts and one box. Columns 1 to 3 are x0 = 1, x1 = 4."""
    labels = np.array(
        [
            [0, 2, 2, 2, 0, 0, 0],
            [0, 0, 2, 0, 0, 5, 0],
            [0, 0, 0, 0, 0, 0, 0],
            [9, 0, 0, 0, 0, 0, 5],
        ]
    )
    np.testing.assert_array_equal(boxes_of(labels), boxes((1, 0, 4, 2), (5, 1, 7, 4), (0, 3, 1, 4)))
    assert boxes_of(np.zeros((3, 5), int)).shape == (0, 4)


def _random_boxes(rng: np.random.Generator, n: int, shape_YX: tuple[int, int]) -> np.ndarray:
    corners = [np.sort(rng.choice(size + 1, 2, replace=False)) for _ in range(n) for size in shape_YX[::-1]]
    return np.array(corners, float).reshape(n, 2, 2).transpose(0, 2, 1).reshape(n, 4)


def test_the_confident_box_comes_first() -> None:
    """Both predictions match the one true box, the second better; the first is more confident and gets it."""
    true = boxes((0, 0, 10, 10))
    pred = boxes((0, 0, 10, 8), (0, 0, 10, 10))
    assert match_boxes(true, pred, scores(0.9, 0.8)).partner.tolist() == [0, -1]
    assert match_boxes(true, pred, scores(0.8, 0.9)).partner.tolist() == [-1, 0]
    # Of two true boxes it takes the nearer one, and the other is left.
    both = boxes((0, 0, 10, 8), (0, 0, 10, 10))
    assert match_boxes(both, pred, scores(0.8, 0.9)).partner.tolist() == [0, 1]


def test_the_least_overlap_is_enough() -> None:
    true = boxes((0, 0, 10, 10))
    assert match_boxes(true, boxes((0, 0, 10, 5)), scores(1)).partner.tolist() == [0]
    assert match_boxes(true, boxes((0, 0, 10, 4.9)), scores(1)).partner.tolist() == [-1]
    assert match_boxes(true, boxes((0, 0, 10, 4.9)), scores(1), min_iou=0.49).partner.tolist() == [0]


def test_what_is_ignored_is_neither_right_nor_wrong() -> None:
    """True: a counted box and an ignored one. Found: the counted, the ignored, and one at the edge that is neither."""
    true = boxes((0, 0, 4, 4), (10, 0, 14, 4))
    pred = boxes((0, 0, 4, 4), (10, 0, 14, 4), (20, 0, 24, 4))
    matched = match_boxes(
        true,
        pred,
        scores(0.9, 0.8, 0.7),
        ignored_true=np.array([False, True]),
        ignored_pred=np.array([True, False, True]),
    )
    assert matched.counted.tolist() == [True, False, False]
    assert score_boxes([matched]) == pytest.approx({"precision": 1, "recall": 1, "f1": 1, "ap": 1})
    plain = score_boxes([match_boxes(true, pred, scores(0.9, 0.8, 0.7))])
    assert (plain["precision"], plain["recall"]) == (2 / 3, 1)


def test_a_counted_box_is_preferred_to_a_nearer_ignored_one() -> None:
    """Predicted like the ignored box (IoU 1), but the counted one (IoU 0.8) is near enough."""
    true = boxes((0, 0, 10, 10), (0, 0, 10, 8))
    matched = match_boxes(true, boxes((0, 0, 10, 10)), scores(1), ignored_true=np.array([True, False]))
    assert matched.partner.tolist() == [1]


def test_the_edge() -> None:
    shape = (20, 30)
    at = boxes((0.5, 5, 9, 9), (5, 5, 9, 9), (1, 1, 29, 19), (5, 5, 29.5, 9), (5, 5, 9, 20), (5, 0, 9, 9))
    assert on_edge(at, shape).tolist() == [True, False, False, True, True, True]


def test_average_precision_by_hand() -> None:
    """Right, wrong, right, of 2: precision 1 up to recall 0.5 (51 recalls), 2/3 at the other 50."""
    first, second, third = boxes((0, 0, 4, 4)), boxes((10, 0, 14, 4)), boxes((30, 0, 34, 4))
    true = np.vstack([first, second])
    pred = np.vstack([second, boxes((20, 0, 24, 4)), first])
    images = [match_boxes(true, pred, scores(0.7, 0.8, 0.9))]
    assert score_boxes(images)["ap"] == pytest.approx((51 + 50 * 2 / 3) / 101)
    # The image drawn three times counts as three images, as in a bootstrap.
    assert score_boxes(images * 3)["ap"] == pytest.approx((51 + 50 * 2 / 3) / 101)
    # With a third box that is never found, in an image of its own, a third of the recalls is lost.
    images.append(match_boxes(third, boxes(), scores()))
    assert score_boxes(images)["ap"] == pytest.approx((34 + 33 * 2 / 3) / 101)


def test_undefined_is_nan_and_nothing_found_is_0() -> None:
    nothing = match_boxes(boxes(), boxes(), scores())
    assert all(math.isnan(value) for value in score_boxes([nothing]).values())
    missed = score_boxes([match_boxes(boxes((0, 0, 4, 4)), boxes(), scores())])
    assert math.isnan(missed["precision"])
    assert (missed["recall"], missed["f1"], missed["ap"]) == (0, 0, 0)
    false = score_boxes([match_boxes(boxes(), boxes((0, 0, 4, 4)), scores(1))])
    assert (false["precision"], false["f1"]) == (0, 0)
    assert math.isnan(false["recall"])
    assert math.isnan(false["ap"])
    assert all(map(math.isnan, best_cut([[nothing]])))


def test_the_cut_changes_precision_and_recall_but_not_the_average() -> None:
    true = boxes((0, 0, 4, 4), (10, 0, 14, 4))
    pred = boxes((0, 0, 4, 4), (20, 0, 24, 4), (10, 0, 14, 4))
    image = match_boxes(true, pred, scores(0.9, 0.5, 0.2))
    at = {cut: score_boxes([image], min_score=cut) for cut in (0.0, 0.3, 0.6)}
    assert [(one["precision"], one["recall"]) for one in at.values()] == [(2 / 3, 1), (1 / 2, 1 / 2), (1, 1 / 2)]
    assert len({one["ap"] for one in at.values()}) == 1


@given(st.integers(0, 2**32 - 1))
def test_the_best_cut_is_the_best(seed: int) -> None:
    """Against trying every confidence there is, on two sets of unlike sizes, ties included."""
    rng = np.random.default_rng(seed)
    sets = [[_random_match(rng) for _ in range(n)] for n in (1, 3)]
    everywhere = sorted({value for images in sets for image in images for value in image.scores.tolist()})
    means = [
        np.mean([np.nan_to_num(score_boxes(images, min_score=cut)["f1"]) for images in sets]) for cut in everywhere
    ]
    cut, mean = best_cut(sets)
    if math.isnan(cut):
        assert not any((image.partner >= 0).any() for images in sets for image in images)
    else:
        assert mean == pytest.approx(max(means))
        assert mean == pytest.approx(
            np.mean([np.nan_to_num(score_boxes(images, min_score=cut)["f1"]) for images in sets])
        )


def _random_match(rng: np.random.Generator) -> MatchedBoxes:
    true, pred = (_random_boxes(rng, int(rng.integers(1, 6)), (6, 9)) for _ in range(2))
    return match_boxes(true, pred, rng.integers(5, size=len(pred)) / 5, min_iou=0.3)


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SomaNetError, match="a score for each"):
        match_boxes(boxes(), boxes((0, 0, 1, 1)), scores(1, 2))
    with pytest.raises(SomaNetError, match="not a number"):
        match_boxes(boxes(), boxes((0, 0, 1, 1)), scores(math.nan))


# The same by pycocotools as its users call it: all images in one data set


def _world(seed: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Images of small and large true boxes, and predictions that hit, miss, double and invent."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(6):
        corners = rng.uniform(0, 80, (int(rng.integers(12)), 2))
        sizes = np.array([rng.uniform(*(LARGE if rng.random() < 0.4 else SMALL), 2) for _ in corners]).reshape(-1, 2)
        true = np.hstack([corners, corners + sizes])
        copies = true[rng.random(len(true)) < 0.8]
        near = np.vstack([copies, copies[: len(copies) // 3]]) + rng.normal(0, 0.9, (len(copies) + len(copies) // 3, 4))
        start = rng.uniform(0, 80, (3, 2))
        pred = np.vstack([near, np.hstack([start, start + rng.uniform(3, 18, (3, 2))])])
        pred[:, 2:] = np.maximum(pred[:, 2:], pred[:, :2] + 0.5)
        images.append((true, pred, rng.permutation(len(pred)) / len(pred) + rng.random() / 1000))
    return images


def _coco_ap(images: list[tuple[np.ndarray, np.ndarray, np.ndarray]], least: float, most: float) -> float:
    """AP at IoU 0.5 by pycocotools; boxes whose area lies outside are ignored on both sides."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def rows(sides: np.ndarray) -> list[list[float]]:
        return [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in sides.tolist()]

    ground_truth: dict[str, Any] = {
        "info": {},
        "images": [{"id": n, "width": 100, "height": 100} for n in range(len(images))],
        "categories": [{"id": 1}],
        "annotations": [
            {"image_id": n, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for n, (true, _, _) in enumerate(images)
            for box in rows(true)
        ],
    }
    for number, annotation in enumerate(ground_truth["annotations"], start=1):
        annotation["id"] = number
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = ground_truth
        coco.createIndex()
        predictions = coco.loadRes(
            [
                {"image_id": n, "category_id": 1, "bbox": box, "score": score}
                for n, (_, pred, confidence) in enumerate(images)
                for box, score in zip(rows(pred), confidence.tolist(), strict=True)
            ]
        )
        evaluation = COCOeval(coco, predictions, "bbox")
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.params.maxDets = [1000]
        evaluation.params.areaRng = [[least, most]]
        evaluation.params.areaRngLbl = ["some"]
        evaluation.evaluate()
        evaluation.accumulate()
    return float(evaluation.eval["precision"].mean())


@pytest.mark.parametrize("seed", range(4))
def test_images_evaluated_one_by_one_have_the_average_precision_of_the_whole_set(seed: int) -> None:
    """COCO ignores by size: also without all boxes larger than 100 px², true ones and those that match nothing."""
    images = _world(seed)

    def large(sides: np.ndarray) -> np.ndarray:
        return (sides[:, 2:] - sides[:, :2]).prod(1) > 100

    everything = score_boxes([match_boxes(*image) for image in images])["ap"]
    small = score_boxes(
        [match_boxes(*image, ignored_true=large(image[0]), ignored_pred=large(image[1])) for image in images]
    )["ap"]
    assert everything == _coco_ap(images, 0, 1e9)
    assert small == _coco_ap(images, 0, 100)
    assert 0.2 < everything < 0.95
    assert small != pytest.approx(everything, abs=1e-6)


def test_without_pycocotools_the_benchmark_ends_before_its_first_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    output = tmp_path / "out"
    with pytest.raises(SomaNetError, match=r"need pycocotools, not found here: pip install 'somanet\[dev\]'"):
        program.run(program.parse(["--output", str(output), "--budget-s", "1"]))
    assert not output.exists()
