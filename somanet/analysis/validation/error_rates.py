"""How often two groups of donors are found different: by the test of donors, the mixed model, and cells as units.

Donors are simulated once, as a bank of movies with cells nested in them; experiments are drawn from it. Donors differ,
so that cells of one donor are alike, and no group differs from the other unless a design says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from somanet.analysis.validation.conditions import TrackCondition
from somanet.analysis.validation.ground_truth import donor_settings
from somanet.analysis.validation.tracks import coverage_of, simulate_tracks
from somanet.core.markdown import table
from somanet.migration.cells import migration_of
from somanet.migration.groups import compare_cohort

GROUPS = ("control", "patient")
ALPHA = 0.05
PER_CELL: Mapping[str, str] = {
    "frequency_corrected_per_h": "frequency_corrected_per_h",
    "mean_length_corrected_um": "mean_length_um",
}
"""The numbers that are simulated here, and the column of the cells that stands for each where cells are the units."""
CONDITION = TrackCondition(n_cells=10, donor_cv=0.2)
MOST_MOVIES = 4
FAR = 3.47
"""Spreads between donors: twice the mean pause and the mean length of the others, as exp(0.2 · 3.47) = 2."""


@dataclass(frozen=True)
class Design:
    """One kind of experiment.

    Attributes:
        name: in the table.
        movies: of each donor of a group.
        far_off: one donor of the second group has twice the mean pause and the mean length of the others.
    """

    name: str
    movies: tuple[int, ...] = (2, 2, 2, 2)
    far_off: bool = False


DESIGNS = (
    Design("no effect, 2 movies of each donor"),
    Design("no effect, 1 to 4 movies", movies=(1, 2, 3, 4)),
    Design("no effect, 2 movies, one donor far off", far_off=True),
)


def simulate_donors(n: int, *, seed: int, far_off: bool = False) -> list[list[pd.DataFrame]]:
    """Cells of each donor's movies, :data:`somanet.migration.tables.MIGRATION`, measured as a user's.

    Args:
        n: donors, each with as many movies as a design has at most.
        seed: of their differences and movies.
        far_off: every donor has twice the mean pause and length of the mean donor.
    """
    donors = []
    for own in np.random.SeedSequence(seed).spawn(n):
        rng = np.random.default_rng(own)
        z = np.full(2, FAR) if far_off else rng.standard_normal(2)
        settings = donor_settings(CONDITION, pause_z=float(z[0]), length_z=float(z[1]))
        movies = [simulate_tracks(rng, CONDITION, settings=settings)[0] for _ in range(MOST_MOVIES)]
        donors.append([migration_of(tracks, drift="none").cells for tracks in movies])
    return donors


@dataclass(frozen=True)
class Bank:
    """Simulated donors to draw from: plain ones, and ones that are far off."""

    plain: Sequence[Sequence[pd.DataFrame]]
    far_off: Sequence[Sequence[pd.DataFrame]]

    @classmethod
    def simulated(cls, n: int, *, seed: int = 0) -> Bank:
        """``n`` plain donors, and an eighth as many that are far off."""
        return cls(simulate_donors(n, seed=seed), simulate_donors(max(n // 8, 4), seed=seed + 1, far_off=True))


def drawn_experiment(bank: Bank, design: Design, rng: np.random.Generator) -> pd.DataFrame:
    """The cells of one experiment: different donors in both groups, which movies of each by chance."""
    n = len(design.movies)
    chosen = rng.choice(len(bank.plain), 2 * n, replace=False)
    parts = []
    for side, group in enumerate(GROUPS):
        donors = [bank.plain[i] for i in chosen[side * n : (side + 1) * n]]
        if side and design.far_off:
            donors[int(rng.integers(n))] = bank.far_off[int(rng.integers(len(bank.far_off)))]
        for d, (movies, count) in enumerate(zip(donors, rng.permutation(design.movies), strict=True)):
            for m in rng.choice(len(movies), count, replace=False):
                name = f"{group}{d}"
                parts.append(movies[m].assign(group=group, donor=name, movie=f"{name}m{m}"))
    cells: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return cells


def score_design(bank: Bank, design: Design, *, experiments: int, seed: int = 0) -> pd.DataFrame:
    """How often p is below 0.05, by number and test; those without a p do not count, and how many they are is said.

    Returns:
        One row per number and test: ``rate`` with Wilson's 95 % interval, ``tested``, ``experiments``.
    """
    rng = np.random.default_rng(seed)
    found: list[tuple[str, str, float]] = []
    for _ in range(experiments):
        cells = drawn_experiment(bank, design, rng)
        for one in compare_cohort(cells, reference=GROUPS[0], numbers=tuple(PER_CELL)):
            found += [(one.number, "donors", one.p_value), (one.number, "mixed", one.mixed.p_value)]
        found += [(number, "cells", _cells_p(cells, column)) for number, column in PER_CELL.items()]
    table_of_p = pd.DataFrame(found, columns=["number", "test", "p"])
    rows = []
    for (number, test), p in table_of_p.groupby(["number", "test"], sort=False)["p"]:
        known = p.dropna().to_numpy(float)
        rate = coverage_of(known < ALPHA)
        rows.append(
            {
                "design": design.name,
                "number": number,
                "test": test,
                "rate": rate["coverage"],
                "rate_low": rate["coverage_low"],
                "rate_high": rate["coverage_high"],
                "tested": known.size,
                "experiments": experiments,
            }
        )
    return pd.DataFrame(rows)


def _cells_p(cells: pd.DataFrame, column: str) -> float:
    """Welch's t test with cells as units: what donors make wrong."""
    sides = [cells.loc[cells["group"] == group, column].dropna() for group in GROUPS]
    if min(map(len, sides)) < 2 or max(np.ptp(side) for side in sides) == 0:
        return float("nan")
    return float(stats.ttest_ind(*sides, equal_var=False).pvalue)


def error_rates_markdown(scores: pd.DataFrame) -> str:
    """A line per design; of each number the rates by donors, mixed model and cells."""
    labels = {"frequency_corrected_per_h": "frequency", "mean_length_corrected_um": "length"}
    tests = {"donors": "donors", "mixed": "mixed model", "cells": "cells as units"}
    columns = [(number, test) for number in PER_CELL for test in tests]
    head = ["4 + 4 donors", *(f"{labels[number]}: {tests[test]}" for number, test in columns)]
    lines = []
    for design, rows in scores.groupby("design", sort=False):
        by = rows.set_index(["number", "test"])
        lines.append([str(design), *(_rate(by.loc[[column]].iloc[0]) for column in columns)])
    return table(head, lines)


def _rate(row: pd.Series) -> str:
    """``0.05 (0.03–0.09)``; with how many of the experiments could be tested where not all could."""
    some = "" if row["tested"] == row["experiments"] else f", {row['tested']} tested"
    return f"{row['rate']:.2f} ({row['rate_low']:.2f}–{row['rate_high']:.2f}{some})"
