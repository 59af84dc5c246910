"""From movies' results to a cohort: tables, pooled numbers and comparisons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from somanet.analysis.cohort.cautions import cautions, notes_of
from somanet.analysis.cohort.conditions import Conditions, check_groups
from somanet.analysis.cohort.results import MovieResult
from somanet.analysis.cohort.verdicts import Verdict, verdicts_of
from somanet.migration.groups import COMPARED, Comparison, compare_cohort
from somanet.migration.pooling import long_enough
from somanet.migration.summary import Summary, summarize
from somanet.migration.verdict_names import HOLD, VERDICT

NOT_ESTIMATED = "not_estimated"
"""Ending of the columns of movies and donors that say why a number has no interval; empty where it has one."""


@dataclass(frozen=True)
class Cohort:
    """The combined results of several movies.

    Attributes:
        results: the movies, by name.
        movies: one row per movie.
        donors: one row per donor and group; empty if donors are not named.
        cells: :data:`somanet.migration.tables.MIGRATION` of all movies, with ``movie`` and its ``verdict``, and
            ``donor``, ``group`` and ``batch`` if known.
        summaries: by group, and for all movies under "all".
        comparisons: the reference against each group, then the other pairs.
        reference: the group that the others are compared with.
        paired: whether a donor id in two groups is one donor.
        verdicts: whether saltation numbers hold, by group, frame interval and settings.
        warnings: in words.
        notes: in words.
    """

    results: Mapping[str, MovieResult]
    movies: pd.DataFrame
    donors: pd.DataFrame
    cells: pd.DataFrame
    summaries: Mapping[str, Summary]
    comparisons: Sequence[Comparison]
    reference: str | None = None
    paired: bool = False
    verdicts: tuple[Verdict, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def drift(self) -> set[str]:
        """What drift was removed from in the movies: "image", "cells" or "none"."""
        return {str(one.summary.get("drift_removed_from", "none")) for one in self.results.values()}

    def rows_of_movies(self) -> dict[str, dict[str, Any]]:
        """The rows of the table of movies, by movie."""
        rows = self.movies.to_dict("records")
        return {str(row["movie"]): {str(name): value for name, value in row.items()} for row in rows}


def gather_cohort(
    results: Mapping[str, MovieResult],
    conditions: Conditions | None,
    *,
    reference: str | None = None,
    paired: bool = False,
    notes: Sequence[str] = (),
) -> Cohort:
    """Combine the results of analysed movies.

    Args:
        results: from :func:`somanet.analysis.cohort.results.read_results`.
        conditions: from :func:`somanet.analysis.cohort.conditions.read_conditions`; without it the movies have no
            groups or donors.
        reference: the group that the others are compared with; needed if there are groups to compare.
        paired: a donor id in two groups is one donor, compared with itself.
        notes: further ones for the reader.

    Raises:
        SomaNetError: the reference is not a group, or donors are not named.
    """
    table = None if conditions is None else conditions.table
    if table is not None:
        check_groups(table, reference)
    each = [one.cells.assign(movie=movie, **{VERDICT: one.verdict}) for movie, one in results.items()]
    cells = pd.concat(each, ignore_index=True)
    if table is not None:
        cells = table.merge(cells, on="movie", how="right")
    else:
        cells.insert(0, "movie", cells.pop("movie"))
    movies = pd.DataFrame([_movie_row(movie, result) for movie, result in results.items()])
    if table is not None:
        movies = table.merge(movies, on="movie")
    groups = sorted(set(movies["group"])) if "group" in movies else []
    apart = _donors_apart(cells, paired=paired)
    rules = {movie: one.min_track_h for movie, one in results.items()}
    summaries = {"all": _summary(apart, rules)}
    summaries |= {group: _summary(cells[cells["group"] == group].reset_index(drop=True), rules) for group in groups}
    comparisons: list[Comparison] = []
    with_cells = set(long_enough(cells)["group"]) if groups else set()
    if reference is not None and reference in with_cells and len(with_cells) > 1:
        comparisons = compare_cohort(cells, reference=reference, numbers=COMPARED, paired=paired)
    verdicts = tuple(verdicts_of(results, movies))
    holding = [one.in_words for one in verdicts if one.verdict == HOLD]
    doubtful = [one.in_words for one in verdicts if one.verdict != HOLD]
    unused, spelling = ((), ()) if conditions is None else (conditions.unused, conditions.warnings)
    return Cohort(
        results=results,
        movies=movies,
        donors=_donor_table(cells, rules),
        cells=cells,
        summaries=summaries,
        comparisons=comparisons,
        reference=reference,
        paired=paired,
        verdicts=verdicts,
        warnings=(*spelling, *doubtful, *cautions(results, movies, with_cells, summaries["all"], unused)),
        notes=(*notes, *holding, *notes_of(results, groups, with_cells, reference)),
    )


def _donors_apart(cells: pd.DataFrame, *, paired: bool) -> pd.DataFrame:
    """The same cells, with donors of one id in two groups told apart unless they are one."""
    if paired or not {"donor", "group"} <= set(cells):
        return cells
    return cells.assign(donor=cells["group"] + "/" + cells["donor"])


def _summary(cells: pd.DataFrame, rules: Mapping[str, float | None]) -> Summary:
    """The numbers of some cells; ``rules`` has the ``min_track_h`` of each movie."""
    return summarize(cells, min_track_h=[rules[str(movie)] for movie in cells["movie"].unique()] or [None])


def _movie_row(movie: str, result: MovieResult) -> dict[str, object]:
    about = result.manifest["input"]
    summary = _summary(result.cells.assign(movie=movie, **{VERDICT: result.verdict}), {movie: result.min_track_h})
    row: dict[str, object] = {
        "movie": movie,
        "corrected": int(result.corrected),
        "pixel_size_um": about["pixel_size_um"],
        "frame_interval_min": about["frame_interval_min"],
        "noise_um": float(result.cells["noise_um"].iloc[0]) if len(result.cells) else math.nan,
        "observed_h": float(long_enough(result.cells)["observed_h"].median()),
        "density_per_mm2": result.density_per_mm2,
        **_counts(summary),
    }
    return row | _numbers(summary)


def _donor_table(cells: pd.DataFrame, rules: Mapping[str, float | None]) -> pd.DataFrame:
    if "donor" not in cells:
        return pd.DataFrame()
    by = [name for name in ("group", "donor") if name in cells]
    rows = []
    for key, table in cells.groupby(by):
        alone = table.drop(columns=["donor", "group", "batch"], errors="ignore").reset_index(drop=True)
        summary = _summary(alone, rules)
        rows.append(
            {**dict(zip(by, key, strict=True)), "n_movies": table["movie"].nunique()}
            | _counts(summary)
            | _numbers(summary)
        )
    return pd.DataFrame(rows)


def _counts(summary: Summary) -> dict[str, object]:
    """How many cells and saltations the numbers are of, and what their intervals resample."""
    counts: dict[str, object] = {name: getattr(summary, name) for name in ("n_cells", "n_short", "n_events")}
    return counts | {"intervals_over": summary.level}


def _numbers(summary: Summary) -> dict[str, object]:
    """Each number with its interval, or with the reason why there is none."""
    row: dict[str, object] = {}
    for name, estimate in summary.numbers.items():
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        row[f"{name}_{NOT_ESTIMATED}"] = estimate.problem
    return row
