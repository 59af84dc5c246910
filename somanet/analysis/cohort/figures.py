"""One figure per number: cells, movies and donors of every group, each level with its intervals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.analysis.cohort.gather import Cohort
from somanet.analysis.report.definitions import label_of
from somanet.core.counting import counted
from somanet.core.files import atomic_path, make_folder
from somanet.core.plots import blank
from somanet.migration.bounded_difference import mean_interval
from somanet.migration.pooling import UNITS, long_enough

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe & Ito: told apart by colour-blind readers, too."""
REAL_TEXT: dict[Any, Any] = {"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "somanet", "font.size": 9.0}
"""Letters stay letters, for the editors of journals; equal figures are equal files."""
HEADING_COSINE = "heading_cosine"
CELLS_AT, MOVIES_AT, DONORS_AT, MEAN_AT = -0.28, -0.02, 0.2, 0.36
WIDEST_SWARM = 0.1
SHOWN_CELLS = 99.0
LONGEST_INTERVAL = 1.6
"""The axis ends at this multiple of the highest point: an interval of two movies can be ten times as long."""
BEYOND = "beyond"
"""Id of the arrow heads in the SVG."""
FORMATS = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def draw_number(cohort: Cohort, number: str) -> Figure:
    """Cells as faint dots, movies as rings, donors as discs with 95 % intervals, the mean of donors as a bar.

    Cells have the number of their own column, uncorrected where there is no other; the axis leaves out the highest 1 %.
    Of donors that are compared with themselves, only those in pairs are shown, joined by lines.
    """
    cohort = _in_pairs(cohort, number)
    figure = blank(1.6 + 1.7 * len(_groups(cohort)), 3.7)
    ax = figure.subplots()
    column, words = cell_column(cohort.cells, number)
    used = long_enough(cohort.cells)
    points: list[float] = []
    for place, group in enumerate(_groups(cohort)):
        colour = COLOURS[place % len(COLOURS)]
        cells, movies, donors = (_of(table, group) for table in (used, cohort.movies, cohort.donors))
        values = cell_values(cells, column)
        ax.plot(place + CELLS_AT + _swarm(values), values, ".", color=colour, alpha=0.25, markersize=4, zorder=1)
        _levels(ax, place + MOVIES_AT, movies, number, colour, filled=False)
        _levels(ax, place + DONORS_AT, donors, number, colour, filled=True)
        _mean(ax, place + MEAN_AT, donors, number, colour)
        points += np.percentile(values, (100 - SHOWN_CELLS, SHOWN_CELLS)).tolist() if values.size else []
        points += [value for table in (movies, donors) if len(table) for value in table[number].dropna()]
    if cohort.paired and len(cohort.donors):
        _join(ax, cohort, number)
    _limit(ax, points)
    _arrows(ax)
    ax.set_xlim(-0.5, len(_groups(cohort)) - 0.4)
    ax.set_xticks(range(len(_groups(cohort))), [_label(cohort, group) for group in _groups(cohort)])
    unit = f" ({UNITS[number]})" if UNITS[number] else ""
    ax.set_ylabel(f"{label_of(number)[0]}{unit}")
    levels, lines = f"dots: cells{words}; rings: movies; discs: donors", "lines: 95 % intervals (arrows: longer)"
    figure.suptitle(f"{levels}\nbar: mean of donors; {lines}", fontsize=6.5, color="0.35")
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def _limit(ax: Axes, points: list[float]) -> None:
    """End the axis at 0 or below, and where intervals are much longer than the points are high; see :func:`_arrows`."""
    least, most = min([0.0, *points]), max([0.0, *points])
    if most > least:
        bottom, top = ax.get_ylim()
        margin = 0.05 * (most - least)
        ax.set_ylim(max(bottom, LONGEST_INTERVAL * least - margin), min(top, LONGEST_INTERVAL * most + margin))


def _arrows(ax: Axes) -> None:
    """An arrow head where an interval goes on beyond the axis; intervals are the vertical lines drawn so far."""
    from matplotlib.collections import LineCollection

    ends = ax.get_ylim()
    for lines in [found for found in ax.collections if isinstance(found, LineCollection)]:
        for line in lines.get_segments():
            (x, low), (right, high) = line[0], line[-1]
            if x != right:
                continue
            for end, beyond, marker in ((ends[0], low < ends[0], "v"), (ends[1], high > ends[1], "^")):
                if beyond:
                    colour = lines.get_colors()[0]
                    ax.plot(x, end, marker, color=colour, markersize=4, clip_on=False, zorder=5, gid=BEYOND)
    ax.set_ylim(ends)


def save_figures(cohort: Cohort, folder: Path, numbers: list[str]) -> dict[str, str]:
    """Write every figure as SVG and PDF into a folder; returns the SVG text by number."""
    from matplotlib import rc_context

    make_folder(folder)
    drawn = {}
    with rc_context(REAL_TEXT):
        for number in numbers:
            figure = draw_number(cohort, number)
            for suffix, metadata in FORMATS.items():
                with atomic_path(folder / f"{number}.{suffix}") as temporary:
                    figure.savefig(temporary, format=suffix, metadata=metadata)
            drawn[number] = (folder / f"{number}.svg").read_text(encoding="utf-8")
    return drawn


def _in_pairs(cohort: Cohort, number: str) -> Cohort:
    """The same cohort with the donors of this number's pairs only; all of them where nothing is paired."""
    counted = [one.donors[one.donors["counted"]] for one in cohort.comparisons if one.number == number and one.paired]
    if not sum(map(len, counted)):
        return cohort
    keys = pd.MultiIndex.from_frame(pd.concat(counted)[["group", "donor"]])

    def of_pairs(table: pd.DataFrame) -> pd.DataFrame:
        return table[pd.MultiIndex.from_frame(table[["group", "donor"]]).isin(keys)]

    return replace(cohort, cells=of_pairs(cohort.cells), movies=of_pairs(cohort.movies), donors=of_pairs(cohort.donors))


def cell_column(cells: pd.DataFrame, number: str) -> tuple[str, str]:
    """The column of the cells that shows a number, and what to say of it; empty if there is none."""
    if number == "mean_cosine":
        return HEADING_COSINE, ""
    if number in cells:
        return number, ""
    raw = number.replace("_corrected", "")
    return (raw, " (uncorrected)") if raw in cells else ("", " (not shown)")


def cell_values(cells: pd.DataFrame, column: str) -> Floats:
    """The cells' own values of that column, of those that have one; a cell without a direction has a cosine of 0."""
    if not column:
        return np.empty(0)
    known = cells[cells["n_headings"] == 1] if column == HEADING_COSINE else cells
    return known[column].dropna().to_numpy(float)


def _groups(cohort: Cohort) -> list[str]:
    """The reference first; one group of all movies if there are none."""
    if "group" not in cohort.movies:
        return ["all movies"]
    found = sorted(set(cohort.movies["group"]))
    return [*(g for g in found if g == cohort.reference), *(g for g in found if g != cohort.reference)]


def _of(table: pd.DataFrame, group: str) -> pd.DataFrame:
    return table[table["group"] == group] if "group" in table else table


def _label(cohort: Cohort, group: str) -> str:
    movies, donors = _of(cohort.movies, group), _of(cohort.donors, group)
    counts = [f"{counted(len(donors), 'donor')}{' in pairs' if cohort.paired else ''}"] if len(donors) else []
    return "\n".join([group, *counts, counted(len(movies), "movie"), counted(int(movies["n_cells"].sum()), "cell")])


def _swarm(values: Floats) -> Floats:
    """Offsets to the sides that keep dots of like value apart: larger where there are more of them."""
    if values.size < 2:
        return np.zeros(values.size)
    bins = np.digitize(values, np.histogram_bin_edges(values, bins=min(30, values.size)))
    offsets = np.zeros(values.size)
    most = max(np.bincount(bins))
    for one in np.unique(bins):
        here = np.flatnonzero(bins == one)
        offsets[here] = (np.arange(here.size) - (here.size - 1) / 2) * 2 * WIDEST_SWARM / max(most, 6)
    return offsets


def _levels(ax: Axes, at: float, table: pd.DataFrame, number: str, colour: str, *, filled: bool) -> None:
    """Points of one level side by side, each with its interval where there is one."""
    if not len(table):
        return
    known = table[table[number].notna()].sort_values(number)
    side = np.linspace(-0.07, 0.07, len(known)) if len(known) > 1 else np.zeros(len(known))
    for x, row in zip(at + side, known.to_dict("records"), strict=True):
        low, high = row[f"{number}_low"], row[f"{number}_high"]
        if np.isfinite(low) and np.isfinite(high):
            ax.vlines(x, low, high, color=colour, linewidth=0.8, alpha=0.6, zorder=2)
        ax.plot(
            x, row[number], "o", markersize=5, color=colour, markerfacecolor=colour if filled else "white", zorder=3
        )


def _mean(ax: Axes, at: float, donors: pd.DataFrame, number: str, colour: str) -> None:
    values = donors[number].dropna().to_numpy(float) if len(donors) else np.empty(0)
    if not values.size:
        return
    ax.hlines(values.mean(), at - 0.06, at + 0.06, color=colour, linewidth=2, zorder=4)
    low, high = mean_interval(number, values)
    if np.isfinite(low):
        ax.vlines(at, low, high, color=colour, linewidth=2, zorder=4)


def _join(ax: Axes, cohort: Cohort, number: str) -> None:
    places = {group: place for place, group in enumerate(_groups(cohort))}
    for _, table in cohort.donors.dropna(subset=[number]).groupby("donor"):
        table = table.assign(place=table["group"].map(places)).sort_values("place")
        ax.plot(table["place"] + DONORS_AT, table[number], color="0.6", linewidth=0.7, zorder=1)
