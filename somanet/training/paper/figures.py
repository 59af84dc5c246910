"""The study's figures: training losses as compared in the paper; input, ground truth and predictions side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from somanet.core import plots
from somanet.io.datasets.layouts import LabelledImage
from somanet.training.paper.published import LOSS_FIGURES, PAPER
from somanet.training.paper.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLES = {
    "learning_rate": "by learning rate",
    "batch_size": "by batch size",
    "weight_decay": "by weight decay",
    "final": "of the final setting",
}


def loss_figures(results: Mapping[str, Result]) -> dict[str, Figure]:
    """The paper's four comparisons of training losses, where at least two of the runs (one for the last) exist.

    Args:
        results: row name → its result, with its history.

    Returns:
        Name → figure: the mean over seeds as a line, the range over seeds as a band.
    """
    by_paper = {result.row.paper: result for result in results.values() if result.row.paper}
    figures = {}
    for quantity, runs in LOSS_FIGURES.items():
        there = [by_paper[run] for run in runs if run in by_paper]
        if len(there) >= min(2, len(runs)):
            figures[quantity] = _losses(quantity, there)
    return figures


def _losses(quantity: str, results: Sequence[Result]) -> Figure:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    figure = plots.blank(5.2, 4.2)
    ax = figure.subplots()
    for result, colour in zip(results, ("tab:orange", "tab:green", "tab:blue"), strict=False):
        assert result.history is not None
        table = result.history.pivot_table(index="epoch", columns="seed", values="train_loss")
        ax.plot(table.index, table.mean(axis=1), color=colour, label=_label(quantity, result))
        ax.fill_between(table.index, table.min(axis=1), table.max(axis=1), color=colour, alpha=0.2, linewidth=0)
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch")
    ax.set_ylabel("training loss")
    ax.set_title(f"Training loss {TITLES[quantity]}", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", frameon=False)
    return figure


def _label(quantity: str, result: Result) -> str:
    paper = PAPER[result.row.paper or ""].val_iou
    value = "" if quantity == "final" else f"{getattr(result.training, quantity):g}: "
    return f"{value}val IoU {result.network.metrics['iou']:.2f} (paper {paper:.2f})"


def panels_figure(items: Sequence[LabelledImage], predictions: Mapping[str, Sequence[NDArray[np.int32]]]) -> Figure:
    """Input, ground truth and the predictions of several networks, one image per row.

    Args:
        items: labelled images.
        predictions: display name → its label image of each item.
    """
    n_columns = 2 + len(predictions)
    figure = plots.blank(2.6 * n_columns, 2.75 * len(items))
    axes = figure.subplots(len(items), n_columns, squeeze=False)
    for row, (number, item) in zip(axes, enumerate(items), strict=True):
        pictures = {
            "input": plots.display(item.image),
            f"ground truth: {_count(item.labels)}": plots.coloured_labels(item.labels),
        }
        for name, labels in predictions.items():
            pictures[f"{name}: {_count(labels[number])}"] = plots.coloured_labels(labels[number])
        for ax, (title, picture) in zip(row, pictures.items(), strict=True):
            ax.imshow(picture, interpolation="nearest")
            ax.set_title(title, fontsize=9)
            ax.set_axis_off()
    return figure


def _count(labels: NDArray[np.int32]) -> int:
    return len(np.unique(labels[labels > 0]))
