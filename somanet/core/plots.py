"""Arrays and tables in, matplotlib figures out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from somanet.core.files import atomic_path
from somanet.core.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HIT, MISSED, FALSE = (0.16, 0.63, 0.35), (0.20, 0.45, 0.90), (0.90, 0.25, 0.20)
"""Colours of true positives, of missed ground truth (false negatives) and of false positives."""


def blank(width: float, height: float) -> Figure:
    """A figure of the given size in inches, outside pyplot's global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def label(text: str) -> str:
    """Foreign text for a figure: no control characters, which fonts lack, and no formula between dollar signs."""
    return printable(text).replace("$", r"\$")


def display(image: NDArray[np.generic]) -> NDArray[np.float64]:
    """An image for display, YXC 0 to 1: square root of the intensity, so that dim somas are visible."""
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)
    values = image[..., :3].astype(float)
    low, high = np.percentile(values.max(axis=-1), (1, 99.8))
    stretched: NDArray[np.float64] = np.sqrt(np.clip((values - min(low, values.min())) / max(high - low, 1e-9), 0, 1))
    return stretched


def coloured_labels(labels_YX: NDArray[np.integer]) -> NDArray[np.float64]:
    """One colour per object on black; consecutive ids differ most."""
    from matplotlib import colormaps

    hues = (labels_YX * 0.381966) % 1.0  # steps of the golden angle
    colours: NDArray[np.float64] = colormaps["hsv"](hues)[..., :3] * 0.85 + 0.1
    colours[labels_YX == 0] = 0
    return colours


def errors(labels_true_YX: NDArray[np.integer], labels_pred_YX: NDArray[np.integer]) -> NDArray[np.float64]:
    """True positives green, false negatives blue, false positives red; outlines of the ground-truth objects white."""
    true, pred = labels_true_YX > 0, labels_pred_YX > 0
    colours = np.zeros((*true.shape, 3))
    colours[true & pred], colours[true & ~pred], colours[~true & pred] = HIT, MISSED, FALSE
    colours[find_boundaries(labels_true_YX, mode="inner")] = 1
    return colours


def panels(
    examples: Sequence[tuple[str, NDArray[np.generic], NDArray[np.integer], NDArray[np.integer]]],
) -> Figure:
    """Input, ground truth, prediction and errors, one example (name, image, ground truth, prediction) per row."""
    figure = blank(12, 3.15 * len(examples))
    axes = figure.subplots(len(examples), 4, squeeze=False)
    for row, (name, image, ground_truth, prediction) in zip(axes, examples, strict=True):
        pictures = [
            display(image),
            coloured_labels(ground_truth),
            coloured_labels(prediction),
            errors(ground_truth, prediction),
        ]
        titles = [
            name if len(name) <= 24 else f"{name[:10]}…{name[-10:]}",
            f"ground truth: {len(np.unique(ground_truth[ground_truth > 0]))}",
            f"prediction: {len(np.unique(prediction[prediction > 0]))}",
            "green correct, blue missed, red false",
        ]
        for ax, picture, title in zip(row, pictures, titles, strict=True):
            ax.imshow(picture, interpolation="nearest")
            ax.set_title(label(title), fontsize=9)
            ax.set_axis_off()
    return figure


def outlines(image: NDArray[np.generic], labels_YX: NDArray[np.integer]) -> Figure:
    """An image with the outline of every object drawn on it."""
    picture = display(image)
    picture[find_boundaries(labels_YX, mode="outer")] = (1.0, 0.35, 0.1)
    height, width = labels_YX.shape
    figure = blank(8, 8 * height / width)
    ax = figure.subplots()
    ax.imshow(picture, interpolation="nearest")
    ax.set_axis_off()
    return figure


def curves(history: pd.DataFrame) -> Figure:
    """Training and validation loss and IoU per epoch; one line per seed if there are several."""
    figure = blank(9, 3.4)
    for ax, quantity in zip(figure.subplots(1, 2), ("loss", "iou"), strict=True):
        _curve(ax, history, quantity)
    return figure


def _curve(ax: Axes, history: pd.DataFrame, quantity: str) -> None:
    groups = history.groupby("seed") if "seed" in history else [(None, history)]
    for number, (_, one) in enumerate(groups):
        for part, colour in (("train", "0.6"), ("val", "tab:green")):
            values = one[["epoch", f"{part}_{quantity}"]].dropna()
            ax.plot(
                values["epoch"],
                values[f"{part}_{quantity}"],
                color=colour,
                marker="." if len(values) < 3 else None,
                label={"train": "training", "val": "validation"}[part] if number == 0 else None,
            )
    ax.set_xlabel("epoch")
    ax.set_ylabel({"loss": "loss", "iou": "IoU of the foreground"}[quantity])
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure as PNG, atomically; equal figures give equal bytes."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
