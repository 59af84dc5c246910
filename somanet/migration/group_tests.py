"""The test of two groups of donors, each donor one value, and how its outcome depends on single donors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd
from scipy import stats

from somanet.migration.bounded_difference import profile_of
from somanet.migration.comparability import donors_problem
from somanet.migration.kinematics import Floats

FEWEST_LEFT = 2


@dataclass(frozen=True)
class LeaveOneOut:
    """How a difference depends on single donors.

    Attributes:
        low, high: the least and the greatest difference when one donor is left out.
        p_value: the greatest p among them.
        donor: the donor without whom p is greatest.
    """

    low: float
    high: float
    p_value: float
    donor: str


def tested(a: Floats, b: Floats, *, number: str, paired: bool) -> tuple[float, float, float, float]:
    """Interval, effect size and p; of a number that has a range, :mod:`somanet.migration.bounded_difference`."""
    outcome = stats.ttest_rel(b, a) if paired else stats.ttest_ind(b, a, equal_var=False)
    interval = outcome.confidence_interval(0.95)
    pooled = math.sqrt(((a.size - 1) * a.var(ddof=1) + (b.size - 1) * b.var(ddof=1)) / (a.size + b.size - 2))
    small = 1 - 3 / (4 * (a.size + b.size - 2) - 1)
    effect = float(b.mean() - a.mean()) / pooled * small if pooled > 0 else math.nan
    profile = profile_of(number, a, b, paired=paired)
    if profile is not None:
        return *profile.interval(), effect, profile.p_value()
    return float(interval.low), float(interval.high), effect, float(outcome.pvalue)


def left_out_one_by_one(
    reference: pd.Series, other: pd.Series, groups: tuple[str, str], *, number: str, paired: bool
) -> LeaveOneOut | None:
    """The comparison without each donor in turn."""
    found: list[tuple[float, float, str]] = []
    if paired:
        without = [(reference.drop(donor), other.drop(donor), donor) for donor in reference.index]
    else:
        without = [(reference.drop(donor), other, f"{donor} of {groups[0]}") for donor in reference.index]
        without += [(reference, other.drop(donor), f"{donor} of {groups[1]}") for donor in other.index]
    for left, right, donor in without:
        a, b = left.to_numpy(float), right.to_numpy(float)
        if min(a.size, b.size) < FEWEST_LEFT or donors_problem(a, b, groups, paired=paired):
            return None
        found.append((float(b.mean() - a.mean()), tested(a, b, number=number, paired=paired)[3], str(donor)))
    worst = max(found, key=lambda one: one[1])
    return LeaveOneOut(min(one[0] for one in found), max(one[0] for one in found), worst[1], worst[2])
