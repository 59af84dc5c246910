"""A cohort of movies: one row per movie, all cells in one table, and groups compared between donors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from somanet.analysis import names
from somanet.analysis.cell_tables import read_migration
from somanet.analysis.source import movie_name
from somanet.core.errors import SomaNetError
from somanet.core.files import write_json
from somanet.core.schema import Column, Schema
from somanet.io.tables import read_table, write_table
from somanet.migration.groups import Comparison, compare_groups
from somanet.migration.summary import UNITS, Summary, long_enough, summarize
from somanet.migration.tables import CELL_INTERNALS

COMPARED = (
    "frequency_corrected_per_h",
    "mean_length_corrected_um",
    "mobile_speed_um_per_h",
    "mean_pause_h",
    "average_speed_um_per_h",
    "saltating_share",
)
"""Quantities in which groups are compared; drugs change frequency and length separately (Birey 2017, 2022)."""
MOVIES, CELLS, COMPARISON, PICTURE = "movies.csv", "cells.csv", "comparison.csv", "comparison.png"
CONDITIONS = Schema("conditions", (Column("movie", "string", "", "file name, with or without its suffix"),))


@dataclass(frozen=True)
class Cohort:
    """The combined results of several movies.

    Attributes:
        movies: one row per movie.
        cells: :data:`somanet.migration.tables.MIGRATION` of all movies, with ``movie``, and ``donor`` and ``group`` if
            known.
        summaries: by group, and for all movies under "all".
        comparisons: each group against the reference.
    """

    movies: pd.DataFrame
    cells: pd.DataFrame
    summaries: Mapping[str, Summary]
    comparisons: Sequence[Comparison]


def read_conditions(path: Path, movies: Sequence[str]) -> pd.DataFrame:
    """The user's table of the movies: ``movie`` and ``donor``, ``group`` or both, one row per movie, in their order.

    Raises:
        SomaNetError: columns are missing, a movie has no row or more than one, or a cell is empty.
    """
    table = read_table(path, CONDITIONS)
    known = [name for name in ("donor", "group") if name in table.columns]
    if not known:
        raise SomaNetError(f"{path}: expected the columns movie and donor or group, found {list(table.columns)}.")
    table = table[["movie", *known]].assign(movie=[movie_name(Path(name)) for name in table["movie"]])
    for name in known:
        values = table[name].astype("object").where(table[name].notna(), "")
        table[name] = [str(value).strip() for value in values]
        if (table[name] == "").any():
            raise SomaNetError(f"{path}: the {name} of {table.loc[table[name] == '', 'movie'].iloc[0]!r} is empty.")
    twice = table.loc[table["movie"].duplicated(), "movie"]
    if len(twice):
        raise SomaNetError(f"{path}: {twice.iloc[0]!r} has two rows; expected one per movie.")
    missing = sorted(set(movies) - set(table["movie"]))
    if missing:
        raise SomaNetError(
            f"{path}: no row for {', '.join(map(repr, missing[:4]))}; it has rows for "
            f"{', '.join(map(repr, table['movie'][:4]))}, …. Name every movie once."
        )
    return table.set_index("movie").loc[list(movies)].reset_index()


def gather_cohort(
    folders: Mapping[str, Path], conditions: pd.DataFrame | None, *, reference: str | None = None
) -> Cohort:
    """Combine the results of analysed movies.

    Args:
        folders: movie name → its folder of results.
        conditions: from :func:`read_conditions`; without it the movies have no groups or donors.
        reference: the group that the others are compared with; needed if there are groups to compare.

    Raises:
        SomaNetError: results are missing or do not belong together, or the reference is not a group.
    """
    tables = []
    for movie, folder in folders.items():
        cells = read_migration(folder)
        cells.insert(0, "movie", movie)
        tables.append(cells)
    cells = pd.concat(tables, ignore_index=True)
    if conditions is not None:
        cells = conditions.merge(cells, on="movie", how="right")
    movies = pd.DataFrame([_row(movie, part) for movie, part in _by_movie(cells, folders)])
    if conditions is not None:
        movies = conditions.merge(movies, on="movie")
    summaries = {"all": summarize(cells)}
    comparisons: list[Comparison] = []
    if "group" in cells:
        groups = sorted(set(movies["group"]))
        summaries |= {group: summarize(cells[cells["group"] == group].reset_index(drop=True)) for group in groups}
        if reference is not None:
            comparisons = _compare(cells, groups, reference)
    return Cohort(movies, cells, summaries, comparisons)


def _by_movie(cells: pd.DataFrame, folders: Mapping[str, Path]) -> list[tuple[str, pd.DataFrame]]:
    return [(movie, cells[cells["movie"] == movie].reset_index(drop=True)) for movie in folders]


def _row(movie: str, cells: pd.DataFrame) -> dict[str, object]:
    summary = summarize(cells.drop(columns=["movie", "donor", "group"], errors="ignore"))
    row: dict[str, object] = {"movie": movie, "n_cells": summary.n_cells, "n_short": summary.n_short}
    row["n_events"] = summary.n_events
    for name, estimate in summary.numbers.items():
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return row


def _compare(cells: pd.DataFrame, groups: Sequence[str], reference: str) -> list[Comparison]:
    if reference not in groups:
        raise SomaNetError(f"There is no group {reference!r} to compare with. Use one of {', '.join(groups)}.")
    if "donor" not in cells:
        raise SomaNetError(
            "Groups are compared between donors, as cells and movies of one donor are alike: give the conditions a "
            "column 'donor'."
        )
    present = set(long_enough(cells)["group"])
    found = []
    for group in groups:
        if group == reference or not {group, reference} <= present:
            continue
        both = cells[cells["group"].isin([reference, group])]
        found += [compare_groups(both, number=number, reference=reference) for number in COMPARED]
    return found


def comparison_table(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """One row per quantity and pair of groups; ``p_adjusted`` covers all rows together (Benjamini & Hochberg 1995)."""
    from scipy.stats import false_discovery_control

    rows = []
    for c in comparisons:
        (a, b), (mean_a, mean_b) = c.groups, c.means
        counts = [int((c.donors["group"] == group).sum()) for group in c.groups]
        rows.append(
            {
                "number": c.number,
                "unit": UNITS[c.number],
                "reference": a,
                "group": b,
                "donors_reference": counts[0],
                "donors_group": counts[1],
                "mean_reference": mean_a,
                "mean_group": mean_b,
                **{name: asdict(c)[name] for name in ("difference", "low", "high", "hedges_g", "p_value", "paired")},
                "p_adjusted": np.nan,
                "problem": c.problem,
            }
        )
    table = pd.DataFrame(rows)
    if len(table):
        tested = table["p_value"].notna()
        if tested.any():
            table.loc[tested, "p_adjusted"] = false_discovery_control(table.loc[tested, "p_value"].to_numpy(float))
    return table


def write_cohort(cohort: Cohort, output: Path) -> list[Path]:
    """Write the tables and, with groups, their comparison as a table and a figure; return the paths.

    The table of all cells has no internals: those stay in each movie's folder.
    """
    from somanet.core import plots
    from somanet.core.plots import save_figure

    write_table(output / MOVIES, cohort.movies)
    write_table(output / CELLS, cohort.cells.drop(columns=list(CELL_INTERNALS.names[1:])))
    write_json(output / names.SUMMARY, {group: summary.as_dict() for group, summary in cohort.summaries.items()})
    written = [output / MOVIES, output / CELLS, output / names.SUMMARY]
    if cohort.comparisons:
        write_table(output / COMPARISON, comparison_table(cohort.comparisons))
        figure = plots.groups([(c.number, UNITS[c.number], c.groups, c.donors) for c in cohort.comparisons])
        save_figure(figure, output / PICTURE)
        written += [output / COMPARISON, output / PICTURE]
    return written
