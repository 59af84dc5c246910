"""How a trial combines the scores of its seeds."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from somanet.evaluation.scores import MAIN_SCORES
from somanet.training.sweep.trial import _mean_scores


def evaluation(**values: float) -> Any:
    return SimpleNamespace(everything=SimpleNamespace(values={**dict.fromkeys(MAIN_SCORES, 0.5), **values}))


def test_a_seed_that_finds_nothing_takes_no_score_from_the_others() -> None:
    """It has no precision, which is then that of the other two: (0.5 + 1) / 2; its IoU of 0 counts: (0.5 + 1) / 3."""
    nothing = evaluation(precision=math.nan, size_bias=math.nan, iou=0.0)
    scores = _mean_scores([evaluation(), nothing, evaluation(precision=1.0, size_bias=math.nan, iou=1.0)])
    assert (scores["precision"], scores["iou"], scores["size_bias"]) == pytest.approx((0.75, 0.5, 0.5))
    assert math.isnan(_mean_scores([nothing])["precision"])
