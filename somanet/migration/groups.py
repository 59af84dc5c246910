"""Patients against controls: the comparison is between donors, however many cells each gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from somanet.core.errors import SomaNetError
from somanet.migration.mixed_model import MixedModel, fit_mixed_model
from somanet.migration.pooling import UNITS, long_enough, pooled_numbers

Floats = NDArray[np.float64]

COMPARED: tuple[str, ...] = (
    "frequency_corrected_per_h",
    "mean_length_corrected_um",
    "velocity_along_um_per_h",
    "mean_cosine",
    "resultant_corrected",
)
"""The numbers that groups are compared in: only those that frame interval, noise and number of cells do not change.

Drugs change frequency and length separately (Birey 2017, 2022). Speeds, path and straightness differ between groups of
equal motion as soon as noise or jump length do, so they are described and not compared: with lengths × 0.6 and equal
speed, the corrected speed comes out slower in 13 % of experiments, and turns between saltations come out a tenth larger
in groups of shorter or more frequent jumps. A further number belongs here once its error rates in
`tests/migration/test_groups.py` hold.
"""
SAME_INTERVAL = 1.02
"""Frame intervals within this factor are equal: microscopes write 10.003 min for 10 min."""
WELCH, PAIRED_T = "Welch's t test of donors", "paired t test of donors"
HOLM, BENJAMINI_HOCHBERG = "Holm", "Benjamini-Hochberg"
FEWEST_LEFT = 2
ROUNDING = 1e-9
MOST_CELLS_RATIO = 2.0
"""Cells per donor of one group over those of the other, up to which R is compared: random directions are found
different in 0.04 to 0.06 of experiments up to here, in up to 0.08 at 3 and 0.12 at 5."""


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


@dataclass(frozen=True)
class Comparison:
    """Two groups compared at the level of donors.

    Attributes:
        number: what is compared, of :data:`somanet.migration.pooling.UNITS`.
        groups: reference first; differences are the second less the first.
        donors: each donor's own number: columns ``group``, ``donor``, ``value`` (NaN where undefined), ``n_movies``
            (0 if movies are not named), ``n_cells``, and ``counted``: whether it has a value, and in a paired test one
            in both groups. All that is computed is of these.
        n: donors that count, by group.
        means: of these donors.
        difference, low, high: with its 95 % interval.
        hedges_g: difference over the standard deviation between donors, corrected for few donors (Hedges 1981).
        p_value: of no difference.
        p_adjusted: p corrected for all tests of the cohort, see :func:`compare_cohort`; NaN before.
        correction: how, and over how many tests; empty before.
        test: its name; empty if there is none.
        paired: donors are compared with themselves, as with a drug and its vehicle.
        leave_one_out: the same without each donor; None where too few would be left.
        mixed: a linear mixed model of movies within donors, as a check.
        notes: what a reader has to know: donors left out, ids in both groups.
        problem: why there are no interval, effect size and p; empty if there are.
    """

    number: str
    groups: tuple[str, str]
    donors: pd.DataFrame
    n: tuple[int, int]
    means: tuple[float, float]
    difference: float
    low: float
    high: float
    hedges_g: float
    p_value: float
    p_adjusted: float
    correction: str
    test: str
    paired: bool
    leave_one_out: LeaveOneOut | None
    mixed: MixedModel
    notes: tuple[str, ...]
    problem: str


def compare_cohort(
    cells: pd.DataFrame, *, reference: str, numbers: Sequence[str] = COMPARED, paired: bool = False
) -> list[Comparison]:
    """Compare all pairs of groups in all numbers, with p corrected for the number of tests.

    Two groups: Benjamini & Hochberg (1995) over the numbers, which bounds the share of false discoveries. Three groups
    or more: all pairs, those with the reference first, and Holm (1979) over all pairs and numbers, which bounds the
    chance of any false one.

    Args:
        cells: :data:`somanet.migration.tables.MIGRATION` with columns ``donor`` and ``group``, and ``movie`` and
            ``batch`` if known.
        reference: the group that the others are compared with.
        numbers: of :data:`somanet.migration.pooling.UNITS`.
        paired: the same donor id in two groups is the same person.

    Raises:
        SomaNetError: as :func:`compare_groups`.
    """
    found = sorted(long_enough(cells)["group"].astype(str).unique())
    ordered = [*(group for group in found if group == reference), *(group for group in found if group != reference)]
    pairs = list(combinations(ordered, 2))
    comparisons = [
        compare_groups(cells[cells["group"].isin(pair)], number=number, reference=pair[0], paired=paired)
        for pair in pairs
        for number in numbers
    ]
    return _corrected(comparisons, HOLM if len(ordered) > 2 else BENJAMINI_HOCHBERG)


def _corrected(comparisons: list[Comparison], method: str) -> list[Comparison]:
    from statsmodels.stats.multitest import multipletests

    tested = [place for place, one in enumerate(comparisons) if math.isfinite(one.p_value)]
    if not tested:
        return comparisons
    p = [comparisons[place].p_value for place in tested]
    adjusted = multipletests(p, method={HOLM: "holm", BENJAMINI_HOCHBERG: "fdr_bh"}[method])[1]
    words = f"{method} over {len(tested)} tests" if len(tested) > 1 else "one test, none needed"
    result = list(comparisons)
    for place, value in zip(tested, adjusted, strict=True):
        result[place] = replace(comparisons[place], p_adjusted=float(value), correction=words)
    return result


def compare_groups(cells: pd.DataFrame, *, number: str, reference: str, paired: bool = False) -> Comparison:
    """Compare a number between two groups, each donor counting once.

    Cells of one donor are alike, so cells or movies as units would find differences that are not there. A donor id that
    is in both groups means two donors unless ``paired`` says otherwise: ids are often counted anew in each group.

    Args:
        cells: :data:`somanet.migration.tables.MIGRATION` with columns ``donor`` and ``group``.
        number: a name of :data:`somanet.migration.pooling.UNITS`.
        reference: the group that the other one is compared with.
        paired: compare donors of both groups with themselves; the others are left out.

    Raises:
        SomaNetError: an unknown number, not two groups, or no donors named.
    """
    if number not in UNITS:
        raise SomaNetError(f"There is no number {number!r} to compare; there are {', '.join(UNITS)}.")
    missing = [name for name in ("donor", "group") if name not in cells]
    if missing:
        raise SomaNetError(f"The cells lack {missing}: groups are compared between donors. Name them per movie.")
    used = long_enough(cells)
    used = used.assign(group=used["group"].astype(str), donor=used["donor"].astype(str))
    names = sorted(used["group"].unique())
    if len(names) != 2 or reference not in names:
        raise SomaNetError(f"Expected two groups with cells, {reference!r} one of them; found {names}.")
    groups = (reference, next(name for name in names if name != reference))
    donors = donor_values(used, number)
    sides = [
        donors[(donors["group"] == group) & donors["value"].notna()].set_index("donor")["value"] for group in groups
    ]
    notes = [*_undefined(donors, groups), *_reused(donors, groups, paired=paired)]
    if paired:
        shared = sides[0].index.intersection(sides[1].index)
        if alone := sorted(set(sides[0].index) ^ set(sides[1].index)):
            notes.append(f"Not paired, as they have the number in one group only: donors {', '.join(alone)}.")
        sides = [side.loc[shared] for side in sides]
    counts = [pd.MultiIndex.from_product([[group], side.index]) for group, side in zip(groups, sides, strict=True)]
    counting = counts[0].append(counts[1])
    donors["counted"] = pd.MultiIndex.from_frame(donors[["group", "donor"]]).isin(counting)
    a, b = (side.to_numpy(float) for side in sides)
    means = tuple(float(side.mean()) if side.size else math.nan for side in (a, b))
    problem = (
        _intervals_problem(used, groups)
        or _problem(a, b, groups, paired=paired)
        or (_few_cells_problem(donors[donors["counted"]], groups) if number == "resultant_corrected" else "")
    )
    result = (math.nan,) * 4 if problem else _test(a, b, paired=paired)
    return Comparison(
        number=number,
        groups=groups,
        donors=donors,
        n=(a.size, b.size),
        means=(means[0], means[1]),
        difference=means[1] - means[0],
        low=result[0],
        high=result[1],
        hedges_g=result[2],
        p_value=result[3],
        p_adjusted=math.nan,
        correction="",
        test="" if problem else PAIRED_T if paired else WELCH,
        paired=paired,
        leave_one_out=None if problem else _leave_one_out(sides[0], sides[1], groups, paired=paired),
        mixed=MixedModel.none(problem)
        if problem
        else fit_mixed_model(
            used[pd.MultiIndex.from_frame(used[["group", "donor"]]).isin(counting)],
            number=number,
            groups=groups,
            paired=paired,
        ),
        notes=tuple(notes),
        problem=problem,
    )


def donor_values(cells: pd.DataFrame, number: str) -> pd.DataFrame:
    """Each donor's own number in each group, pooled over its cells: ``group, donor, value, n_movies, n_cells``."""
    rows = []
    for (group, donor), table in cells.groupby(["group", "donor"]):
        pooled = pooled_numbers(table.reset_index(drop=True), np.ones((1, len(table))))
        n_movies = int(table["movie"].nunique()) if "movie" in table else 0
        rows.append((str(group), str(donor), float(pooled[number][0]), n_movies, len(table)))
    return pd.DataFrame(rows, columns=["group", "donor", "value", "n_movies", "n_cells"])


