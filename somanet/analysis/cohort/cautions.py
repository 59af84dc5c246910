"""What weakens the comparisons of a cohort, or has to be known of its movies, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from somanet.analysis.cohort.results import MovieResult
from somanet.analysis.timing import INSTEAD
from somanet.core.counting import counted, listed
from somanet.core.files import plain
from somanet.migration.comparability import frame_intervals_min
from somanet.migration.sampling_warnings import seen_long_enough
from somanet.migration.summary import Summary
from somanet.migration.verdict_names import FAIL

SAME_SIZE = 1.005
"""Pixel sizes that differ by less are one: files round them."""


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


def notes_of(
    results: Mapping[str, MovieResult], groups: Sequence[str], with_cells: set[str], reference: str | None
) -> Iterator[str]:
    """What a reader has to know: groups that are not compared, the axis where nobody set it, corrected movies."""
    rule = seen_long_enough([one.min_track_h for one in results.values()] or [None])
    yield from _not_compared(groups, with_cells, reference, rule)
    yield from _axis_notes(results, groups)
    yield from _corrected_notes(results)


def _not_compared(groups: Sequence[str], with_cells: set[str], reference: str | None, rule: str) -> Iterator[str]:
    empty = [group for group in groups if group not in with_cells]
    if reference is not None and empty:
        nothing = len(groups) > 1 and (reference in empty or len(with_cells) < 2)
        yield (
            f"No cell is seen long enough in the movies of {listed(empty)}: "
            f"{'no groups are compared' if nothing else f'not compared with {reference}'}. "
            f"A cell counts that is seen {rule}: look whether their tracks break, or film for longer."
        )
    if len(groups) > 1 and reference is None:
        yield (
            f"The groups {listed(groups)} were not compared, as no reference was named: --reference {groups[0]} "
            "compares the others with it."
        )


def _axis_notes(results: Mapping[str, MovieResult], groups: Sequence[str]) -> Iterator[str]:
    if len(groups) > 1 and _axes(results) == [0.0]:
        yield "Velocity along the axis and cosine refer to the right of the images: --axis-deg names another axis."


def cautions(
    results: Mapping[str, MovieResult],
    movies: pd.DataFrame,
    groups: set[str],
    summary: Summary,
    unused: Sequence[str],
) -> Iterator[str]:
    """What weakens the cohort, one sentence each, those of the summary of all movies last.

    Args:
        results: the movies.
        movies: the table of them.
        groups: those that have cells.
        summary: of all movies.
        unused: movies of the conditions that have no results.
    """
    if unused:
        yield f"No results for {counted(len(unused), 'movie')} of the conditions: {listed(unused)}."
    yield from _unsupported(results)
    intervals = frame_intervals_min(movies.assign(frame_interval_h=movies["frame_interval_min"] / 60))
    if len(intervals) > 1:
        yield (
            f"The movies have different frame intervals ({', '.join(f'{m:.4g}' for m in intervals)} min): every number "
            "depends on the interval, so pooled numbers mix them, and groups are compared only if all share one."
        )
    yield from _scales(results)
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


def _scales(results: Mapping[str, MovieResult]) -> Iterator[str]:
    """Pixel sizes that differ, and scales that replace those of the files: all lengths and speeds follow them."""
    sizes: list[tuple[float, list[str]]] = []
    for size, name in sorted((float(one.manifest["input"]["pixel_size_um"]), name) for name, one in results.items()):
        if sizes and size <= SAME_SIZE * sizes[-1][0]:
            sizes[-1][1].append(name)
        else:
            sizes.append((size, [name]))
    if len(sizes) > 1:
        values = "; ".join(f"{size:.4g} µm: {listed(names)}" for size, names in sizes)
        yield (
            f"Pixel sizes differ between the movies ({values}). Lengths and speeds follow them: make sure that each is "
            "that of its movie, and that groups do not differ in it."
        )
    replaced = [
        name
        for name, one in results.items()
        if any(
            str(note).endswith(INSTEAD)
            for key in ("notes", "time_notes")
            for note in one.manifest["input"].get(key) or ()
        )
    ]
    if replaced:
        yield (
            f"Of {listed(replaced)} the scale in the file was replaced by one that was given: their reports say by "
            "what, and lengths and speeds follow it."
        )


def _unsupported(results: Mapping[str, MovieResult]) -> Iterator[str]:
    """Movies whose saltation numbers do not hold, and those that cannot tell alone, which is another thing."""
    fails = [name for name, one in results.items() if one.verdict == FAIL]
    untold = [
        name
        for name, one in results.items()
        if one.summary.get("saltations_supported") is False and one.verdict != FAIL
    ]
    if fails:
        yield (
            f"In {len(fails)} of {len(results)} movies saltation numbers do not hold: {listed(fails)}. Their reports "
            "say why."
        )
    if untold:
        yield (
            f"Alone, {len(untold)} of {len(results)} movies cannot tell whether saltation numbers hold: "
            f"{listed(untold)}. Movies of one kind tell more together."
        )


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


def _corrected_notes(results: Mapping[str, MovieResult]) -> Iterator[str]:
    given = [name for name, one in results.items() if one.given]
    corrected = [name for name, one in results.items() if one.corrected and not one.given]
    for words, found in (
        ("a person or another program made or corrected", given),
        ("SomaNet found and a person corrected", corrected),
    ):
        if found:
            yield f"{len(found)} of {len(results)} movies have tracks that {words}: {listed(found)}."
