"""The comparison of a fine-tuned network with its start as files: numbers, and a picture of before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from somanet.core import plots
from somanet.core.files import write_json
from somanet.core.plots import save_figure
from somanet.io.tables import write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from somanet.training.finetuning.comparing import Compared, Shown

COMPARISON, PICTURE, TABLE = "comparison.json", "before_after.png", "test_per_image.csv"
MOST_ROWS = 6


def write_comparison(folder: Path, compared: Compared, start_name: str) -> None:
    """Write :data:`COMPARISON`, :data:`TABLE` and :data:`PICTURE`."""
    write_json(folder / COMPARISON, {"start": start_name, **compared.verdict.as_dict()})
    write_table(folder / TABLE, compared.per_image)
    figure = before_after(chosen(compared.shown), start_name)
    save_figure(figure, folder / PICTURE)


def chosen(shown: Sequence[Shown], n: int = MOST_ROWS) -> list[Shown]:
    """Crops to show: all, or those whose IoU rose most and fell most, and those between, evenly spaced by rank."""
    ranked = sorted(shown, key=lambda one: one.iou_after - one.iou_before, reverse=True)
    places = np.unique(np.linspace(0, len(ranked) - 1, min(n, len(ranked))).round().astype(int))
    return [ranked[place] for place in places]


def before_after(shown: Sequence[Shown], start_name: str) -> Figure:
    """A row for each crop: image, starting network, fine-tuned network; colours as in :func:`plots.errors`."""
    figure = plots.blank(9.5, 3.3 * len(shown) + 0.4)
    figure.suptitle("held-out crops, not trained on: green correct, blue missed, red false", fontsize=10)
    axes = figure.subplots(len(shown), 3, squeeze=False)
    for row, one in zip(axes, shown, strict=True):
        pictures = [
            (plots.display(one.image), one.name if len(one.name) <= 28 else f"{one.name[:12]}…{one.name[-12:]}"),
            (plots.errors(one.truth, one.before), f"before ({start_name}): IoU {one.iou_before:.3f}"),
            (plots.errors(one.truth, one.after), f"after: IoU {one.iou_after:.3f}"),
        ]
        for ax, (picture, title) in zip(row, pictures, strict=True):
            ax.imshow(picture, interpolation="nearest")
            ax.set_title(plots.label(title), fontsize=9)
            ax.set_axis_off()
    return figure
