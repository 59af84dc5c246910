"""Scores of a data set: counted by hand, with sane and reproducible intervals, averaged over seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from somanet.core.errors import SomaNetError
from somanet.core.files import write_json
from somanet.evaluation import scores as module
from somanet.evaluation.scores import MAIN_SCORES, Scores, average_seeds, bootstrap_intervals, score_dataset

Pair = tuple[str, np.ndarray, np.ndarray]


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bootstrap_intervals.__kwdefaults__, "resamples", 25)


def drawn(picture: str) -> np.ndarray:
    """A label image as drawn: one digit per pixel, dots for background."""
    rows = [line.strip().replace(".", "0") for line in picture.split()]
    return np.array([[int(c) for c in row] for row in rows], np.int32)


HIT: Pair = ("hit", drawn("....... .11.22. .11.22. ......."), drawn("....... .33.44. .33.44. ......."))
SHRUNK: Pair = ("shrunk", drawn("....... .1111.. ......."), drawn("....... .222... ......."))
NOISY: Pair = ("noisy", drawn("....... .11.... .11...."), drawn("......2 .1..... ......."))
EMPTY: Pair = ("empty", np.zeros((5, 7), np.int32), np.zeros((5, 7), np.int32))


def test_three_images_by_hand() -> None:
    """Hits 2 + 1 + 0 of true 2 + 1 + 1 and predicted 2 + 1 + 2. IoU 1, 3/4, 1/5. At 0.8 the shrunk one is missed.

    True areas 4 4 4 4: both false objects of the third image are smaller. Matched sizes 1, 1 and 3/4.
    """
    scores = score_dataset([HIT, SHRUNK, NOISY], thresholds=(0.5, 0.8))
    assert scores.values == pytest.approx(
        {
            "iou": (1 + 3 / 4 + 1 / 5) / 3,
            "precision": 3 / 5,
            "recall": 3 / 4,
            "f1": 6 / 9,
            "accuracy": 3 / 6,
            "ap_0.5": 3 / 6,
            "ap_0.8": 2 / 7,
            "mean_ap": (3 / 6 + 2 / 7) / 2,
            "size_bias": 1.0,
            "noise_per_image": 2 / 3,
            "merges_per_image": 0.0,
            "splits_per_image": 0.0,
        }
    )
    table = scores.per_image.set_index("name")
    assert table["iou"].tolist() == pytest.approx([1, 0.75, 0.2])
    assert table["precision"].tolist() == [1, 1, 0]
    assert table["accuracy"].tolist() == [1, 1, 0]
    assert scores.ratios == ((1.0, 1.0), (0.75,), ())


def test_what_an_image_cannot_answer_is_nan() -> None:
    scores = score_dataset([EMPTY])
    assert scores.values["iou"] == 1
    for name in (*MAIN_SCORES[1:], "noise_per_image"):
        assert math.isnan(scores.values[name]), name
        assert all(math.isnan(bound) for bound in scores.intervals[name]), name
    assert scores.per_image["precision"].isna().all()


def test_an_empty_image_is_no_object_but_an_image() -> None:
    with_empty, without = score_dataset([SHRUNK, EMPTY]), score_dataset([SHRUNK])
    assert with_empty.values["iou"] == pytest.approx((0.75 + 1) / 2)
    assert with_empty.values["precision"] == without.values["precision"]


def test_cut_objects_may_be_left_out() -> None:
    """Of the third image the true soma and the speck are cut; the rest of the prediction lies inside the cut one."""
    scores = score_dataset([NOISY], ignore_edge=True)
    assert scores.values["iou"] == 1
    assert scores.per_image["n_true"].tolist() == scores.per_image["n_pred"].tolist() == [0]


def test_the_dictionary_is_json_with_nulls(tmp_path: Path) -> None:
    scores = score_dataset([HIT, SHRUNK], thresholds=(0.5, 0.75))
    write_json(tmp_path / "scores.json", scores.as_dict())
    read = json.loads((tmp_path / "scores.json").read_text())
    assert read["n_images"] == 2
    assert read["n_objects"] == 3
    assert read["ap"] == {"0.5": 1.0, "0.75": 1.0}
    assert read["interval95"]["iou"] == [0.75, 1.0]
    assert "ap_0.5" not in read
    write_json(tmp_path / "empty.json", score_dataset([EMPTY]).as_dict())
    assert json.loads((tmp_path / "empty.json").read_text())["precision"] is None


def test_nothing_to_score() -> None:
    with pytest.raises(SomaNetError, match="nothing to score"):
        score_dataset([])


@pytest.mark.parametrize("ignore_edge", [False, True])
def test_a_prediction_of_another_shape(ignore_edge: bool) -> None:
    with pytest.raises(SomaNetError, match=r"shape \(7, 5\), the ground truth \(5, 7\)"):
        score_dataset([HIT, ("odd", EMPTY[1], EMPTY[2].T)], ignore_edge=ignore_edge)


# Intervals


def mean_of(values: np.ndarray) -> Any:
    def statistic(index: np.ndarray) -> Mapping[str, float]:
        return {"mean": float(values[index].mean())}

    return statistic


def test_the_interval_of_a_mean_is_about_two_standard_errors() -> None:
    """400 normal values: ±1.96 s/√n, within what 2000 resamples allow."""
    values = np.random.default_rng(0).normal(3, 2, 400)
    low, high = bootstrap_intervals(400, mean_of(values), seed=1, resamples=2000)["mean"]
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.04)
    assert high == pytest.approx(values.mean() + half, abs=0.04)


def test_intervals_cover_the_true_value_at_their_level() -> None:
    """Of 95 % intervals of 60 means of 40 values, some 57 contain the true mean."""
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(60):
        low, high = bootstrap_intervals(40, mean_of(rng.normal(5, 1, 40)), seed=trial, resamples=200)["mean"]
        covered += low <= 5 <= high
    assert 50 <= covered <= 60


def test_intervals_follow_their_seed() -> None:
    values = np.random.default_rng(0).random(30)
    first, again, other = (bootstrap_intervals(30, mean_of(values), seed=s, resamples=50) for s in (1, 1, 2))
    assert first == again != other
    assert score_dataset([HIT, SHRUNK, NOISY]).intervals == score_dataset([HIT, SHRUNK, NOISY]).intervals


def test_undefined_resamples_are_left_out() -> None:
    """Half of the units have no value; the interval is that of the resamples that have one."""

    def statistic(index: np.ndarray) -> Mapping[str, float]:
        return {"sometimes": 2.0 if 0 in index else math.nan, "never": math.nan}

    intervals = bootstrap_intervals(3, statistic, seed=0, resamples=50)
    assert intervals["sometimes"] == (2.0, 2.0)
    assert all(math.isnan(bound) for bound in intervals["never"])


def test_one_image_has_no_width_and_every_score_lies_in_its_interval() -> None:
    one = score_dataset([SHRUNK])
    assert one.intervals["iou"] == (0.75, 0.75)
    many = score_dataset([HIT, SHRUNK, NOISY, HIT, SHRUNK, HIT])
    for name in MAIN_SCORES:
        low, high = many.intervals[name]
        assert low <= many.values[name] <= high


def test_resampled_scores_pool_objects() -> None:
    """Drawing the noisy image three times: 3 true, 6 predicted, no hit."""
    scores = score_dataset([HIT, NOISY])
    thrice = scores.pooled(np.array([1, 1, 1]))
    assert (thrice["precision"], thrice["recall"], thrice["noise_per_image"]) == (0, 0, 2)
    assert thrice["iou"] == pytest.approx(0.2)


# Over seeds


def of(*pairs: Pair) -> Scores:
    return score_dataset(pairs)


def test_seeds_are_averaged_with_their_spread() -> None:
    """IoU 1 and 3/4 on one image: mean 7/8, standard deviation 1/4 / √2."""
    perfect = of(("a", SHRUNK[1], SHRUNK[1]))
    shrunk = of(("a", SHRUNK[1], SHRUNK[2]))
    both = average_seeds([perfect, shrunk])
    assert both.values["iou"] == pytest.approx(7 / 8)
    assert both.spread["iou"] == pytest.approx(0.25 / math.sqrt(2))
    assert both.values["size_bias"] == pytest.approx(7 / 8)
    assert both.intervals["iou"] == (7 / 8, 7 / 8)
    assert (both.n_images, both.n_seeds) == (1, 2)
    dictionary = both.as_dict()
    assert dictionary["spread_over_seeds"]["iou"] == both.spread["iou"]
    assert dictionary["interval95"]["iou"] == [7 / 8, 7 / 8]


def test_a_seed_without_predictions_has_no_precision_to_average() -> None:
    nothing = of(("a", SHRUNK[1], np.zeros_like(SHRUNK[1])))
    both = average_seeds([of(("a", SHRUNK[1], SHRUNK[2])), nothing])
    assert both.values["precision"] == 1
    assert both.values["recall"] == 0.5
    assert math.isnan(both.spread["precision"])


def test_one_seed_has_no_spread() -> None:
    one = of(HIT, NOISY)
    alone = average_seeds([one])
    assert alone.values == pytest.approx(dict(one.values))
    assert all(math.isnan(value) for value in alone.spread.values())


def test_a_resample_takes_the_same_images_for_every_seed() -> None:
    """Two seeds that are good at one image each: every resample averages to the same IoU, so there is no width."""
    true = SHRUNK[1]
    a = of(("x", true, true), ("y", true, np.zeros_like(true)))
    b = of(("x", true, np.zeros_like(true)), ("y", true, true))
    assert average_seeds([a, b]).intervals["iou"] == (0.5, 0.5)
    assert a.intervals["iou"] == (0, 1)


def test_seeds_of_different_images_do_not_average() -> None:
    with pytest.raises(SomaNetError, match="only over the same images"):
        average_seeds([of(HIT, SHRUNK), of(HIT, NOISY)])
    with pytest.raises(SomaNetError, match="only over the same images"):
        average_seeds([of(HIT, SHRUNK), of(SHRUNK, HIT)])


def test_scores_are_frozen() -> None:
    scores = of(HIT)
    with pytest.raises(AttributeError):
        scores.values = {}  # type: ignore[misc]
    assert isinstance(scores.per_image, pd.DataFrame)
    assert module.RESAMPLES == 2000
