"""From movies' results to a cohort: tables, pooled numbers, comparisons, and what weakens them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from somanet.analysis.cohort.conditions import Conditions, check_groups
from somanet.analysis.cohort.results import MovieResult
from somanet.core.files import plain
from somanet.migration.groups import COMPARED, Comparison, compare_cohort, frame_intervals_min
from somanet.migration.pooling import long_enough
from somanet.migration.summary import Summary, summarize


@dataclass(frozen=True)
class Nuisance:
    """What may differ between groups of movies and imitate an effect.

    Attributes:
        column: of the table of movies.
        what, unit: its name in words, and its unit.
        most: ratio between the groups' medians above which a warning is given.
        effect: why it matters.
    """

    column: str
    what: str
    unit: str
    most: float
    effect: str


AXIS = "axis_deg"
NUISANCES = (
    Nuisance(
        "noise_um",
        "Localisation noise",
        "µm",
        1.25,
        "Noise counts as travel and hides short saltations: speeds, path and straightness differ between groups of "
        "equal motion, and the frequency somewhat.",
    ),
    Nuisance(
        "observed_h",
        "The time for which cells are seen",
        "h",
        1.25,
        "Directions of cells become surer, and paths less straight, the longer cells are followed.",
    ),
    Nuisance(
        "density_per_mm2",
        "Cell density",
        "cells per mm²",
        1.5,
        "Crowded cells are confused more often, which cuts tracks and invents jumps.",
    ),
)


@dataclass(frozen=True)
class Cohort:
    """The combined results of several movies.

    Attributes:
        results: the movies, by name.
        movies: one row per movie.
        donors: one row per donor and group; empty if donors are not named.
        cells: :data:`somanet.migration.tables.MIGRATION` of all movies, with ``movie``, and ``donor``, ``group`` and
            ``batch`` if known.
        summaries: by group, and for all movies under "all".
        comparisons: the reference against each group, then the other pairs.
        reference: the group that the others are compared with.
        paired: whether a donor id in two groups is one donor.
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
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

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
    cells = pd.concat([result.cells.assign(movie=movie) for movie, result in results.items()], ignore_index=True)
    if table is not None:
        cells = table.merge(cells, on="movie", how="right")
    else:
        cells.insert(0, "movie", cells.pop("movie"))
    movies = pd.DataFrame([_movie_row(movie, result) for movie, result in results.items()])
    if table is not None:
        movies = table.merge(movies, on="movie")
    groups = sorted(set(movies["group"])) if "group" in movies else []
    apart = _donors_apart(cells, paired=paired)
    summaries = {"all": summarize(apart)}
    summaries |= {group: summarize(cells[cells["group"] == group].reset_index(drop=True)) for group in groups}
    comparisons: list[Comparison] = []
    with_cells = set(long_enough(cells)["group"]) if groups else set()
    if reference is not None and reference in with_cells and len(with_cells) > 1:
        comparisons = compare_cohort(cells, reference=reference, numbers=COMPARED, paired=paired)
    unused, spelling = ((), ()) if conditions is None else (conditions.unused, conditions.warnings)
    return Cohort(
        results=results,
        movies=movies,
        donors=_donor_table(cells),
        cells=cells,
        summaries=summaries,
        comparisons=comparisons,
        reference=reference,
        paired=paired,
        warnings=(*spelling, *_warnings(results, movies, with_cells, summaries["all"], unused)),
        notes=(*notes, *_not_compared(groups, reference), *_axis_notes(results, groups), *_corrected_notes(results)),
    )


def _not_compared(groups: Sequence[str], reference: str | None) -> Iterator[str]:
    if len(groups) > 1 and reference is None:
        yield (
            f"The groups {listed(groups)} were not compared, as no reference was named: --reference {groups[0]} "
            "compares the others with it."
        )


def _axis_notes(results: Mapping[str, MovieResult], groups: Sequence[str]) -> Iterator[str]:
    if len(groups) > 1 and _axes(results) == [0.0]:
        yield "Velocity along the axis and cosine refer to the right of the images: --axis-deg names another axis."


def _donors_apart(cells: pd.DataFrame, *, paired: bool) -> pd.DataFrame:
    """The same cells, with donors of one id in two groups told apart unless they are one."""
    if paired or not {"donor", "group"} <= set(cells):
        return cells
    return cells.assign(donor=cells["group"] + "/" + cells["donor"])


def _movie_row(movie: str, result: MovieResult) -> dict[str, object]:
    about = result.manifest["input"]
    summary = summarize(result.cells)
    row: dict[str, object] = {
        "movie": movie,
        "corrected": int(result.corrected),
        "frame_interval_min": about["frame_interval_min"],
        "noise_um": float(result.cells["noise_um"].iloc[0]) if len(result.cells) else math.nan,
        "observed_h": float(long_enough(result.cells)["observed_h"].median()),
        "density_per_mm2": result.density_per_mm2,
        **_counts(summary),
    }
    return row | _numbers(summary)


