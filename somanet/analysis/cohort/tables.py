"""The comparison as tables: everything in one row per number and pair of groups, and the few numbers to watch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from somanet.analysis.cohort.gather import Cohort
from somanet.analysis.cohort.sensitivity import by_every_second_frame, by_model
from somanet.core.schema import Column, Schema
from somanet.migration.group_tests import LeaveOneOut
from somanet.migration.groups import Comparison
from somanet.migration.pooling import UNITS

COMPARISON = Schema(
    "comparison",
    (
        Column("number", "string", "", "what is compared, as in the summaries"),
        Column("unit", "string", "", "of means, differences and their intervals"),
        Column("reference", "string", "", "the group that is subtracted"),
        Column("group", "string", "", "the group that it is subtracted from"),
        Column("test", "string", "", "name of the test; empty if there is none, see problem"),
        Column("paired", "string", "", "donor: the same id in two groups is the same donor; empty: it is not"),
        Column("donors_reference", "int64", "", "donors that count: those with this number, in pairs with it in both"),
        Column("donors_group", "int64", "", "the same of the group"),
        Column("movies_reference", "int64", "", "movies of the donors that count"),
        Column("movies_group", "int64", "", "the same of the group"),
        Column("cells_reference", "int64", "", "cells of these donors, observed long enough"),
        Column("cells_group", "int64", "", "the same of the group"),
        Column("mean_reference", "float64", "", "mean of the donors that count"),
        Column("mean_group", "float64", "", "the same of the group"),
        Column("difference", "float64", "", "group less reference"),
        Column("low", "float64", "", "lower end of its 95 % interval"),
        Column("high", "float64", "", "upper end"),
        Column("hedges_g", "float64", "", "difference over the standard deviation between donors"),
        Column("p_value", "float64", "", "of no difference"),
        Column("p_adjusted", "float64", "", "corrected for all tests of the table"),
        Column("correction", "string", "", "how, and over how many tests"),
        Column("difference_by_model", "float64", "", "by the second detector, the hidden Markov model"),
        Column(
            "difference_every_second_frame", "float64", "", "with every second frame left out; empty if not measured"
        ),
        Column("without_one_donor_low", "float64", "", "least difference when one donor is left out"),
        Column("without_one_donor_high", "float64", "", "greatest one"),
        Column("without_one_donor_p", "float64", "", "greatest p when one donor is left out"),
        Column("without_one_donor", "string", "", "the donor without whom it is greatest"),
        Column("mixed_difference", "float64", "", "by a linear mixed model of the movies' numbers"),
        Column("mixed_low", "float64", "", "lower end of its 95 % interval"),
        Column("mixed_high", "float64", "", "upper end"),
        Column("mixed_p", "float64", "", "of no difference, by the mixed model"),
        Column("mixed_model", "string", "", "the model, or why there is none"),
        Column("notes", "string", "", "donors that do not count, ids in both groups"),
        Column("problem", "string", "", "why there is no test; empty if there is one"),
    ),
)
NOBODY = LeaveOneOut(math.nan, math.nan, math.nan, "")


def comparison_table(cohort: Cohort) -> pd.DataFrame:
    """One row per number and pair of groups: test, effect, sensitivity, checks; ``p_adjusted`` covers all rows."""
    return COMPARISON.frame([_row(cohort, one) for one in cohort.comparisons])


def _row(cohort: Cohort, one: Comparison) -> dict[str, Any]:
    counted = one.donors[one.donors["counted"]]
    of = [counted[counted["group"] == group] for group in one.groups]
    without = one.leave_one_out or NOBODY
    return {
        "number": one.number,
        "unit": UNITS[one.number],
        "reference": one.groups[0],
        "group": one.groups[1],
        "test": one.test,
        "paired": "donor" if one.paired else "",
        "donors_reference": one.n[0],
        "donors_group": one.n[1],
        "movies_reference": int(of[0]["n_movies"].sum()),
        "movies_group": int(of[1]["n_movies"].sum()),
        "cells_reference": int(of[0]["n_cells"].sum()),
        "cells_group": int(of[1]["n_cells"].sum()),
        "mean_reference": one.means[0],
        "mean_group": one.means[1],
        "difference": one.difference,
        "low": one.low,
        "high": one.high,
        "hedges_g": one.hedges_g,
        "p_value": one.p_value,
        "p_adjusted": one.p_adjusted,
        "correction": one.correction,
        "difference_by_model": by_model(cohort, one),
        "difference_every_second_frame": by_every_second_frame(cohort, one),
        "without_one_donor_low": without.low,
        "without_one_donor_high": without.high,
        "without_one_donor_p": without.p_value,
        "without_one_donor": without.donor,
        "mixed_difference": one.mixed.difference,
        "mixed_low": one.mixed.low,
        "mixed_high": one.mixed.high,
        "mixed_p": one.mixed.p_value,
        "mixed_model": one.mixed.terms or one.mixed.problem,
        "notes": " ".join(one.notes),
        "problem": one.problem,
    }


METRICS = ("difference", "low", "high", "hedges_g", "p_value", "p_adjusted")


def comparison_metric(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """The few numbers to watch between runs, by pair of groups and number."""
    found: dict[str, Any] = {}
    for one in comparisons:
        pair = found.setdefault(f"{one.groups[1]} - {one.groups[0]}", {})
        pair[one.number] = {
            **{name: getattr(one, name) for name in METRICS},
            "n_reference": one.n[0],
            "n_group": one.n[1],
        }
    return found
