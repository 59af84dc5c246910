"""The rule by which a network replaces the champion: scores of the same images in, a decision with its reasons out."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from somanet.errors import SomaNetError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

BOOTSTRAP_SEED = 0  # equal tables give equal decisions


@dataclass(frozen=True)
class Rule:
    """When a network replaces the champion.

    Attributes:
        evaluation: the scores to compare, by the name under which they were recorded, e.g. ``neurons``.
        metric: must be better: the 95 % bootstrap interval of the paired difference lies above 0.
        tolerances: other scores, and by how much each may be worse.
        min_images: on fewer images nothing is decided; a bootstrap over three of them proves nothing.
    """

    evaluation: str
    metric: str
    tolerances: Mapping[str, float]
    min_images: int


@dataclass(frozen=True)
class Difference:
    """One score of two networks on the same images.

    Attributes:
        candidate, champion: the score of each, pooled over all images.
        difference: candidate − champion.
        low, high: 95 % percentile bootstrap interval over images, which are drawn for both networks alike.
    """

    candidate: float
    champion: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Decision:
    """Whether a network is promoted, why, and by which numbers.

    Attributes:
        accepted: whether it is.
        reason: in words.
        differences: score → the two networks' values; empty without a rival.
        n_images: scored images.
    """

    accepted: bool
    reason: str
    differences: Mapping[str, Difference] = field(default_factory=dict)
    n_images: int = 0


def decide(candidate: pd.DataFrame, champion: pd.DataFrame | None, rule: Rule) -> Decision:
    """Apply the rule to the per-image tables of two networks.

    Args:
        candidate: one row per image, as :func:`somanet.evaluation.scores.score_dataset` gives it.
        champion: the same of the network to replace; none for the first network, which needs no rival.
        rule: see :class:`Rule`.

    Raises:
        SomaNetError: the tables are of different images or truths, or lack a score.
    """
    n_images = len(candidate)
    if champion is None:
        return Decision(True, "The first network: there is no champion to compare it with.", {}, n_images)
    differences = compare(candidate, champion, (rule.metric, *rule.tolerances))
    if n_images < rule.min_images:
        why = f"{n_images} images were scored, and the rule asks for {rule.min_images}"
        return Decision(False, f"Not decided: {why}.", differences, n_images)
    main = differences[rule.metric]
    numbers = f"{rule.metric} {main.candidate:.4f} against {main.champion:.4f}"
    interval = f"{main.difference:+.4f} [{main.low:+.4f}, {main.high:+.4f}] over {n_images} images"
    if not main.low > 0:  # also where it is undefined
        reason = f"Not better with 95 % confidence: {numbers}, a difference of {interval}."
        return Decision(False, reason, differences, n_images)
    worse = [
        f"{name} {differences[name].candidate:.4f} against {differences[name].champion:.4f}, tolerated {tolerance:g}"
        for name, tolerance in rule.tolerances.items()
        if _is_worse(differences[name], tolerance)
    ]
    if worse:
        reason = f"{rule.metric} is better ({interval}), but others are worse than tolerated: {'; '.join(worse)}."
        return Decision(False, reason, differences, n_images)
    others = f"; no worse than tolerated in {', '.join(rule.tolerances)}" if rule.tolerances else ""
    return Decision(True, f"Better: {numbers}, a difference of {interval}{others}.", differences, n_images)


def _is_worse(found: Difference, tolerance: float) -> bool:
    """A score that the candidate lost altogether, such as the precision of no prediction, is worse too."""
    if math.isnan(found.champion):
        return False
    return math.isnan(found.candidate) or found.difference < -tolerance - 1e-12


def compare(candidate: pd.DataFrame, champion: pd.DataFrame, metrics: tuple[str, ...]) -> dict[str, Difference]:
    """Paired differences of scores; each resample draws the same images for both networks.

    Raises:
        SomaNetError: the tables are of different images or truths, or lack a score.
    """
    import numpy as np

    from somanet.evaluation.scores import bootstrap_intervals

    ours, theirs = _same_images(candidate, champion)
    thresholds = _thresholds(ours)
    if thresholds != _thresholds(theirs):
        raise SomaNetError(
            f"The two networks were scored at different thresholds: {thresholds} and {_thresholds(theirs)}. Score both "
            "with the same `evaluate.thresholds`."
        )
    pools = _pooling(ours, thresholds), _pooling(theirs, thresholds)
    everyone = np.arange(len(ours))
    a, b = (pool(everyone) for pool in pools)
    if unknown := [name for name in metrics if name not in a]:
        raise SomaNetError(
            f"The rule names {unknown[0]!r}, which per-image tables do not give; there are {', '.join(a)}."
        )

    def difference(index: NDArray[np.intp]) -> dict[str, float]:
        first, second = (pool(index) for pool in pools)
        return {name: first[name] - second[name] for name in metrics}

    intervals = bootstrap_intervals(len(ours), difference, seed=BOOTSTRAP_SEED)
    return {name: Difference(a[name], b[name], a[name] - b[name], *intervals[name]) for name in metrics}


def _same_images(candidate: pd.DataFrame, champion: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables in the same order of images."""
    for table in (candidate, champion):
        if missing := {"name", "iou", "n_true"} - set(table.columns):
            raise SomaNetError(f"A per-image table lacks {sorted(missing)}. Was it written by `somanet evaluate`?")
    first, second = (table.set_index(table["name"].astype(str)).sort_index() for table in (candidate, champion))
    if list(first.index) != list(second.index):
        only = [*first.index.difference(second.index), *second.index.difference(first.index)]
        example = f", such as {only[0]!r}" if only else ""
        raise SomaNetError(
            f"The two networks were scored on different images: {len(first)} and {len(second)}, {len(only)} of them "
            f"not shared{example}. Score both on the same set (`dvc repro`, or `somanet evaluate --record`)."
        )
    differing = first.index[(first["n_true"] != second["n_true"]).to_numpy()]
    if len(differing):
        raise SomaNetError(
            f"The two networks were scored against different truths: {differing[0]!r} has "
            f"{first['n_true'].loc[differing[0]]:g} somas in one and {second['n_true'].loc[differing[0]]:g} in the "
            "other. Score both against the same labels."
        )
    return first, second


def _thresholds(table: pd.DataFrame) -> tuple[float, ...]:
    found = (re.fullmatch(r"tp_([\d.]+)", str(name)) for name in table.columns)
    return tuple(sorted(float(match[1]) for match in found if match))


def _pooling(table: pd.DataFrame, thresholds: tuple[float, ...]) -> Callable[[NDArray[np.intp]], dict[str, float]]:
    """Scores of some rows of a table; sizes of matched objects are in no table, so `size_bias` is left out."""
    from somanet.evaluation.masks import count_columns, pool

    columns = {name: table[name].to_numpy(float) for name in count_columns(thresholds)}

    def pooled(index: NDArray[np.intp]) -> dict[str, float]:
        rows = {name: values[index] for name, values in columns.items()}
        scores = pool(rows, [()] * len(index), thresholds=thresholds)
        return {name: value for name, value in scores.items() if name != "size_bias"}

    return pooled
