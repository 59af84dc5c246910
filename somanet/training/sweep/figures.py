"""A sweep's figures: values in order, their dependence on each setting, and each setting's importance.

Colours are from Okabe and Ito's colour-blind safe palette; shapes repeat what the colours encode.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from somanet.core.plots import blank
from somanet.training.sweep.space import Dimension, Space

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#8a8f98"
_PER_ROW = 3


def history(table: pd.DataFrame, metric: str) -> Figure:
    """Every trial's value in order, the best so far as a line, and the trials that were stopped or failed."""
    from matplotlib.ticker import MaxNLocator

    figure = blank(8, 3.6)
    ax = figure.subplots()
    complete = table[table["state"] == "complete"]
    if len(complete):
        ax.plot(complete["trial"], complete[metric], "o", color=BLUE, label="complete")
        ax.step(
            complete["trial"], complete[metric].cummax(), where="post", color=BLUE, linewidth=1, label="best so far"
        )
    foot = complete[metric].min() if len(complete) else 0.0
    for state, marker, colour in (("pruned", "v", GREY), ("failed", "x", ORANGE)):
        some = table.loc[table["state"] == state, "trial"]
        if len(some):
            ax.plot(some, np.full(len(some), foot), marker, color=colour, label=f"{state} (no value)")
    ax.set_xlabel("trial")
    ax.set_ylabel(_words(metric))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    _tidy(ax)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def slices(table: pd.DataFrame, space: Space, metric: str) -> Figure:
    """One panel per setting: the metric against its values, later trials darker."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    later = ListedColormap(colormaps["Blues"](np.linspace(0.25, 1, 256)))  # the palest would be invisible on white
    complete = table[table["state"] == "complete"]
    columns = min(len(space), _PER_ROW)
    rows = -(-len(space) // columns)
    figure = blank(3.4 * columns + 0.8, 2.8 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    points = None
    for ax, one in zip(panels, space, strict=False):
        places = _places(ax, one, complete)
        points = ax.scatter(places, complete[metric], c=complete["trial"], cmap=later, edgecolor=BLUE)
        points.set_clim(0, max(int(table["trial"].max()), 1))
        ax.set_xlabel(one.name, fontsize=8)
        _tidy(ax)
    for ax in panels[: len(space) : columns]:
        ax.set_ylabel(_words(metric))
    for ax in panels[len(space) :]:
        ax.set_axis_off()
    if points is not None:
        figure.colorbar(points, ax=list(panels), label="trial", shrink=0.8)
    return figure


def importance(shares: Mapping[str, float]) -> Figure:
    """Share of the metric's variance that each setting explains."""
    figure = blank(6.4, 0.38 * len(shares) + 1.1)
    ax = figure.subplots()
    names = sorted(shares, key=lambda name: shares[name])
    ax.barh(names, [shares[name] for name in names], color=BLUE, height=0.6)
    for place, name in enumerate(names):
        ax.text(shares[name] + 0.01, place, f"{shares[name]:.2f}", va="center", fontsize=8)
    ax.set_xlim(0, 1.1)
    ax.set_xlabel("share of the variance explained (fANOVA)")
    _tidy(ax)
    return figure


def _places(ax: Axes, one: Dimension, complete: pd.DataFrame) -> list[float]:
    """A setting's values as axis positions: numbers as they are, others evenly spaced."""
    values = list(complete[one.name])
    if one.choices is None:
        if one.log:
            ax.set_xscale("log")
        return [float(value) for value in values]
    choices = list(one.choices)
    ax.set_xticks(range(len(choices)), [f"{c:g}" if isinstance(c, float) else str(c) for c in choices], fontsize=8)
    ax.set_xlim(-0.5, len(choices) - 0.5)
    return [float(choices.index(value)) for value in values]


def _words(metric: str) -> str:
    names = {"val_iou": "IoU", "iou": "IoU of the labels", "f1": "F1", "mean_ap": "mean AP"}
    return f"{names.get(metric, metric)}, held-out neurons"


def _tidy(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
