"""Whether a fine-tuned network is better than the one it started from, in one sentence that chance does not write."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from somanet.evaluation.paired import ALPHA, Difference, paired_differences, same_images
from somanet.evaluation.resampling import Floats
from somanet.evaluation.sureness import excludes_0, gains_of_units, is_sure, skewed_p
from somanet.training.finetuning.crops import LEAST_UNITS, UnitKind

Outcome = Literal["better", "not better", "worse", "too few"]

SCORE = "iou"
_TIE = 1e-9
_TUNED, _START = "fine-tuned", "start"


@dataclass(frozen=True)
class Verdict:
    """A fine-tuned network against the one it started from, on crops that neither was trained on.

    Attributes:
        outcome: see :func:`outcome_of`.
        sentence: the outcome in words, with the numbers.
        n_crops: crops compared.
        n_better: of these, those with a higher IoU.
        unit: what was drawn and exchanged as a whole, see :class:`somanet.training.finetuning.crops.Units`.
        n_units: number of units compared.
        differences: score → difference, fine-tuned − start.
        skewed_p: one-sided p of the IoU's difference in its direction, see
            :func:`somanet.evaluation.sureness.skewed_p`; NaN where there are too few units.
    """

    outcome: Outcome
    sentence: str
    n_crops: int
    n_better: int
    unit: UnitKind
    n_units: int
    differences: Mapping[str, Difference]
    skewed_p: float

    @property
    def difference(self) -> Difference:
        """That of the IoU, which decides."""
        return self.differences[SCORE]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def judge(
    tuned: pd.DataFrame,
    start: pd.DataFrame,
    *,
    start_name: str,
    unit: UnitKind = "crop",
    unit_of: Mapping[str, str] | None = None,
) -> Verdict:
    """Compare two networks by their per-image scores.

    The difference, its interval and p are those of :mod:`somanet.evaluation.paired`, and the rule is
    :func:`outcome_of`. Crops of one movie resemble each other, so where there are several movies, movies are what
    varies: five crops of each of two movies are two units, and two cannot show what other movies would. Where all are
    of one movie, the sentence is about that movie.

    Args:
        tuned, start: rows per image, as from :func:`somanet.evaluation.scores.score_dataset`.
        start_name: the network that was fine-tuned, for the sentence.
        unit: kind of the units.
        unit_of: image → its unit; None: each image is one.

    Raises:
        SomaNetError: the tables are of different images.
    """
    values = same_images({_TUNED: tuned, _START: start})
    images = values[_TUNED].images
    differences = paired_differences(values, _START, movie_of=unit_of)[_TUNED]
    found = differences[SCORE]
    each = values[_TUNED].of_images(SCORE) - values[_START].of_images(SCORE)
    n_better, n_worse, n = int(np.sum(each > _TIE)), int(np.sum(each < -_TIE)), len(images)
    gains_U = gains_of_units(values[_TUNED], values[_START], SCORE, movie_of=unit_of)
    n_units = len(gains_U)
    crops = f"{n} held-out crop{'s' * (n != 1)}"
    if unit != "crop":
        crops += f" of {n_units} {unit}{'s' * (n_units != 1)}"
    numbers = f"IoU {_signed(found.value)}{_interval(found)}"
    outcome = outcome_of(found, gains_U)
    uneven = outcome == "not better" and found.p <= ALPHA and excludes_0(found)
    doubt = f", too uneven to tell from so few {unit}s" * uneven
    sentence = {
        "too few": f"too few {unit}s to tell: {crops}, and {LEAST_UNITS} {unit}s are needed (IoU "
        f"{_signed(found.value)}, better on {n_better})",
        "better": f"better on {n_better} of {crops}: {numbers}",
        "worse": f"worse on {n_worse} of {crops}: {numbers}; keep the {_network(start_name)}",
        "not better": f"not better on {crops}: {numbers}{doubt}; keep the {_network(start_name)}",
    }[outcome]
    p = skewed_p(found, gains_U) if n_units >= LEAST_UNITS else math.nan
    return Verdict(outcome, sentence, n, n_better, unit, n_units, differences, p)


def outcome_of(found: Difference, gains_U: Floats) -> Outcome:
    """The rule: `better` or `worse` only where three tests agree; `too few` below :data:`LEAST_UNITS` units.

    p of the exchange test is at most 0.05, and the other two are those of :func:`somanet.evaluation.sureness.is_sure`.

    Args:
        found: the difference.
        gains_U: of :func:`somanet.evaluation.sureness.gains_of_units`.
    """
    if len(gains_U) < LEAST_UNITS or not math.isfinite(found.value):
        return "too few"
    if found.p > ALPHA or not is_sure(found, gains_U):
        return "not better"
    return "better" if found.value > 0 else "worse"


def _network(name: str) -> str:
    return "bundled network" if name == "bundled" else f"network {name}"


def _signed(value: float) -> str:
    """With three decimals, or as many as show that it is not 0."""
    places = 3 if value == 0 or abs(value) >= 5e-4 else min(12, -int(f"{value:.0e}".partition("e")[2]))
    return f"{value:+.{places}f}".replace("-", "−")


def _interval(found: Difference) -> str:
    if not math.isfinite(found.low):
        return ""
    return f" (95 % interval {_signed(found.low)} to {_signed(found.high)})"
