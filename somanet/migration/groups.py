"""Patients against controls: the comparison is between donors, however many cells each gives."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from somanet.core.errors import SomaNetError
from somanet.migration.summary import UNITS, long_enough, pooled_numbers

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Two groups compared at the level of donors.

    Attributes:
        number: what is compared, of :data:`somanet.migration.summary.UNITS`.
        groups: reference first; differences are the second less the first.
        donors: each donor's own number: columns ``group``, ``donor``, ``value``.
        means: of each group's donors.
        difference, low, high: with its 95 % interval (Welch's t, or paired).
        hedges_g: difference over the standard deviation between donors, corrected for few donors (Hedges 1981).
        p_value: of no difference.
        paired: the same donors are in both groups, as with a drug and its vehicle, and are compared to themselves.
        problem: why there are no interval, effect size and p; empty if there are.
    """

    number: str
    groups: tuple[str, str]
    donors: pd.DataFrame
    means: tuple[float, float]
    difference: float
    low: float
    high: float
    hedges_g: float
    p_value: float
    paired: bool
    problem: str


def compare_groups(cells: pd.DataFrame, *, number: str, reference: str) -> Comparison:
    """Compare a number between two groups, each donor counting once.

    Cells of one donor are alike, so cells or movies as units would find differences that are not there. Several
    numbers compared at once need a correction for that, which this does not make.

    Args:
        cells: :data:`somanet.migration.tables.MIGRATION` with columns ``donor`` and ``group``.
        number: a name of :data:`somanet.migration.summary.UNITS`.
        reference: the group that the other one is compared with.

    Raises:
        SomaNetError: an unknown number, not two groups, or no donors named.
    """
    if number not in UNITS:
        raise SomaNetError(f"There is no number {number!r} to compare; there are {', '.join(UNITS)}.")
    missing = [name for name in ("donor", "group") if name not in cells]
    if missing:
        raise SomaNetError(f"The cells lack {missing}: groups are compared between donors. Name them per movie.")
    used = long_enough(cells)
    names = sorted(used["group"].astype(str).unique())
    if len(names) != 2 or reference not in names:
        raise SomaNetError(f"Expected two groups with cells, {reference!r} one of them; found {names}.")
    groups = (reference, next(name for name in names if name != reference))
    donors = _donor_values(used, number)
    sides = [
        donors[(donors["group"] == group) & donors["value"].notna()].set_index("donor")["value"] for group in groups
    ]
    shared = sides[0].index.intersection(sides[1].index)
    paired = len(shared) > 0 and len(shared) == len(sides[0]) == len(sides[1])
    a, b = sides[0].to_numpy(float), sides[1].reindex(sides[0].index if paired else sides[1].index).to_numpy(float)
    means = tuple(float(side.mean()) if side.size else math.nan for side in (a, b))
    result = (math.nan,) * 4
    problem = _problem(a, b, groups, overlap=len(shared) > 0 and not paired, paired=paired)
    if not problem:
        result = _test(a, b, paired=paired)
    return Comparison(number, groups, donors, (means[0], means[1]), means[1] - means[0], *result, paired, problem)


def _donor_values(cells: pd.DataFrame, number: str) -> pd.DataFrame:
    rows = [
        (str(group), donor, float(pooled_numbers(table.reset_index(drop=True), np.ones((1, len(table))))[number][0]))
        for (group, donor), table in cells.groupby(["group", "donor"])
    ]
    return pd.DataFrame(rows, columns=["group", "donor", "value"])


def _problem(a: Floats, b: Floats, groups: tuple[str, str], *, overlap: bool, paired: bool) -> str:
    """Why donors cannot be compared, in words."""
    few = [f"{group} has {side.size}" for group, side in zip(groups, (a, b), strict=True) if side.size < 2]
    if few:
        return (
            f"The groups cannot be compared: {' and '.join(few)} donor(s) with this number, and it takes two per "
            "group to know how much donors differ. More cells or movies of the same donor do not help."
        )
    if overlap:
        return "The groups cannot be compared: some donors are in both and some are not. Give both or one of each."
    spread = np.ptp(b - a) if paired else np.ptp(a) + np.ptp(b)
    return "" if spread > 0 else "The groups cannot be compared: the donors' numbers do not vary at all."


def _test(a: Floats, b: Floats, *, paired: bool) -> tuple[float, float, float, float]:
    """Interval, effect size and p."""
    outcome = stats.ttest_rel(b, a) if paired else stats.ttest_ind(b, a, equal_var=False)
    interval = outcome.confidence_interval(0.95)
    pooled = math.sqrt(((a.size - 1) * a.var(ddof=1) + (b.size - 1) * b.var(ddof=1)) / (a.size + b.size - 2))
    small = 1 - 3 / (4 * (a.size + b.size - 2) - 1)
    effect = float(b.mean() - a.mean()) / pooled * small if pooled > 0 else math.nan
    return float(interval.low), float(interval.high), effect, float(outcome.pvalue)
