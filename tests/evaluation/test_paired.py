"""Paired differences: by hand, against exact arithmetic and scipy, and in simulations with known ground truth."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from somanet.core.errors import SomaNetError
from somanet.evaluation.image_tables import ImageValues
from somanet.evaluation.paired import (
    Difference,
    bootstrap_interval,
    corrected,
    exchange_p,
    paired_differences,
    same_images,
)
from somanet.evaluation.resampling import MAX_EXACT, bootstrap_counts
from somanet.evaluation.scores import average_seeds, bootstrap_intervals
from somanet.simulation import neuron_crops
from tests.training.comparison.worlds import scored

COUNTS = ("tp_0.5", "fp_0.5", "fn_0.5")
Counts = Sequence[tuple[int, int, int]]  # (tp, fp, fn) of every image


def objects(counts: Counts, iou: Sequence[float] | None = None, *, seed: int = 0) -> pd.DataFrame:
    """A per-image table at one threshold; the ground truth has as many objects as were detected and missed."""
    tp, fp, fn = np.array(counts).T
    names = [f"image{place:02d}" for place in range(len(tp))]
    table = pd.DataFrame({"name": names, "iou": 0.5 if iou is None else iou, "n_true": tp + fn, "seed": seed})
    return table.assign(**{"tp_0.5": tp, "fp_0.5": fp, "fn_0.5": fn})


def ious(values: Sequence[float], *, seed: int = 0) -> pd.DataFrame:
    """A table of images that differ only in their IoU."""
    return objects([(1, 0, 1)] * len(values), values, seed=seed)


def difference(ours: pd.DataFrame, theirs: pd.DataFrame, score: str) -> Difference:
    return paired_differences(same_images({"a": ours, "b": theirs}), "b", scores=[score])["a"][score]


# The value


def test_it_is_the_difference_of_the_reported_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole evaluations, of two seeds and of three: the difference of the scores in their `metrics.json`."""
    monkeypatch.setitem(bootstrap_intervals.__kwdefaults__, "resamples", 2)  # intervals are not what is tested here
    crops = neuron_crops(n_crops=5, size_px=64, seed=0, n_movies=1)
    evaluations = {"a": [scored(crops, seed=seed) for seed in (0, 1)], "b": [scored(crops, seed=s) for s in (2, 3, 4)]}
    reported = {name: average_seeds(seeds).values for name, seeds in evaluations.items()}
    values = same_images(
        {
            name: pd.concat([one.per_image.assign(seed=seed) for seed, one in enumerate(seeds)])
            for name, seeds in evaluations.items()
        }
    )
    scores = values["a"].scores
    assert set(scores) == set(reported["a"]) - {"size_bias"}  # sizes of objects are in no table
    found = paired_differences(values, "b", scores=scores)["a"]
    for score in scores:
        assert found[score].score == pytest.approx(reported["a"][score], rel=1e-12), score
        assert found[score].value == found[score].score - found[score].reference_score
        assert found[score].value == pytest.approx(reported["a"][score] - reported["b"][score], abs=1e-12)


def test_objects_of_all_images_count_together() -> None:
    """2 and 8 objects. One network finds 2 and 4, the other 0 and 6: 6 of 10 both, though single images differ much."""
    found = difference(objects([(2, 0, 0), (4, 0, 4)]), objects([(0, 0, 2), (6, 0, 2)]), "recall")
    assert (found.score, found.reference_score, found.value, found.p) == (0.6, 0.6, 0, 1)


def test_seeds_are_averaged_after_their_scores() -> None:
    """Precisions of the seeds 1/1 and 1/4: mean 5/8, not the 2/5 of all their objects. Reference: 3/4."""
    seeds = pd.concat([objects([(1, 0, 4), (0, 0, 2)]), objects([(1, 2, 4), (0, 1, 2)], seed=1)])
    found = difference(seeds, objects([(1, 1, 4), (2, 0, 0)]), "precision")
    assert (found.score, found.reference_score, found.value) == (5 / 8, 3 / 4, -1 / 8)


def test_a_seed_that_predicts_nothing_has_no_precision_and_does_not_count() -> None:
    seeds = pd.concat([objects([(1, 1, 1), (1, 0, 1)]), objects([(0, 0, 2), (0, 0, 2)], seed=1)])
    found = difference(seeds, objects([(1, 0, 1), (1, 0, 1)]), "precision")
    assert found.value == pytest.approx(2 / 3 - 1)
    assert difference(seeds, objects([(1, 0, 1), (1, 0, 1)]), "recall").score == (2 / 4 + 0) / 2


