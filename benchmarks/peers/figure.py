"""Quality against speed, one dot per contender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.peers.scoring import PUBLISHED
from somanet.core.plots import blank

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#6b7079"
_MARKS = {"classic": ("s", GREY), "somanet": ("o", BLUE), "paper": ("^", ORANGE)}
_SCORE = "images_mean"


def front(rows: Sequence[Mapping[str, Any]], *, real: bool) -> Figure:
    """Mpx/s (logarithmic) against mean accuracy over IoU 0.5 to 0.9, averaged over images.

    Contenders with random weights have no quality: a line at their speed. StarDist's published quality, on another
    split, is a hollow mark on its line if the images are real.

    Args:
        rows: contenders as in `peers.json`.
        real: whether the images are the Data Science Bowl's.
    """
    subset = "fluorescence" if any(row["quality"] and "fluorescence" in row["quality"] for row in rows) else "all"
    figure = blank(9, 5.5)
    ax = figure.add_subplot()
    published = {name.lower(): mean for name, _, mean in PUBLISHED}

    def name_dot(text: str, x: float, y: float, colour: str, *, left: bool = False) -> None:
        offset, side = ((-7, 5), "right") if left else ((7, -11), "left")
        ax.annotate(text, (x, y), offset, textcoords="offset points", ha=side, size=8, color=colour)

    ours: list[tuple[float, float, str]] = []
    papers = [row["mpx_per_s"] for row in rows if row["name"].startswith("paper")]
    lines = 0
    for row in rows:
        speed, quality = row["mpx_per_s"], (row["quality"] or {}).get(subset)
        is_paper = row["name"].startswith("paper")
        if quality is not None:
            marker, colour = _MARKS["paper" if is_paper else row["kind"]]
            ax.plot(speed, quality[_SCORE], marker, color=colour, markersize=8)
            if row["kind"] == "somanet" and not is_paper:
                ours.append((quality[_SCORE], speed, row["title"]))
            elif not is_paper or speed in (
                min(papers),
                max(papers),
            ):  # the engines in between are too close together for names
                left = is_paper and speed == min(papers) != max(papers)
                name_dot(row["title"], speed, quality[_SCORE], colour, left=left)
            continue
        ax.axvline(speed, color=GREY, linewidth=0.8, linestyle=":")
        height = 0.02 + 0.3 * (lines % 3)  # neighbours' names at different heights
        where, lines = ax.get_xaxis_transform(), lines + 1
        ax.text(speed, height, f"{row['title']} ¹", transform=where, rotation=90, size=8, color=GREY, ha="right")
        if real and row["kind"] in published:
            ax.plot(speed, published[row["kind"]], "o", color=GREY, markerfacecolor="none", markersize=8)
            name_dot(f"{row['title']}, published quality", speed, published[row["kind"]], GREY, left=True)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.xaxis.set_minor_formatter("")
    ax.margins(x=0.12)
    scores = [row["quality"][subset][_SCORE] for row in rows if (row["quality"] or {}).get(subset)]
    ax.set_ylim(max(min(scores, default=0.0) - 0.1, -0.03), min(max(scores, default=0.9) + 0.15, 1.0))
    fastest = max((speed for _, speed, _ in ours), default=1.0)
    ours.sort()
    for (score, speed, title), y in zip(ours, spread([score for score, _, _ in ours], gap=0.028), strict=True):
        ax.plot((speed, 1.5 * fastest), (score, y), color=BLUE, linewidth=0.5)
        ax.text(1.55 * fastest, y, title, size=8, color=BLUE, va="center")
    ax.set_xlabel("Mpx/s")
    images = "grey fluorescence images" if subset == "fluorescence" else "all images"
    ax.set_ylabel(f"accuracy, mean over IoU 0.5–0.9 and {images}")
    ax.set_title("Up and to the right is better.  ¹ random weights: speed only", size=9, loc="left")
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def spread(heights: Sequence[float], *, gap: float) -> list[float]:
    """Ascending heights moved apart, so that none is closer than ``gap`` to the next; their centre stays."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    shift = (sum(heights) - sum(placed)) / max(len(placed), 1)
    return [height + shift for height in placed]
