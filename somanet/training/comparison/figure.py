"""The comparison as a figure: scores, differences, ranks, cost, and the best networks against the reference per image.

Colours are from Okabe and Ito's colour-blind safe palette; signs and shapes repeat what the colours encode.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from somanet.core.plots import blank, label
from somanet.evaluation.paired import ALPHA, Difference
from somanet.training.comparison.networks import ComparedNetwork, Cost, title
from somanet.training.comparison.pairing import Pairing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

PLOTTED = ("iou", "precision", "accuracy")
MAX_NETWORKS = 16
MAX_SCATTERS = 6
_PER_ROW = 6
BLUE, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#8a8f98", "#2b2f36"
_BAND = "#f1f3f6"
_PAPER = {"facecolor": "white", "alpha": 0.65, "linewidth": 0, "pad": 0.6}
"""Background of numbers that a line would cross."""


def comparison_figure(networks: Sequence[ComparedNetwork], pairing: Pairing | None = None) -> Figure:
    """Scores of all networks with their intervals; with a pairing also differences, ranks and per-image scores.

    With more than :data:`MAX_NETWORKS`, only the best and the reference are shown.

    Args:
        networks: the networks to compare.
        pairing: the same networks, compared image by image.
    """
    shown = _shown(networks, pairing)
    others = _scattered([n.name for n in shown], pairing) if pairing else []
    rows_inch = 0.36 * len(shown) + 1.2
    scatter_rows = -(-len(others) // _PER_ROW)
    heights = [rows_inch] * (2 if pairing else 1) + [2.45 * scatter_rows + 0.3] * bool(scatter_rows)
    figure = blank(13 if pairing else 10, sum(heights) + 0.25 * len(heights))
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    titled = f": the best {len(shown)} of {len(networks)} networks" if len(shown) < len(networks) else ""
    _scores(parts[0], shown, pairing, titled)
    if pairing is not None:
        _differences(parts[1], shown, pairing)
        if others:
            _scatters(parts[2], others, pairing)
    return figure


def _shown(networks: Sequence[ComparedNetwork], pairing: Pairing | None) -> list[ComparedNetwork]:
    if len(networks) <= MAX_NETWORKS:
        return list(networks)
    deciding = pairing.deciding if pairing else PLOTTED[0]
    reference = pairing.reference if pairing else ""

    def order(network: ComparedNetwork) -> tuple[bool, float]:
        value = network.metrics[deciding]
        return network.name != reference, math.inf if value is None or value != value else -value

    return sorted(networks, key=order)[:MAX_NETWORKS]


def _scores(part: SubFigure, networks: Sequence[ComparedNetwork], pairing: Pairing | None, titled: str) -> None:
    axes = _row_of_axes(part, [n.name for n in networks], pairing, 4 if pairing else 3)
    places = np.arange(len(networks))
    for ax, score in zip(axes, PLOTTED, strict=False):
        value = np.array([_number(n.metrics[score]) for n in networks])
        low, high = np.array([_interval(n, score) for n in networks]).T
        ax.hlines(places, low, high, color=BLUE, alpha=0.3, linewidth=5)
        ax.plot(value, places, "o", color=BLUE, markersize=6)
        for place, number in zip(places, value, strict=True):
            if np.isfinite(number):
                _label_above(ax, number, int(place), f"{number:.2f}")
        ax.set_xlim(-0.03, 1.06)
        ax.set_title(title(score), fontsize=11)
    part.suptitle(f"Scores with 95 % intervals{titled}", fontsize=12)
    if pairing is not None:
        _ranks(axes[3], [n.name for n in networks], pairing)


def _ranks(ax: Axes, names: Sequence[str], pairing: Pairing) -> None:
    """Ranks as pale dots, larger where more images share the rank; the mean with its interval."""
    from matplotlib.ticker import MaxNLocator

    for place, name in enumerate(names):
        if name not in pairing.names:
            continue
        ranked = pairing.ranks[pairing.names.index(name)]
        values, times = np.unique(ranked[np.isfinite(ranked)], return_counts=True)
        ax.scatter(values, np.full(values.size, place), s=14 + 150 * times / ranked.size, color=GREY, alpha=0.35, lw=0)
        ax.hlines(place, *pairing.rank_intervals[name], color=BLUE, linewidth=3)
        ax.plot(pairing.mean_rank(name), place, "D", color=BLUE, markersize=6, markeredgecolor="white")
    ax.set_xlim(0.4, len(pairing.names) + 0.6)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.set_title(f"rank by {title(pairing.deciding)}, 1 is best", fontsize=11)


def _differences(part: SubFigure, networks: Sequence[ComparedNetwork], pairing: Pairing) -> None:
    axes = _row_of_axes(part, [n.name for n in networks], pairing, 4)
    for ax, score in zip(axes, PLOTTED, strict=False):
        ax.axvline(0, color=INK, linewidth=1)
        reach = [-0.1, 0.1]
        for place, network in enumerate(networks):
            if network.name == pairing.reference:
                _label_above(ax, 0, place, "reference")
            elif network.name in pairing.differences:
                found = pairing.differences[network.name][score]
                _difference(ax, place, found)
                reach += [v for v in (found.low, found.high, found.value) if math.isfinite(v)]
        ax.set_xlim(1.1 * min(reach) - 0.02, 1.1 * max(reach) + 0.02)
        ax.set_title(f"Δ {title(score)}", fontsize=11)
    part.suptitle(f"Differences from {_short(pairing.reference)} on the same {len(pairing.images)} images", fontsize=12)
    axes[1].set_xlabel(
        f"▲ better   ▼ worse   filled: p < {ALPHA:g} after Holm's correction   bars: 95 % intervals", fontsize=9
    )
    _cost(axes[3], networks)


def _difference(ax: Axes, place: int, found: Difference) -> None:
    if math.isnan(found.value):
        return
    colour = BLUE if found.value >= 0 else ORANGE
    marker = "^" if found.value > 0 else "v" if found.value < 0 else "o"
    fill = colour if found.p_holm < ALPHA else "white"
    ax.hlines(place, found.low, found.high, color=colour, alpha=0.3, linewidth=5)
    ax.plot(found.value, place, marker, color=colour, markerfacecolor=fill, markersize=7)
    _label_above(ax, found.value, place, f"{found.value:+.2f}".replace("-", "−") if found.value else "0")


def _label_above(ax: Axes, x: float, place: int, text: str) -> None:
    ax.annotate(text, (x, place), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8, bbox=_PAPER)


def _label_right(ax: Axes, x: float, place: int, text: str) -> None:
    ax.annotate(text, (x, place), xytext=(7, 0), textcoords="offset points", va="center", fontsize=8)


def _cost(ax: Axes, networks: Sequence[ComparedNetwork]) -> None:
    """Time of one training and its number of trainable parameters."""
    seconds = np.array([max(n.cost.train_seconds, 1.0) for n in networks])  # a training resumed at its very end has 0
    known = np.isfinite(seconds)
    if not known.any():
        ax.set_visible(False)
        return
    places = np.arange(len(networks))
    ax.set_xscale("log")
    ax.plot(seconds[known], places[known], "s", color=INK, markersize=5)
    for place, network in enumerate(networks):
        if known[place]:
            _label_right(ax, seconds[place], place, _cost_in_words(network.cost))
    low, high = float(seconds[known].min()), float(seconds[known].max())
    # The text takes about half of the width.
    ax.set_xlim(low / 2, 4 * high**2 / low if high > 2 * low else 8 * high)
    ax.set_title("one training (s)", fontsize=11)


def _cost_in_words(cost: Cost) -> str:
    seconds = cost.train_seconds
    time = (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
    n = cost.trainable_parameters
    if math.isnan(n):
        return time
    return f"{time}, {n / 1e6:.1f} M" if n >= 1e5 else f"{time}, {n / 1e3:.1f} k"


def _scattered(shown: Sequence[str], pairing: Pairing) -> list[str]:
    """The best networks beside the reference."""
    others = [name for name in shown if name in pairing.differences]
    ranked = sorted(others, key=lambda name: (pairing.mean_rank(name), shown.index(name)))[:MAX_SCATTERS]
    return [name for name in others if name in ranked]


def _scatters(part: SubFigure, names: Sequence[str], pairing: Pairing) -> None:
    """One dot per image: the reference's score on x, the other's on y; above the diagonal the other is better."""
    rows = -(-len(names) // _PER_ROW)
    axes = part.subplots(rows, _PER_ROW, sharex=True, sharey=True, squeeze=False)
    for ax, name in zip(axes.ravel(), names, strict=False):
        x, y = pairing.of(pairing.reference), pairing.of(name)
        ax.plot([0, 1], [0, 1], color=GREY, linewidth=1)
        for chosen, colour, marker in ((y > x, BLUE, "^"), (y < x, ORANGE, "v"), (y == x, GREY, "o")):
            ax.plot(x[chosen], y[chosen], marker, color=colour, markersize=6, alpha=0.75, markeredgecolor="white")
        ax.set_xlim(-0.03, 1.03)
        ax.set_ylim(-0.03, 1.03)
        ax.set_aspect("equal")
        ax.set_title(f"{_short(name)}\n▲ {int((y > x).sum())}   ▼ {int((y < x).sum())}", fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_xticks((0, 0.5, 1), ("0", "0.5", "1"))
        ax.set_yticks((0, 0.5, 1), ("0", "0.5", "1"))
        ax.tick_params(labelsize=8, labelbottom=True)
    for ax in axes.ravel()[len(names) :]:
        ax.set_visible(False)
    words = title(pairing.deciding)
    part.suptitle(f"{words} per image: {_short(pairing.reference)} on x, the other network on y", fontsize=12)


def _row_of_axes(part: SubFigure, names: Sequence[str], pairing: Pairing | None, columns: int) -> list[Axes]:
    """Axes whose rows are the networks, the first on top."""
    axes: list[Axes] = list(part.subplots(1, columns, sharey=True, squeeze=False)[0])
    for ax in axes:
        for place in range(0, len(names), 2):
            ax.axhspan(place - 0.5, place + 0.5, color=_BAND, linewidth=0, zorder=0)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(left=False, labelsize=9)
    axes[0].set_yticks(range(len(names)), [_short(name) for name in names])
    axes[0].set_ylim(len(names) - 0.5, -0.7)
    for tick, name in zip(axes[0].get_yticklabels(), names, strict=True):
        if pairing is not None and name == pairing.reference:
            tick.set_fontweight("bold")
    return axes


def _short(name: str) -> str:
    return label(name if len(name) <= 26 else f"{name[:14]}…{name[-11:]}")


def _number(value: float | None) -> float:
    """A score as a float; JSON's null is an undefined score."""
    return math.nan if value is None else value


def _interval(network: ComparedNetwork, score: str) -> tuple[float, float]:
    low, high = network.metrics["interval95"].get(score, (None, None))
    return _number(low), _number(high)