# Interval


def test_an_equal_gain_on_every_image_has_no_width() -> None:
    """However unlike the images are, every resample has the same difference."""
    found = difference(ious([0.2, 0.9, 0.5, 0.4]), ious([0.1, 0.8, 0.4, 0.3]), "iou")
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_two_images_have_three_resamples() -> None:
    """Both images once (1 in 2), or one of them twice (1 in 4 each): the interval ends at the images' own differences.

    Image 1: accuracy 2/4 against 1/4, image 2: 0/2 against 1/2.
    """
    found = difference(objects([(2, 0, 2), (0, 0, 2)]), objects([(1, 0, 3), (1, 0, 1)]), "accuracy")
    assert (found.low, found.value, found.high) == (-1 / 2, 2 / 6 - 2 / 6, 1 / 4)


def test_one_image_has_no_interval() -> None:
    """It does not show how images vary; the same if only one image defines a score: here the precision."""
    single = difference(ious([0.7]), ious([0.5]), "iou")
    assert (single.value, single.p) == (pytest.approx(0.2), 1)
    assert np.isnan([single.low, single.high]).all()
    silent = objects([(1, 0, 1), (0, 0, 2), (0, 0, 2)])
    both = {score: difference(silent, objects([(1, 1, 1)] * 3), score) for score in ("precision", "recall")}
    assert both["precision"].value == 1 / 2
    assert np.isnan([both["precision"].low, both["precision"].high]).all()
    assert np.isfinite([both["recall"].low, both["recall"].high]).all()


def ease_of(rng: np.random.Generator, n_images: int) -> np.ndarray:
    """How easily the objects of each image are detected, and their number."""
    return np.array([rng.uniform(0.2, 1, n_images), rng.integers(1, 20, n_images)])


def simulated(rng: np.random.Generator, share: float, false: float, ease: np.ndarray) -> Counts:
    """Each object is detected with a probability of ``share`` times its image's ease."""
    n_true = ease[1].astype(int)
    tp = rng.binomial(n_true, share * ease[0])
    return np.column_stack([tp, rng.poisson(false, len(n_true)), n_true - tp]).tolist()


def values_of(counts: Counts) -> ImageValues:
    """The same values as from a table of :func:`objects`, without making one."""
    values = np.array(counts, float)
    images = tuple(f"image{place:02d}" for place in range(len(values)))
    return ImageValues(images, values[:, 0] + values[:, 2], COUNTS, values.T[:, None], ("0.5",))


def test_intervals_hold_the_true_difference_at_their_level() -> None:
    """Images of 1 to 19 objects, easy and hard ones; 0.9 and 0.7 of the easy objects found, 1 and 2 false ones each.

    Of all possible images together the accuracy is E(tp) / (E(n_true) + E(fp)), with 10 objects and a mean ease of 0.6
    in the mean: 5.4 / 11 against 4.2 / 12. 95 % of 300 intervals, ± 1.3 %; a percentile interval over 40 images is a
    little too narrow. Intervals of images that are not paired hold it nearly always, as both networks fail at the same.
    """
    rng = np.random.default_rng(0)
    ground_truth, n_images, n_experiments = 5.4 / 11 - 4.2 / 12, 40, 300
    draws = [bootstrap_counts(n_images, seed=seed, resamples=300) for seed in (0, 1)]
    held = unpaired = 0
    for _ in range(n_experiments):
        ease = ease_of(rng, n_images)
        values = [values_of(simulated(rng, share, false, ease)) for share, false in ((0.9, 1), (0.7, 2))]
        [low], [high] = bootstrap_interval(*values, ["accuracy"], draws[0])
        held += low <= ground_truth <= high
        one, other = (
            table.seed_means(["accuracy"], table.sums(drawn)) for table, drawn in zip(values, draws, strict=True)
        )
        low, high = np.quantile(one - other, (0.025, 0.975))
        unpaired += low <= ground_truth <= high
    assert 0.90 <= held / n_experiments <= 0.98
    assert unpaired / n_experiments > 0.99


# p


