"""The validation tables as figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from somanet.analysis.validation.conditions import BASE
from somanet.analysis.validation.ground_truth import QUANTITIES
from somanet.core.plots import blank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RAW, CORRECTED, TARGET = "#b0602a", "#1f6f8b", "#2a9d5c"
COLOURS = ("#8ecae6", "#1f6f8b", "#0b2f4a")
TARGET_COVERAGE = (0.90, 0.98)
TOLERANCE = {"frequency": 0.10, "length": 0.15, "speed": 0.15}
"""Bias within the target; coverage has its own."""
TRACKING_SHOWN = ("DET", "SEG", "TRA", "LNK", "HOTA", "IDF1")


def _percent(ax: Axes, axis: str = "y") -> None:
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    target = ax.yaxis if axis == "y" else ax.xaxis
    target.set_major_locator(MultipleLocator(0.2))
    target.set_major_formatter(
        FuncFormatter(lambda value, _: f"{100 * value:+.0f} %".replace("-", "−") if value else "0")
    )


def _plain(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=9)


def sampling(tracks: pd.DataFrame) -> Figure:
    """Bias and coverage of each quantity against the frame interval, by the rule: uncorrected and corrected."""
    table = tracks[(tracks["factor"] == BASE) & (tracks["detector"] == "rule")]
    figure = blank(11, 6)
    axes = figure.subplots(2, len(QUANTITIES), sharex=True, sharey="row")
    for column, quantity in enumerate(QUANTITIES):
        bias, coverage = axes[0, column], axes[1, column]
        bias.axhspan(-TOLERANCE[quantity], TOLERANCE[quantity], color=TARGET, alpha=0.12, linewidth=0)
        bias.axhline(0, color="0.5", linewidth=0.8)
        coverage.axhspan(*TARGET_COVERAGE, color=TARGET, alpha=0.2, linewidth=0)
        for kind, colour in (("raw", RAW), ("corrected", CORRECTED)):
            rows = table[(table["quantity"] == quantity) & (table["kind"] == kind)].sort_values("interval_min")
            label = {"raw": "uncorrected", "corrected": "corrected"}[kind]
            _line(bias, rows, "bias", colour, label)
            _line(coverage, rows, "coverage", colour, label)
        bias.set_title(quantity, fontsize=11)
        coverage.set_xlabel("frame interval (min)")
        coverage.set_xticks(sorted(table["interval_min"].unique()))
        coverage.set_ylim(-0.03, 1.03)
        _percent(bias)
        _plain(bias)
        _plain(coverage)
    axes[0, 0].set_ylabel("bias (shaded: target)")
    axes[1, 0].set_ylabel("share of 95 % intervals with\nthe true value (shaded: target)")
    axes[0, 0].legend(frameon=False, loc="lower left", fontsize=9)
    return figure


def _line(ax: Axes, rows: pd.DataFrame, value: str, colour: str, label: str) -> None:
    x, y = rows["interval_min"].to_numpy(float), rows[value].to_numpy(float)
    ax.fill_between(x, rows[f"{value}_low"], rows[f"{value}_high"], color=colour, alpha=0.2, linewidth=0)
    ax.plot(x, y, "o-", color=colour, markersize=5, linewidth=1.6, label=label)


def events(tracks: pd.DataFrame) -> Figure:
    """Recall and precision of saltations against the frame interval, by both detectors."""
    table = tracks[(tracks["factor"] == BASE) & (tracks["quantity"] == "frequency") & (tracks["kind"] == "raw")]
    figure = blank(6.2, 3.6)
    ax = figure.subplots()
    for detector, style in (("rule", "o-"), ("model", "s--")):
        rows = table[table["detector"] == detector].sort_values("interval_min")
        for score, colour in (("precision", TARGET), ("recall", CORRECTED)):
            ax.plot(rows["interval_min"], rows[score], style, color=colour, markersize=5, label=f"{score}, {detector}")
    ax.set_xlabel("frame interval (min)")
    ax.set_ylabel("share of saltations")
    ax.set_xticks(sorted(table["interval_min"].unique()))
    ax.set_ylim(0.5, 1.02)
    _plain(ax)
    ax.legend(frameon=False, fontsize=9, loc="lower left")
    return figure


def robustness(tracks: pd.DataFrame) -> Figure:
    """Bias of the corrected frequency and length in conditions other than the base, at some frame intervals."""
    base = tracks[(tracks["factor"] == BASE) & (tracks["detector"] == "rule")].assign(level="")
    other = tracks[tracks["factor"] != BASE]
    intervals = sorted(other["interval_min"].unique())
    table = pd.concat([base[base["interval_min"].isin(intervals)].assign(factor="base"), other])
    table = table[(table["kind"] == "corrected")].assign(name=table["factor"] + ": " + table["level"])
    names = list(dict.fromkeys(table["name"]))
    figure = blank(11, 0.36 * len(names) + 1.2)
    quantities = ("frequency", "length")
    for ax, quantity in zip(figure.subplots(1, 2, sharey=True), quantities, strict=True):
        ax.axvspan(-TOLERANCE[quantity], TOLERANCE[quantity], color=TARGET, alpha=0.12, linewidth=0)
        ax.axvline(0, color="0.5", linewidth=0.8)
        for number, (minutes, colour) in enumerate(zip(intervals, _shades(len(intervals)), strict=True)):
            rows = table[(table["quantity"] == quantity) & (table["interval_min"] == minutes)]
            place = np.array([names.index(name) for name in rows["name"]]) + 0.22 * (number - (len(intervals) - 1) / 2)
            ax.hlines(place, rows["bias_low"], rows["bias_high"], color=colour, linewidth=2.2, alpha=0.6)
            ax.plot(rows["bias"], place, "o", color=colour, markersize=4.5, label=f"{minutes:g} min frames")
        ax.set_title(f"corrected {quantity}: bias (shaded: target)", fontsize=11)
        ax.set_yticks(range(len(names)), [name.removesuffix(": ") for name in names])
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.set_xlim(-0.45, 0.45)
        ax.grid(axis="y", color="0.92")
        ax.set_axisbelow(True)
        _percent(ax, "x")
        _plain(ax)
    figure.axes[0].legend(frameon=False, fontsize=9, loc="upper right")
    return figure


def _shades(n: int) -> Sequence[str]:
    return [COLOURS[min(i, len(COLOURS) - 1)] for i in range(n)]


def chain(movies: pd.DataFrame) -> Figure:
    """The whole chain by condition: tracking scores, saltations, and biases next to those from the true positions."""
    table = movies[movies["movie"] == "all"]
    names = [f"{row.factor}: {row.level}" for row in table.itertuples()]
    place = np.arange(len(names))
    rows_inch = max(0.42 * len(names), 1.6)
    figure = blank(13, rows_inch + 2.3)
    tracking, found, frequency, length = figure.subplots(1, 4, sharey=True, width_ratios=[1.1, 1, 1.2, 1.2])
    for name, marker in zip(TRACKING_SHOWN, "os^vDP", strict=True):
        tracking.plot(table[name], place, marker, markersize=5, alpha=0.85, label=name, linestyle="none")
    tracking.set_title("tracking scores", fontsize=11)
    for source, colour in (("perfect", "0.6"), ("chain", CORRECTED)):
        label = {"perfect": "true positions", "chain": "whole chain"}[source]
        for score, marker in (("recall", "o"), ("precision", "D")):
            found.plot(table[f"{source}_{score}"], place, marker, color=colour, markersize=5, label=f"{score}, {label}")
        for ax, quantity in ((frequency, "frequency"), (length, "length")):
            column = f"{source}_{quantity}_corrected_bias"
            shift = {"perfect": -0.16, "chain": 0.16}[source]
            for row, (factor, level) in enumerate(zip(table["factor"], table["level"], strict=True)):
                one = movies[(movies["factor"] == factor) & (movies["level"] == level) & (movies["movie"] != "all")]
                ax.plot(one[column], np.full(len(one), row + shift), "o", color=colour, markersize=3, alpha=0.45)
            ax.plot(table[column], place + shift, "o", color=colour, markersize=6.5, label=label)
    found.set_title("saltations found", fontsize=11)
    for ax, quantity in ((frequency, "frequency"), (length, "length")):
        ax.axvspan(-TOLERANCE[quantity], TOLERANCE[quantity], color=TARGET, alpha=0.12, linewidth=0)
        ax.axvline(0, color="0.5", linewidth=0.8)
        ax.set_title(f"corrected {quantity}: bias", fontsize=11)
        ax.set_xlim(-0.5, 0.5)
        _percent(ax, "x")
    tracking.set_yticks(place, names)
    tracking.set_ylim(len(names) - 0.4, -0.6)
    for ax in (tracking, found):
        ax.set_xlim(right=1.015)
    for ax, columns in ((tracking, 3), (found, 1), (frequency, 1)):
        below = (0.5, -0.4 / rows_inch)
        ax.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=below, ncols=columns)
    for ax in (tracking, found, frequency, length):
        ax.grid(axis="y", color="0.92")
        ax.set_axisbelow(True)
        _plain(ax)
    return figure


FIGURES_OF_TRACKS = {"sampling": sampling, "events": events, "robustness": robustness}
"""Name of a figure → the function that draws it from the table of tracks."""
