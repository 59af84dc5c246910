"""The same differences between groups by another way of measuring: the second detector, half of the frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from somanet.analysis.cohort.gather import Cohort
from somanet.migration.groups import Comparison


def by_model(cohort: Cohort, comparison: Comparison) -> float:
    """The difference by the second detector; NaN where it has no number for a donor that counts."""
    return _difference_of(cohort, comparison, lambda summary: summary.get("model", {}).get(comparison.number, {}))


def by_every_second_frame(cohort: Cohort, comparison: Comparison) -> float:
    """The difference with every second frame left out; NaN where movies were not measured so."""

    def thinned(summary: Mapping[str, Any]) -> Mapping[str, Any]:
        intervals = summary.get("frame_dropping", {}).get("rule", [])
        numbers: Mapping[str, Any] = next((one["numbers"] for one in intervals if one["factor"] == 2), {})
        return dict(numbers.get(comparison.number, {}))

    return _difference_of(cohort, comparison, thinned)


def _difference_of(
    cohort: Cohort, comparison: Comparison, number_of: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> float:
    """Between groups, of the means of donors' means of a number of their movies, weighted by cells."""
    means = []
    for group in comparison.groups:
        values = []
        counted = comparison.donors[(comparison.donors["group"] == group) & comparison.donors["counted"]]
        for donor in counted["donor"]:
            mine = cohort.movies[(cohort.movies["group"] == group) & (cohort.movies["donor"] == donor)]
            found = [
                (_value(number_of(cohort.results[row["movie"]].summary)), row["n_cells"])
                for row in mine.to_dict("records")
            ]
            known = [(value, n) for value, n in found if math.isfinite(value) and n > 0]
            weights = [n for _, n in known]
            values.append(float(np.average([value for value, _ in known], weights=weights)) if known else math.nan)
        means.append(float(np.mean(values)) if values else math.nan)
    return means[1] - means[0]


def _value(number: Mapping[str, Any]) -> float:
    value = number.get("value")
    return math.nan if value is None else float(value)