@pytest.mark.parametrize("n", [1, 2, 5, 8, MAX_EXACT])
@pytest.mark.parametrize("amount", [0.1, -0.3])
def test_images_that_all_differ_by_one_amount(n: int, amount: float) -> None:
    """Only with none or all exchanged is it as far from 0: p = 2/2^n."""
    assert difference(ious([0.4 + amount] * n), ious([0.4] * n), "iou").p == 2 / 2**n


def test_one_image_against_three() -> None:
    """Differences 1, 1, 1, −1: sums of the 16 patterns are ±4 twice, ±2 eight times, 0 six times: p = 10/16."""
    assert difference(ious([1, 1, 1, 0]), ious([0, 0, 0, 1]), "iou").p == 10 / 16


def test_objects_are_exchanged_with_their_images() -> None:
    """Recall 8/10 against 4/10. With one image exchanged both have 6/10, with both −4/10: 2 of 4 patterns."""
    assert difference(objects([(2, 0, 0), (6, 0, 2)]), objects([(0, 0, 2), (4, 0, 4)]), "recall").p == 2 / 4


def test_equal_networks_have_p_1() -> None:
    for n in (6, MAX_EXACT + 1):
        assert difference(ious([0.3] * n), ious([0.3] * n), "iou").p == 1


def test_where_the_difference_is_undefined_so_is_p() -> None:
    """A network that predicts nothing has no precision, but has missed all objects."""
    found = paired_differences(
        same_images({"a": objects([(0, 0, 2)] * 3), "b": objects([(1, 0, 1)] * 3), "c": objects([(2, 0, 0)] * 3)}), "b"
    )
    precision = found["a"]["precision"]
    assert np.isnan([precision.value, precision.low, precision.high, precision.p, precision.p_holm]).all()
    assert (precision.reference_score, found["a"]["recall"].value) == (1, -0.5)
    assert found["c"]["precision"].p_holm == 1  # the undefined one does not count as a comparison


def test_patterns_that_leave_a_score_undefined_are_left_out() -> None:
    """a predicts in image 1, b in image 2: precision 1/1 against 1/2. With one exchanged, one of them predicts nothing.

    Left are none and both exchanged: 2 of 2, not 2 of 4.
    """
    found = difference(objects([(1, 0, 1), (0, 0, 2)]), objects([(0, 0, 2), (1, 1, 1)]), "precision")
    assert (found.value, found.p) == (0.5, 1)


def exact_p(
    ours: Sequence[Fraction | tuple[int, int]], theirs: Sequence[Fraction | tuple[int, int]]
) -> Fraction | None:
    """By enumerating all patterns in rational numbers, for means of numbers and for ratios of sums (part, whole)."""

    def total(values: Sequence[Fraction | tuple[int, int]]) -> Fraction | None:
        if isinstance(values[0], Fraction):
            return Fraction(sum(values), len(values))
        part, whole = map(sum, zip(*values, strict=True))
        return Fraction(part, whole) if whole else None

    distances = []
    for exchanged in itertools.product((False, True), repeat=len(ours)):
        pairs = [(b, a) if swap else (a, b) for a, b, swap in zip(ours, theirs, exchanged, strict=True)]
        first, second = (total(side) for side in zip(*pairs, strict=True))
        distances.append(None if first is None or second is None else abs(first - second))
    if distances[0] is None:
        return None
    defined = [one for one in distances if one is not None]
    return Fraction(sum(one >= distances[0] for one in defined), len(defined))


def test_p_where_rounding_decides_whether_a_sum_is_0() -> None:
    """Differences 0.9, 1, −0.9, −1: their sum is 0, and no pattern can lie nearer to 0 than that: p = 1.

    In floating point the sum is 0 or 1e-16, by the order of its terms. `scipy.stats.permutation_test` takes the
    observed 3e-17 for different from the 0 of another pattern and gives 0.875; so would a count without a tolerance.
    """
    tenths = [9, 10, -9, -10]
    ours, theirs = [max(one, 0) for one in tenths], [max(-one, 0) for one in tenths]
    assert exact_p([Fraction(one, 10) for one in ours], [Fraction(one, 10) for one in theirs]) == 1
    for order in itertools.permutations(range(4)):
        a, b = ([values[place] / 10 for place in order] for values in (ours, theirs))
        assert difference(ious(a), ious(b), "iou").p == 1


tenths = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=1, max_size=6)


