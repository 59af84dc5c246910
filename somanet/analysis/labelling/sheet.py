"""Crops side by side, for a look before the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from somanet.core.plots import blank, display, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS, _WIDTH_IN, _HEIGHT_IN = 4, 3.1, 3.5
_OUTLINE = (1.0, 0.35, 0.1)


def contact_sheet(pictures: Sequence[tuple[Sequence[str], NDArray[Any], NDArray[np.integer]]]) -> Figure:
    """A figure of crops with the outlines of their proposals.

    Args:
        pictures: lines of a title, image YX or YXC, labels YX.
    """
    columns = min(_COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = blank(_WIDTH_IN * columns, _HEIGHT_IN * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, (title, image, labels_YX) in zip(axes, pictures, strict=False):
        picture = display(image)
        picture[find_boundaries(labels_YX, mode="outer")] = _OUTLINE
        ax.imshow(picture, interpolation="nearest")
        ax.set_title("\n".join(map(label, title)), fontsize=7, loc="left")
    return figure
