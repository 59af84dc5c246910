"""Segmentation scores on drawn worlds with results counted by hand, and against brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from somanet.core.errors import SomaNetError
from somanet.evaluation.masks import (
    THRESHOLDS,
    interior,
    object_scores,
    on_edge,
    overlap,
    pool,
    ratio,
    score_image,
    size_ratios,
)

WORLDS = hnp.arrays(np.int32, (5, 7), elements=st.sampled_from([0, 0, 0, 1, 2, 4, 9]))


def drawn(picture: str) -> np.ndarray:
    """A label image as drawn: one digit per pixel, dots for background."""
    rows = [line.strip().replace(".", "0") for line in picture.split()]
    return np.array([[int(c) for c in row] for row in rows], np.int32)


def pixel_sets(labels: np.ndarray) -> dict[int, set[tuple[int, int]]]:
    """Objects as sets of pixels: the independent implementation."""
    sets: dict[int, set[tuple[int, int]]] = {}
    for y, x in itertools.product(*map(range, labels.shape)):
        if labels[y, x]:
            sets.setdefault(int(labels[y, x]), set()).add((y, x))
    return dict(sorted(sets.items()))


# A world with one error of every kind

TRUE = drawn(
    """
    ..............
    .1111..2222...
    .1111..2222...
    .1111..2222...
    ..............
    .333.444......
    .333.444......
    ..............
    .555555..66...
    .555555..66...
    ..............
    """
)
PRED = drawn(
    """
    ..............
    .1111..222....
    .1111..222....
    .1111.........
    ............9.
    .3333333......
    .3333333......
    ..............
    .777888.......
    .777888.......
    ..............
    """
)


def test_a_world_with_every_error() -> None:
    """1 is hit (IoU 1); 2 in half (6/12); 3 and 4 are merged (6/14 each); 5 is split (6/12 by one half); 6 is missed.

    Six true, six predicted. At 0.5 the hits are 1, 2 and one half of 5; the others are the merge, a half and the
    speck 9. At 0.6 only 1 is hit. Areas 12 12 6 6 12 4, median 9: of the false ones the speck (1 px) and the half
    (6 px) are smaller. Foreground: shared 12 + 6 + 12 + 12 = 42; true 52, predicted 12 + 6 + 1 + 14 + 12 = 45.
    """
    row = score_image(TRUE, PRED, thresholds=(0.5, 0.6), noise_area_px=9)
    assert row == {
        "iou": 42 / (52 + 45 - 42),
        "n_true": 6,
        "n_pred": 6,
        "tp_0.5": 3,
        "fp_0.5": 3,
        "fn_0.5": 3,
        "tp_0.6": 1,
        "fp_0.6": 5,
        "fn_0.6": 5,
        "noise_objects": 2,
        "merges": 1,
        "splits": 1,
    }
    assert sorted(size_ratios(TRUE, PRED)) == [0.5, 0.5, 1.0]


def test_truth_and_prediction_swapped_swap_their_errors() -> None:
    row, back = score_image(TRUE, PRED), score_image(PRED, TRUE)
    for threshold in THRESHOLDS:
        assert row[f"fp_{threshold:g}"] == back[f"fn_{threshold:g}"]
        assert row[f"tp_{threshold:g}"] == back[f"tp_{threshold:g}"]
    assert (row["merges"], row["splits"]) == (back["splits"], back["merges"])


def test_exactly_half_is_a_hit_but_not_a_cover() -> None:
    """IoU 2/4 = 0.5 counts; a prediction that has half of each of two somas merges neither."""
    row = score_image(drawn("1111.."), drawn("11...."), thresholds=(0.5,))
    assert row["tp_0.5"] == 1
    halves = score_image(drawn("11112222"), drawn("..3333.."))
    assert halves["merges"] == 0
    assert score_image(drawn("11112222"), drawn(".333333."))["merges"] == 1


def test_a_prediction_that_takes_a_soma_and_half_another() -> None:
    row = score_image(drawn("11112222"), drawn("333333.."), thresholds=(0.5,))
    assert (row["tp_0.5"], row["fp_0.5"], row["fn_0.5"], row["merges"]) == (1, 0, 1, 0)


def test_nothing_where_nothing_is_is_perfect() -> None:
    nothing = np.zeros((5, 7), np.int32)
    row = score_image(nothing, nothing)
    assert row["iou"] == 1
    assert {row[f"{kind}_{t:g}"] for kind in ("tp", "fp", "fn") for t in THRESHOLDS} == {0}
    assert math.isnan(row["noise_objects"])
    assert size_ratios(nothing, nothing) == []


def test_something_where_nothing_is() -> None:
    nothing, something = np.zeros((3, 4), np.int32), drawn("11.. 11.. ....")
    invented = score_image(nothing, something, thresholds=(0.5,), noise_area_px=5)
    assert (invented["iou"], invented["fp_0.5"], invented["noise_objects"]) == (0, 1, 1)
    missed = score_image(something, nothing, thresholds=(0.5,), noise_area_px=4)
    assert (missed["iou"], missed["fn_0.5"], missed["noise_objects"]) == (0, 1, 0)


def test_a_false_object_as_large_as_the_median_is_no_noise() -> None:
    nothing, something = np.zeros((2, 4), np.int32), drawn("11.. 11..")
    assert score_image(nothing, something, noise_area_px=4)["noise_objects"] == 0


def test_shapes_that_differ() -> None:
    with pytest.raises(SomaNetError, match=r"shape \(7, 5\), the ground truth \(5, 7\)"):
        overlap(np.zeros((5, 7), np.int32), np.zeros((7, 5), np.int32))


# Against sets of pixels


@given(WORLDS, WORLDS)
def test_overlaps_are_those_of_pixel_sets(true: np.ndarray, pred: np.ndarray) -> None:
    a, b = list(pixel_sets(true).values()), list(pixel_sets(pred).values())
    measured = overlap(true, pred)
    assert measured.true_px.tolist() == [len(s) for s in a]
    assert measured.pred_px.tolist() == [len(s) for s in b]
    expected = [[len(s & t) / len(s | t) for t in b] for s in a]
    np.testing.assert_allclose(measured.iou, np.array(expected).reshape(len(a), len(b)))


def best_matching(iou: np.ndarray, min_iou: float) -> tuple[int, float]:
    """Of all one-to-one assignments: the most pairs, then the largest sum of IoU."""
    if iou.shape[0] > iou.shape[1]:
        iou = iou.T
    best = (0, 0.0)
    for columns in itertools.permutations(range(iou.shape[1]), iou.shape[0]):
        chosen = [iou[i, j] for i, j in enumerate(columns) if iou[i, j] >= min_iou]
        best = max(best, (len(chosen), round(sum(chosen), 9)))
    return best


@given(WORLDS, WORLDS, st.sampled_from([0.1, 0.25, 0.5, 0.75]))
def test_matches_are_the_best_there_are(true: np.ndarray, pred: np.ndarray, min_iou: float) -> None:
    measured = overlap(true, pred)
    rows, columns = measured.matches(min_iou)
    assert len(set(rows)) == len(rows) == len(set(columns))
    chosen = measured.iou[rows, columns]
    assert (chosen >= min_iou).all()
    n, total = best_matching(measured.iou, min_iou)
    assert len(chosen) == n
    assert chosen.sum() == pytest.approx(total, abs=1e-6)


def test_more_pairs_go_before_better_pairs() -> None:
    """1 with 3: 4/6; 1 with 4: 2/8; 2 with 4: 2/6. Both true objects find a partner."""
    true, pred = drawn("1111112222...."), drawn("33334444......")
    assert len(overlap(true, pred).matches(0.2)[0]) == 2
    assert overlap(true, pred).iou.tolist() == [[4 / 6, 2 / 8], [0, 2 / 6]]


@given(WORLDS, WORLDS)
def test_scores_against_an_independent_count(true: np.ndarray, pred: np.ndarray) -> None:
    """From 0.5 up a prediction is a hit if any true object's IoU exceeds the threshold: no assignment needed."""
    a, b = list(pixel_sets(true).values()), list(pixel_sets(pred).values())
    row = score_image(true, pred, thresholds=(0.51, 0.7))
    for threshold in (0.51, 0.7):
        hits = sum(any(len(s & t) > threshold * len(s | t) for s in a) for t in b)
        # a tie at exactly 0.7 is a hit as well
        hits += sum(any(len(s & t) == threshold * len(s | t) for s in a) for t in b)
        counted = object_scores(*(row[f"{kind}_{threshold:g}"] for kind in ("tp", "fp", "fn")))
        union = len(a) + len(b) - hits
        assert row[f"tp_{threshold:g}"] == hits
        assert counted["accuracy"] == pytest.approx(hits / union, nan_ok=True) if union else math.nan
    everything, predicted = set().union(*a), set().union(*b)
    expected = len(everything & predicted) / len(everything | predicted) if everything | predicted else 1.0
    assert row["iou"] == expected
    merged = sum(sum(len(s & t) > len(s) / 2 for s in a) >= 2 for t in b)
    split = sum(sum(len(s & t) > len(t) / 2 for t in b) >= 2 for s in a)
    assert (row["merges"], row["splits"]) == (merged, split)