def frame_intervals_min(cells: pd.DataFrame) -> list[float]:
    """The frame intervals of cells, ascending, those within 2 % of each other as one."""
    found: list[float] = []
    for minutes in sorted(60 * float(hours) for hours in cells["frame_interval_h"].dropna().unique()):
        if not found or minutes > SAME_INTERVAL * found[-1]:
            found.append(minutes)
    return found


def _intervals_problem(cells: pd.DataFrame, groups: tuple[str, str]) -> str:
    """Refuse groups of several frame intervals: what frames hide is corrected for, but not exactly."""
    if len(frame_intervals_min(cells)) < 2:
        return ""
    each = [
        f"{group} every {' and '.join(f'{m:.4g}' for m in frame_intervals_min(cells[cells['group'] == group]))} min"
        for group in groups
    ]
    return (
        f"The groups cannot be compared: their movies have different frame intervals ({'; '.join(each)}), and every "
        "number depends on it. Compare movies of one interval, or leave out frames of the faster ones."
    )


def _few_cells_problem(donors: pd.DataFrame, groups: tuple[str, str]) -> str:
    """Refuse R of donors with few cells against R of donors with many: the former varies more, and not evenly."""
    cells = [float(donors.loc[donors["group"] == group, "n_cells"].median()) for group in groups]
    if max(cells) <= MOST_CELLS_RATIO * min(cells):
        return ""
    each = " and ".join(f"{group} has {n:.3g}" for group, n in zip(groups, cells, strict=True))
    return (
        f"R of the groups cannot be compared, as {each} cells per donor: with more than twice as many, equal "
        "directions are found different too often. Compare the mean cosine to an axis (--axis-deg), or film more cells."
    )