def _donor_table(cells: pd.DataFrame) -> pd.DataFrame:
    if "donor" not in cells:
        return pd.DataFrame()
    by = [name for name in ("group", "donor") if name in cells]
    rows = []
    for key, table in cells.groupby(by):
        summary = summarize(table.drop(columns=["donor", "group", "batch"], errors="ignore").reset_index(drop=True))
        rows.append(
            {**dict(zip(by, key, strict=True)), "n_movies": table["movie"].nunique()}
            | _counts(summary)
            | _numbers(summary)
        )
    return pd.DataFrame(rows)


def _counts(summary: Summary) -> dict[str, int]:
    return {name: getattr(summary, name) for name in ("n_cells", "n_short", "n_events")}


def _numbers(summary: Summary) -> dict[str, float]:
    row: dict[str, float] = {}
    for name, estimate in summary.numbers.items():
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return row


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


def _warnings(
    results: Mapping[str, MovieResult],
    movies: pd.DataFrame,
    groups: set[str],
    summary: Summary,
    unused: Sequence[str],
) -> Iterator[str]:
    if unused:
        yield f"No results for {len(unused)} movies of the conditions: {listed(unused)}."
    if unsupported := [name for name, one in results.items() if one.summary.get("saltations_supported") is False]:
        yield (
            f"In {len(unsupported)} of {len(results)} movies the data do not support saltations per hour: "
            f"{listed(unsupported)}. Their reports say why."
        )
    intervals = frame_intervals_min(movies.assign(frame_interval_h=movies["frame_interval_min"] / 60))
    if len(intervals) > 1:
        yield (
            f"The movies have different frame intervals ({', '.join(f'{m:.4g}' for m in intervals)} min): every number "
            "depends on the interval, so pooled numbers mix them, and groups are compared only if all share one."
        )
    if len(groups) > 1:
        for nuisance in NUISANCES:
            yield from _unequal(movies, groups, nuisance)
        if "batch" in movies and (movies.groupby("batch")["group"].nunique() < 2).all():
            yield "Each batch has one group only: differences between groups may be differences between batches."
    if len(axes := _axes(results)) > 1:
        yield (
            f"The axis differs between the movies ({', '.join(f'{one:g}' for one in axes)}°): velocity along it and "
            "cosine are compared as if it pointed the same way in every tissue, as it does if it was set for each."
        )
    for what, found in _settings(results).items():
        if len(found) > 1:
            yield f"The movies were not analysed alike: {what} differs ({'; '.join(sorted(found)[:4])})."
    yield from summary.warnings


def _unequal(movies: pd.DataFrame, groups: set[str], nuisance: Nuisance) -> Iterator[str]:
    medians = movies[movies["group"].isin(groups)].groupby("group")[nuisance.column].median().dropna()
    medians = medians[medians > 0]
    if len(medians) > 1 and medians.max() > nuisance.most * medians.min():
        values = ", ".join(f"{group} {value:.3g}" for group, value in medians.items())
        found = f"{nuisance.what} differs between the groups (median of movies: {values} {nuisance.unit})."
        yield f"{found} {nuisance.effect}"


def _axes(results: Mapping[str, MovieResult]) -> list[float]:
    """The axes that directions are counted from, ascending."""
    found = {float(one.manifest["parameters"].get("migrate", {}).get(AXIS) or 0.0) for one in results.values()}
    return sorted(found)


def _settings(results: Mapping[str, MovieResult]) -> dict[str, set[str]]:
    """The values that movies should share, by what they are."""
    found: dict[str, set[str]] = {}
    for result in results.values():
        manifest = result.manifest
        parameters = manifest["parameters"]
        for section in ("migrate", *(() if result.corrected else ("segment",))):
            for name, value in (parameters.get(section) or {}).items():
                if name == AXIS:  # how each explant lies in its image
                    continue
                found.setdefault(f"{section}.{name}", set()).add(str(plain(value)))
        if network := (manifest.get("model") or {}).get("sha256"):
            found.setdefault("the network", set()).add(str(network)[:8])
        found.setdefault("the version of SomaNet", set()).add(str(manifest["somanet"]))
        found.setdefault("the commit", set()).add(str(manifest["code"].get("commit"))[:8])
    return found


def listed(words: Sequence[str], *, most: int = 6) -> str:
    """The first few of some names, for a message."""
    return ", ".join(words[:most]) + (", …" if len(words) > most else "")


def _corrected_notes(results: Mapping[str, MovieResult]) -> Iterator[str]:
    corrected = [name for name, result in results.items() if result.corrected]
    if corrected:
        yield (
            f"{len(corrected)} of {len(results)} movies have tracks that a person made or corrected: "
            f"{listed(corrected)}."
        )