@given(WORLDS)
def test_the_truth_scores_full_marks(true: np.ndarray) -> None:
    row = score_image(true, 3 * true)  # other ids, same objects
    n = len(np.unique(true[true > 0]))
    assert row["iou"] == 1
    assert {row[f"tp_{t:g}"] for t in THRESHOLDS} == {n}
    assert row["merges"] == row["splits"] == 0
    assert size_ratios(true, 3 * true) == [1.0] * n


# The interior


def test_what_the_edge_cuts_is_left_out() -> None:
    """1 is cut, with all predictions mostly inside it; prediction 8 is cut; 3 and its partner stay."""
    true = drawn(
        """
        111...22.
        111...22.
        111......
        ..3333...
        ..3333...
        .........
        """
    )
    pred = drawn(
        """
        ...4.....
        .54......
        .55......
        ..6666...
        ..666....
        .....7.88
        """
    )
    true_kept, pred_kept = interior(true, pred)
    np.testing.assert_array_equal(true_kept > 0, true == 3)
    np.testing.assert_array_equal(pred_kept > 0, pred == 6)
    # 4 touches the edge, 7 as well; 5 lies inside the cut soma 1


def test_a_false_object_inside_stays() -> None:
    true, pred = drawn("....... ....... ......."), drawn("....... ..11... .......")
    assert interior(true, pred)[1].sum() == 2