def _undefined(donors: pd.DataFrame, groups: tuple[str, str]) -> list[str]:
    lacking = [
        f"{', '.join(donors.loc[(donors['group'] == group) & donors['value'].isna(), 'donor'])} of {group}"
        for group in groups
        if donors.loc[donors["group"] == group, "value"].isna().any()
    ]
    return [f"Not counted, as this number is undefined for them: {'; '.join(lacking)}."] if lacking else []


def _reused(donors: pd.DataFrame, groups: tuple[str, str], *, paired: bool) -> list[str]:
    reference, other = (set(donors.loc[donors["group"] == group, "donor"]) for group in groups)
    both = sorted(reference & other)
    if not both or paired:
        return []
    ids = ", ".join(both[:6]) + (", …" if len(both) > 6 else "")
    note = f"The donor ids {ids} are in both groups and count as different donors."
    return [f"{note} If they are the same, compare them with themselves: --paired donor."]


def _problem(a: Floats, b: Floats, groups: tuple[str, str], *, paired: bool) -> str:
    """Why donors cannot be compared, in words."""
    if paired and a.size < 2:
        return (
            f"The groups cannot be compared in pairs: {a.size} donor(s) have this number in both, and it takes two. "
            "Give the same id to the movies of one donor, or leave out --paired."
        )
    few = [f"{group} has {side.size}" for group, side in zip(groups, (a, b), strict=True) if side.size < 2]
    if few:
        return (
            f"The groups cannot be compared: {' and '.join(few)} donor(s) with this number, and it takes two per "
            "group to know how much donors differ. More cells or movies of the same donor do not help."
        )
    spread = np.ptp(b - a) if paired else np.ptp(a) + np.ptp(b)
    size = max(float(np.abs(a).max()), float(np.abs(b).max()))
    return "" if spread > ROUNDING * size else "The groups cannot be compared: the donors' numbers do not vary at all."


def _test(a: Floats, b: Floats, *, paired: bool) -> tuple[float, float, float, float]:
    """Interval, effect size and p."""
    outcome = stats.ttest_rel(b, a) if paired else stats.ttest_ind(b, a, equal_var=False)
    interval = outcome.confidence_interval(0.95)
    pooled = math.sqrt(((a.size - 1) * a.var(ddof=1) + (b.size - 1) * b.var(ddof=1)) / (a.size + b.size - 2))
    small = 1 - 3 / (4 * (a.size + b.size - 2) - 1)
    effect = float(b.mean() - a.mean()) / pooled * small if pooled > 0 else math.nan
    return float(interval.low), float(interval.high), effect, float(outcome.pvalue)


def _leave_one_out(
    reference: pd.Series, other: pd.Series, groups: tuple[str, str], *, paired: bool
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
        if min(a.size, b.size) < FEWEST_LEFT or _problem(a, b, groups, paired=paired):
            return None
        found.append((float(b.mean() - a.mean()), _test(a, b, paired=paired)[3], str(donor)))
    worst = max(found, key=lambda one: one[1])
    return LeaveOneOut(min(one[0] for one in found), max(one[0] for one in found), worst[1], worst[2])
