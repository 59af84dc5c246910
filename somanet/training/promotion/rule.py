"""The rule by which a network replaces the champion, from scores on the same images to a decision with reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.evaluation.image_tables import ImageValues
from somanet.evaluation.paired import Difference, paired_differences, same_images
from somanet.evaluation.sureness import gains_of_units, is_sure

CANDIDATE, CHAMPION = "the candidate", "the champion"


@dataclass(frozen=True)
class Rule:
    """When a network replaces the champion.

    Attributes:
        evaluation: name under which the scores to compare were recorded, e.g. ``neurons``.
        metric: the score that must improve: the 95 % bootstrap interval of the paired difference lies above 0, and not
            because images that lose much are lacking, see :func:`somanet.evaluation.sureness.is_sure`.
        tolerances: other scores, and by how much each may be worse.
        min_images: with fewer images there is no decision; a bootstrap over three of them proves nothing.
    """

    evaluation: str
    metric: str
    tolerances: Mapping[str, float]
    min_images: int


@dataclass(frozen=True)
class Decision:
    """Whether a network is promoted, why, and by which numbers.

    Attributes:
        accepted: whether it is promoted.
        reason: as a sentence.
        differences: score → candidate minus champion; empty without a rival.
        n_images: number of scored images.
    """

    accepted: bool
    reason: str
    differences: Mapping[str, Difference] = field(default_factory=dict)
    n_images: int = 0


def decide(candidate: pd.DataFrame, champion: pd.DataFrame | None, rule: Rule) -> Decision:
    """Apply the rule to the per-image tables of two networks.

    Args:
        candidate: one row per image, as :func:`somanet.evaluation.scores.score_dataset` gives it.
        champion: the same for the network to replace; none for the first network, which needs no rival.
        rule: see :class:`Rule`.

    Raises:
        SomaNetError: the tables are for different images or ground truth, or lack a score.
    """
    n_images = len(candidate)
    if champion is None:
        return Decision(True, "The first network: there is no champion to compare it with.", {}, n_images)
    values = _compared(candidate, champion, rule)
    scores = (rule.metric, *rule.tolerances)
    differences = paired_differences(values, CHAMPION, scores=scores)[CANDIDATE]
    if n_images < rule.min_images:
        why = f"{n_images} images were scored, and the rule requires {rule.min_images}"
        return Decision(False, f"Not decided: {why}.", differences, n_images)
    main = differences[rule.metric]
    numbers = f"{rule.metric} {main.score:.4f} against {main.reference_score:.4f}"
    interval = f"{main.value:+.4f} [{main.low:+.4f}, {main.high:+.4f}] over {n_images} images"
    if not main.low > 0:  # true also where it is undefined
        reason = f"Not better with 95 % confidence: {numbers}, a difference of {interval}."
        return Decision(False, reason, differences, n_images)
    if not is_sure(main, gains_of_units(values[CANDIDATE], values[CHAMPION], rule.metric)):
        reason = (
            f"Not better with 95 % confidence: {numbers}, a difference of {interval}, too uneven to tell: a few more "
            "images like the worst, and it would be 0. Score both on more images."
        )
        return Decision(False, reason, differences, n_images)
    worse = [
        f"{name} {found.score:.4f} against {found.reference_score:.4f}, tolerated {tolerance:g}"
        for name, tolerance in rule.tolerances.items()
        if _is_worse(found := differences[name], tolerance)
    ]
    if worse:
        reason = f"{rule.metric} is better ({interval}), but others are worse than tolerated: {'; '.join(worse)}."
        return Decision(False, reason, differences, n_images)
    others = f"; no worse than tolerated in {', '.join(rule.tolerances)}" if rule.tolerances else ""
    return Decision(True, f"Better: {numbers}, a difference of {interval}{others}.", differences, n_images)


def _is_worse(found: Difference, tolerance: float) -> bool:
    """Whether a score is worse than tolerated; an undefined one, such as the precision of no prediction, is."""
    if math.isnan(found.reference_score):
        return False
    return math.isnan(found.score) or found.value < -tolerance - 1e-12


def _compared(candidate: pd.DataFrame, champion: pd.DataFrame, rule: Rule) -> dict[str, ImageValues]:
    try:
        values = same_images({CANDIDATE: candidate, CHAMPION: champion})
    except SomaNetError as error:
        raise SomaNetError(f"{error} `dvc repro` or `somanet evaluate --record` does so.") from error
    given = values[CHAMPION].scores
    if unknown := [name for name in (rule.metric, *rule.tolerances) if name not in given]:
        raise SomaNetError(
            f"The rule names {unknown[0]!r}, which per-image tables do not have. Use one of {', '.join(given)}."
        )
    return values