def test_a_prediction_half_on_a_cut_soma_stays() -> None:
    true, pred = drawn(".1..... .1..... ......."), drawn("....... .22.... .......")
    assert (interior(true, pred)[1] > 0).sum() == 2


@given(WORLDS, WORLDS)
def test_laws_of_the_interior(true: np.ndarray, pred: np.ndarray) -> None:
    kept_true, kept_pred = interior(true, pred)
    for before, after in ((true, kept_true), (pred, kept_pred)):
        assert not on_edge(after).any()
        for pixels in pixel_sets(after).values():
            assert pixels in pixel_sets(before).values()
    untouched = [s for s in pixel_sets(true).values() if all(0 < y < 4 and 0 < x < 6 for y, x in s)]
    assert list(pixel_sets(kept_true).values()) == untouched


def test_edges_are_all_four() -> None:
    picture = drawn("1.2.. ..... 3.5.4 ..... ..6..")
    assert on_edge(picture).tolist() == [True, True, True, True, False, True]
    assert on_edge(np.zeros((5, 7), np.int32)).tolist() == []


# Ratios and pools


def test_what_is_undefined_is_nan_never_zero() -> None:
    assert math.isnan(ratio(0, 0))
    assert ratio(0, 2) == 0
    nothing_predicted = object_scores(0, 0, 3)
    assert math.isnan(nothing_predicted["precision"])
    assert (nothing_predicted["recall"], nothing_predicted["f1"], nothing_predicted["accuracy"]) == (0, 0, 0)
    assert all(math.isnan(value) for value in object_scores(0, 0, 0).values())


def test_object_scores_by_hand() -> None:
    """6 hits, 2 false, 4 missed: 6/8, 6/10, 12/18, 6/12."""
    assert object_scores(6, 2, 4) == {"precision": 0.75, "recall": 0.6, "f1": 12 / 18, "accuracy": 0.5}


def test_pools_count_objects_and_average_images() -> None:
    """Two images: IoU is their mean, precision that of all objects together, not the mean of 1 and 1/5."""
    values = {
        "iou": [0.9, 0.4],
        "noise_objects": [0, 3],
        "merges": [1, 0],
        "splits": [0, 0],
        "tp_0.5": [3, 1],
        "fp_0.5": [0, 4],
        "fn_0.5": [0, 1],
        "tp_0.9": [1, 0],
        "fp_0.9": [2, 5],
        "fn_0.9": [2, 2],
    }
    pooled = pool({k: np.array(v, float) for k, v in values.items()}, [[1, 2, 4], [0.5]], thresholds=(0.5, 0.9))
    assert pooled == pytest.approx(
        {
            "iou": 0.65,
            "precision": 4 / 8,
            "recall": 4 / 5,
            "f1": 8 / 13,
            "accuracy": 4 / 9,
            "ap_0.5": 4 / 9,
            "ap_0.9": 1 / 12,
            "mean_ap": (4 / 9 + 1 / 12) / 2,
            "size_bias": 1.5,
            "noise_per_image": 1.5,
            "merges_per_image": 0.5,
            "splits_per_image": 0.0,
        }
    )
