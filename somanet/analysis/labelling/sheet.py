"""Crops side by side, for a look before the work."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from somanet.core.plots import blank, display, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS, _WIDTH_IN, _HEIGHT_IN, _LETTERS = 4, 3.1, 3.6, 58
_OUTLINE, _RING_PT = (1.0, 0.35, 0.1), 20


class Picture(NamedTuple):
    """A crop on the sheet.

    Attributes:
        title: its lines.
        image: YX or YXC.
        labels_YX: outlined.
        marks_YX: places with a ring.
    """

    title: Sequence[str]
    image: NDArray[Any]
    labels_YX: NDArray[np.integer]
    marks_YX: Sequence[tuple[float, float]] = ()


def contact_sheet(pictures: Sequence[Picture]) -> Figure:
    """A figure of crops with the outlines of their proposals, and rings around places of doubt."""
    columns = min(_COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = blank(_WIDTH_IN * columns, _HEIGHT_IN * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, one in zip(axes, pictures, strict=False):
        picture = display(one.image)
        picture[find_boundaries(one.labels_YX, mode="outer")] = _OUTLINE
        ax.imshow(picture, interpolation="nearest")
        for y, x in one.marks_YX:
            ax.plot(x, y, "o", markersize=_RING_PT, markerfacecolor="none", markeredgecolor="cyan", clip_on=False)
        lines = [line for text in one.title for line in textwrap.wrap(label(text), _LETTERS) or [""]]
        ax.set_title("\n".join(lines), fontsize=7, loc="left")
    return figure
