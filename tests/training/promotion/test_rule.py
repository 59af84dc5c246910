"""The rule of promotion on tables with known outcomes."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from somanet.core.errors import SomaNetError
from somanet.training.promotion.rule import Rule, decide

RULE = Rule("neurons", "iou", {"precision": 0.02}, 5)


def table(iou: list[float], *, tp: int = 8, fp: int = 2, names: list[str] | None = None) -> pd.DataFrame:
    """One row per image: its IoU, and the same number of found and false somas in each; 10 true ones."""
    n = len(iou)
    return pd.DataFrame(
        {
            "name": names or [f"image{i}" for i in range(n)],
            "iou": iou,
            "n_true": 10,
            "n_pred": tp + fp,
            "tp_0.5": tp,
            "fp_0.5": fp,
            "fn_0.5": 10 - tp,
            "noise_objects": math.nan,
            "merges": 0,
            "splits": 0,
        }
    )


LEVELS = [0.5, 0.6, 0.7, 0.8, 0.9, 0.3, 0.4, 0.6]


def test_the_first_network_needs_no_rival() -> None:
    decision = decide(table(LEVELS), None, RULE)
    assert decision.accepted
    assert decision.differences == {}
    assert "no champion" in decision.reason


def test_better_on_every_image_is_better() -> None:
    """+0.05 on each of 8 images: every resample has the mean difference 0.05, however unlike the images are."""
    decision = decide(table([iou + 0.05 for iou in LEVELS]), table(LEVELS), RULE)
    assert decision.accepted
    found = decision.differences["iou"]
    assert (found.value, found.low, found.high) == pytest.approx((0.05, 0.05, 0.05))
    assert found.reference_score == pytest.approx(np.mean(LEVELS))
    assert decision.n_images == 8


def test_the_pairs_are_what_is_compared() -> None:
    """In another order of rows the same images are still the same images: 0.05 better, and surely so."""
    candidate = table([iou + 0.05 for iou in LEVELS]).iloc[::-1]
    assert decide(candidate, table(LEVELS), RULE).differences["iou"].low == pytest.approx(0.05)
    # The same numbers on unpaired images prove nothing: the spread of the images hides the difference.
    shuffled = table([iou + 0.05 for iou in LEVELS[3:] + LEVELS[:3]])
    assert not decide(shuffled, table(LEVELS), RULE).accepted


def test_equal_networks_change_nothing() -> None:
    decision = decide(table(LEVELS), table(LEVELS), RULE)
    assert not decision.accepted
    assert "Not better with 95 % confidence: iou 0.6000 against 0.6000" in decision.reason


def test_one_lucky_image_is_not_enough() -> None:
    """+0.4 on one of 8 images, 0 elsewhere: a third of the resamples (7/8)^8 lacks it, so the interval begins at 0."""
    decision = decide(table([LEVELS[0] + 0.4, *LEVELS[1:]]), table(LEVELS), RULE)
    assert decision.differences["iou"].value == pytest.approx(0.05)
    assert decision.differences["iou"].low == 0
    assert not decision.accepted


def test_gains_that_a_few_unseen_losses_could_undo_are_not_enough() -> None:
    """Nine of ten images gain about 0.03, one loses 0.015: the interval lies above 0, the skewed mean is not sure."""
    gains = [0.03, 0.02, 0.03, 0.03, 0.02, 0.03, 0.03, 0.02, 0.03, -0.015]
    levels = [*LEVELS, 0.5, 0.6]
    decision = decide(table([iou + gain for iou, gain in zip(levels, gains, strict=True)]), table(levels), RULE)
    assert decision.differences["iou"].low > 0
    assert not decision.accepted
    assert "too uneven to tell" in decision.reason
    even = [iou + max(gain, 0.02) for iou, gain in zip(levels, gains, strict=True)]
    assert decide(table(even), table(levels), RULE).accepted


@pytest.mark.parametrize(("fp", "accepted"), [(2, True), (3, False)])
def test_another_score_must_not_be_worse_than_tolerated(fp: int, accepted: bool) -> None:
    """Precision 8/10 against 8/11: 0.073 worse, and 0.02 are tolerated."""
    decision = decide(table([iou + 0.05 for iou in LEVELS], fp=fp), table(LEVELS), RULE)
    assert decision.accepted is accepted
    assert decision.differences["precision"].value == pytest.approx(8 / (8 + fp) - 0.8)
    if not accepted:
        assert "precision 0.7273 against 0.8000, tolerated 0.02" in decision.reason
    wide = Rule("neurons", "iou", {"precision": 0.08}, 5)
    assert decide(table([iou + 0.05 for iou in LEVELS], fp=fp), table(LEVELS), wide).accepted


def test_a_score_that_is_lost_altogether_is_worse() -> None:
    """Without any prediction there is no precision; where the champion has none either, nothing is lost."""
    nothing = table([iou + 0.05 for iou in LEVELS], tp=0, fp=0)
    assert not decide(nothing, table(LEVELS), RULE).accepted
    assert decide(nothing, table(LEVELS, tp=0, fp=0), RULE).accepted


def test_few_images_decide_nothing() -> None:
    decision = decide(table([0.9] * 4), table([0.5] * 4), RULE)
    assert not decision.accepted
    assert "4 images were scored, and the rule requires 5" in decision.reason


@pytest.mark.parametrize(
    ("champion", "words"),
    [
        (
            table(LEVELS[:-1]),
            r"different images \(8 and 7\): only the candidate has image7\. .* `somanet evaluate --record` does so",
        ),
        (
            table(LEVELS, names=list("abcdefgh")),
            r"different images \(8 and 8\): only the candidate has image0, .* and 3 more; only the champion has a, b",
        ),
        (
            table(LEVELS).assign(n_true=9),
            "the candidate and the champion .* different ground truths: image image0 has 10 true somas in one and 9",
        ),
        (table(LEVELS).rename(columns=lambda name: name.replace("0.5", "0.6")), "thresholds 0.5, the champion at 0.6"),
        (table(LEVELS).drop(columns="iou"), r"lacks \['iou'\]"),
    ],
)
def test_what_cannot_be_compared_is_refused(champion: pd.DataFrame, words: str) -> None:
    with pytest.raises(SomaNetError, match=words):
        decide(table(LEVELS), champion, RULE)


def test_the_scores_are_those_of_the_evaluation() -> None:
    """A score that tables do not have, such as the size of matched objects, is reported as such."""
    tolerances = dict.fromkeys(("precision", "recall", "f1", "accuracy", "mean_ap", "merges_per_image"), 0.0)
    found = decide(table(LEVELS), table(LEVELS), Rule("neurons", "iou", tolerances, 5)).differences
    assert {name: round(value.score, 4) for name, value in found.items()} == {
        "iou": 0.6, "precision": 0.8, "recall": 0.8, "f1": 0.8, "accuracy": 0.6667, "mean_ap": 0.6667,
        "merges_per_image": 0,
    }  # fmt: skip
    with pytest.raises(SomaNetError, match=r"names 'size_bias', which per-image tables do not have\. Use one of iou, "):
        decide(table(LEVELS), table(LEVELS), Rule("neurons", "size_bias", {}, 5))
