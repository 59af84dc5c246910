"""Patients against controls: the comparison is between donors, however many cells each gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.migration.bounded_difference import beyond_range, profile_of, useless
from somanet.migration.comparability import (
    donors_problem,
    few_cells_problem,
    intervals_problem,
    reused_notes,
    undefined_notes,
    unsupported_notes,
)
from somanet.migration.group_tests import LeaveOneOut, left_out_one_by_one, tested
from somanet.migration.mixed_model import MixedModel, fit_mixed_model
from somanet.migration.pooling import UNITS, long_enough, pooled_numbers

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
WELCH, PAIRED_T = "Welch's t test of donors", "paired t test of donors"
HOLM, BENJAMINI_HOCHBERG = "Holm", "Benjamini-Hochberg"


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
        difference, low, high: with its 95 % interval, which is in the range of differences where the number has one
            (:mod:`somanet.migration.bounded_difference`); no interval, and a note, where it would be nearly all of it.
        hedges_g: difference over the standard deviation between donors, corrected for few donors (Hedges 1981).
        p_value: of no difference.
        p_adjusted: p corrected for all tests of the cohort, see :func:`compare_cohort`; NaN before.
        correction: how, and over how many tests; empty before.
        test: its name; empty if there is none.
        paired: donors are compared with themselves, as with a drug and its vehicle.
        leave_one_out: the same without each donor; None where too few would be left.
        mixed: a linear mixed model of movies within donors, as a check.
        notes: what a reader has to know: donors left out, movies that do not support the number, ids in both groups.
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
    notes = [
        *undefined_notes(donors, groups),
        *unsupported_notes(used, groups, number),
        *reused_notes(donors, groups, paired=paired),
    ]
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
        intervals_problem(used, groups)
        or donors_problem(a, b, groups, paired=paired)
        or (few_cells_problem(donors[donors["counted"]], groups) if number == "resultant_corrected" else "")
        or beyond_range(number, profile_of(number, a, b, paired=paired))
    )
    result = (math.nan,) * 4 if problem else tested(a, b, number=number, paired=paired)
    ends = result[:2]
    if not problem and (wide := useless(number, *ends)):
        ends = (math.nan, math.nan)
        notes.append(wide)
    return Comparison(
        number=number,
        groups=groups,
        donors=donors,
        n=(a.size, b.size),
        means=(means[0], means[1]),
        difference=means[1] - means[0],
        low=ends[0],
        high=ends[1],
        hedges_g=result[2],
        p_value=result[3],
        p_adjusted=math.nan,
        correction="",
        test="" if problem else PAIRED_T if paired else WELCH,
        paired=paired,
        leave_one_out=None
        if problem
        else left_out_one_by_one(sides[0], sides[1], groups, number=number, paired=paired),
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
