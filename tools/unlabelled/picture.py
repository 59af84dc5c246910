"""Crops with their labels and what is ignored, for the documentation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from skimage.segmentation import find_boundaries

from somanet.core.plots import blank, label
from somanet.io.datasets.layouts import LabelledImage

LABELLED, IGNORED = (1.0, 0.85, 0.0), (1.0, 0.2, 1.0)
COLUMNS = 3


def draw(crops: Sequence[LabelledImage]) -> Figure:
    """Crops in rows of three, dim cells lifted by a square root; labels outlined yellow, ignored pixels magenta."""
    rows = -(-len(crops) // COLUMNS)
    figure = blank(3.2 * COLUMNS, 3.4 * rows)
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, crop in zip(axes, crops, strict=False):
        grey = np.atleast_3d(crop.image).max(axis=-1).astype(float)
        low, high = np.percentile(grey, (1, 99))
        picture = np.repeat(np.sqrt(np.clip((grey - low) / max(high - low, 1), 0, 1))[..., None], 3, axis=-1)
        picture[find_boundaries(crop.labels, mode="outer")] = LABELLED
        if crop.ignored is not None:
            picture[find_boundaries(crop.ignored, mode="inner")] = IGNORED
        ax.imshow(picture, interpolation="nearest")
        ax.set_title(label(crop.name), fontsize=8)
    return figure