@given(tenths)
@settings(max_examples=40, deadline=None)
def test_p_of_means_is_that_of_rational_numbers(pairs: list[tuple[int, int]]) -> None:
    """Tenths have no exact floating-point form, so sums that are equal differ by rounding: they must still be ties."""
    ours, theirs = ([Fraction(pair[side], 10) for pair in pairs] for side in (0, 1))
    a, b = ious([float(one) for one in ours]), ious([float(one) for one in theirs])
    p = float(exact_p(ours, theirs))
    assert difference(a, b, "iou").p == p
    assert difference(b, a, "iou").p == p
    backwards = [frame.assign(name=frame["name"].to_numpy()[::-1]) for frame in (a, b)]
    assert difference(backwards[0], backwards[1], "iou").p == p


count = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))


@given(st.lists(count, min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_p_of_object_scores_is_that_of_rational_numbers(rows: list[tuple[int, int, int, int]]) -> None:
    """Each image has 3 objects, of which tp are found, and fp false ones: precision from sums of tp and tp + fp."""
    ours, theirs = [row[:2] for row in rows], [row[2:] for row in rows]
    found = difference(*(objects([(tp, fp, 3 - tp) for tp, fp in side]) for side in (ours, theirs)), "precision")
    p = exact_p(*([(tp, tp + fp) for tp, fp in side] for side in (ours, theirs)))
    assert found.p == pytest.approx(math.nan if p is None else float(p), nan_ok=True)


def test_drawn_patterns_agree_with_scipy_and_are_never_0() -> None:
    """30 images: scipy draws patterns of its own. Two binomial estimates of p from 20,000 each differ by ± 0.01."""
    rng = np.random.default_rng(3)
    ease = ease_of(rng, 30)
    ours, theirs = (simulated(rng, share, 1, ease) for share in (0.9, 0.8))
    counts = np.concatenate([ours, theirs])

    def accuracies(one: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
        tp, other_tp = (counts[rows.astype(int)][..., 0].sum(axis=axis) for rows in (one, other))
        every, other_every = (counts[rows.astype(int)].sum(axis=(axis - 1, -1)) for rows in (one, other))
        return tp / every - other_tp / other_every

    rows = np.arange(30), np.arange(30, 60)
    theirs_p = permutation_test(
        rows, accuracies, permutation_type="samples", n_resamples=20_000, vectorized=True, axis=-1, rng=1
    ).pvalue
    found = difference(objects(ours), objects(theirs), "accuracy")
    assert 0.02 < theirs_p < 0.9
    assert found.p == pytest.approx(theirs_p, abs=0.015)
    better, worse = (same_images({"x": ious([iou] * 40)})["x"] for iou in (0.6, 0.5))
    assert exchange_p([better], worse, ["iou"], seed=0, drawn_patterns=500) == [[1 / 500]]


def test_alike_networks_are_seldom_called_different() -> None:
    """Both detect an object with the same probability: p ≤ 0.05 in at most 5 % of 400 experiments, but in some."""
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(400):
        ease = ease_of(rng, 7)
        ours, theirs = (values_of(simulated(rng, 0.8, 1, ease)) for _ in range(2))
        alarms += exchange_p([ours], theirs, ["accuracy"], seed=0)[0, 0] <= 0.05
    assert 0.015 <= alarms / 400 <= 0.05 + 3 * 0.011


# Seeds in interval and p


@pytest.mark.parametrize("score", ["iou", "accuracy"])
def test_the_same_training_three_times_is_one(score: str) -> None:
    one = objects([(2, 0, 2), (0, 1, 3), (3, 1, 1), (1, 0, 1)], [0.5, 0.2, 0.8, 0.4])
    other = objects([(1, 0, 3), (1, 0, 2), (4, 1, 0), (0, 0, 2)], [0.4, 0.3, 0.9, 0.1])
    thrice = pd.concat([one.assign(seed=seed) for seed in range(3)])
    for found in (
        difference(thrice, other, score),
        difference(thrice, pd.concat([other, other.assign(seed=1)]), score),
    ):
        assert vars(found) == pytest.approx(vars(difference(one, other, score)))


def test_unequal_numbers_of_seeds_give_the_sign_flip_test_of_their_means() -> None:
    """IoU is linear: three seeds against two exchange as their means do, whichever seeds meet."""
    rng = np.random.default_rng(0)
    ours, theirs = rng.random((3, 6)), rng.random((2, 6))
    found = difference(
        pd.concat([ious(row, seed=seed) for seed, row in enumerate(ours)]),
        pd.concat([ious(row, seed=seed) for seed, row in enumerate(theirs)]),
        "iou",
    )
    means = difference(ious(ours.mean(axis=0)), ious(theirs.mean(axis=0)), "iou")
    assert vars(found) == pytest.approx(vars(means))


# Laws, and what is refused


@given(st.lists(count, min_size=2, max_size=6), st.sampled_from(["precision", "accuracy"]))
@settings(max_examples=25, deadline=None)
def test_the_other_way_round_it_is_its_negative(rows: list[tuple[int, int, int, int]], score: str) -> None:
    a, b = (objects([(row[i], row[i + 1], 3 - row[i]) for row in rows]) for i in (0, 2))
    one, other = difference(a, b, score), difference(b, a, score)
    found = (one.value, one.low, one.high, one.p)
    assert found == pytest.approx((-other.value, -other.high, -other.low, other.p), nan_ok=True)


def test_p_is_corrected_within_a_score_over_the_networks() -> None:
    """b − a: 2/2^5 for IoU, and 1 for the objects; with a second, identical network Holm doubles the first."""
    tables = same_images({"a": ious([0.5] * 5), "b": ious([0.6] * 5), "c": ious([0.5] * 5)})
    found = paired_differences(tables, "a")
    assert (found["b"]["iou"].p, found["b"]["iou"].p_holm) == (2 / 32, 4 / 32)
    assert found["b"]["recall"].p_holm == found["c"]["iou"].p_holm == 1
    assert corrected({"b": found["b"]})["b"]["iou"].p_holm == 2 / 32
    assert corrected({}) == {}


def test_only_columns_that_all_tables_have_are_compared() -> None:
    """An older table lacks the merges."""
    tables = same_images({"old": ious([0.5] * 3), "new": ious([0.6] * 3).assign(merges=1)})
    assert "merges_per_image" not in tables["new"].scores
    with pytest.raises(SomaNetError, match="do not have 'merges_per_image'; they have iou, precision, recall"):
        paired_differences(tables, "old", scores=["merges_per_image"])


# Movies as units


def test_movies_are_exchanged_and_drawn_as_a_whole() -> None:
    """Three movies of 3, 1 and 2 images: of the 2^3 patterns, those as far from 0 as the observed one, by hand.

    The difference is a mean over images as ever, and a resample of movies has as many images as its movies have.
    """
    gains = np.array([0.3, 0.2, 0.1, -0.1, 0.2, 0.4])
    movie = ["a", "a", "a", "b", "c", "c"]
    names = [f"image{place:02d}" for place in range(6)]
    values = same_images({"ours": ious((0.5 + gains).tolist()), "theirs": ious([0.5] * 6)})
    found = paired_differences(values, "theirs", scores=["iou"], movie_of=dict(zip(names, movie, strict=True)))
    one = found["ours"]["iou"]
    assert one.value == pytest.approx(gains.mean())
    sums = [gains[np.array(movie) == name].sum() for name in "abc"]
    means = [np.dot(signs, sums) / 6 for signs in itertools.product((1, -1), repeat=3)]
    assert one.p == sum(abs(mean) >= abs(gains.mean()) - 1e-12 for mean in means) / 8
    counts = bootstrap_counts(3, seed=0)
    sizes = np.array([3, 1, 2])
    drawn = (counts @ np.array(sums)) / (counts @ sizes)
    assert (one.low, one.high) == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975))))


def test_each_image_as_a_movie_of_its_own_is_the_same_as_none() -> None:
    rng = np.random.default_rng(0)
    values = same_images({"a": ious(rng.uniform(size=9).tolist()), "b": ious(rng.uniform(size=9).tolist())})
    own = {name: f"movie of {name}" for name in values["a"].images}
    assert paired_differences(values, "b", movie_of=own) == paired_differences(values, "b")


def test_an_image_without_a_movie_is_refused() -> None:
    values = same_images({"a": ious([0.5, 0.6]), "b": ious([0.5, 0.5])})
    with pytest.raises(SomaNetError, match="1 of 2 images have no movie, such as 'image01'"):
        paired_differences(values, "b", movie_of={"image00": "m"})
