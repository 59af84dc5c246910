"""The pixels inside polygons, by ImageJ's rule for those on the border."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from somanet.io.rois.paths import Loop

_TIE_PX = 1e-8
"""By which ImageJ moves an outline to the right, so that all ties are decided alike."""
_AT_ONCE = 1 << 20
"""Crossings of rows that are in memory at once."""

Mask = NDArray[np.bool_]


def fill_loops(loops: Sequence[Loop], shape_YX: tuple[int, int]) -> Mask:
    """The pixels whose centre lies in an odd number of polygons.

    A centre exactly on a border is inside if the polygon lies to the left of it or above, as in
    `ij.process.PolygonFiller` of ImageJ 1.53t; so a pixel on the border of two polygons belongs to one of them.

    Args:
        loops: closed polygons, which may reach beyond the image.
        shape_YX: the image's height and width.
    """
    height, width = shape_YX
    crossings = np.zeros((height, width + 1), np.int32)
    for loop in loops:
        x1, y1 = loop.T
        x2, y2 = np.roll(loop, -1, axis=0).T
        down = y1 <= y2
        x1, x2, y1, y2 = np.where(down, x1, x2), np.where(down, x2, x1), np.where(down, y1, y2), np.where(down, y2, y1)
        first = np.clip(np.floor(y1 + 0.5), 0, height).astype(np.int64)
        last = np.clip(np.floor(y2 + 0.5), 0, height).astype(np.int64)
        crossing = np.flatnonzero(first < last)
        ends = np.cumsum(last[crossing] - first[crossing])
        for part in np.split(
            crossing, np.searchsorted(ends, np.arange(_AT_ONCE, ends[-1] if len(ends) else 0, _AT_ONCE))
        ):
            rows = last[part] - first[part]
            edge = np.repeat(part, rows)
            row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(rows) - rows, rows)
            x = x1[edge] + (row + 0.5 - y1[edge]) * ((x2 - x1) / np.where(y2 > y1, y2 - y1, 1))[edge]
            column = np.clip(np.floor(x + _TIE_PX + 0.5), 0, width).astype(np.int64)
            np.add.at(crossings, (row, column), 1)
    inside: Mask = np.cumsum(crossings[:, :width], axis=1) % 2 == 1
    return inside


def oval_mask(height: int, width: int, part: tuple[slice, slice] | None = None) -> Mask:
    """The pixels of an oval in its box: centres inside the ellipse or on it, as in `ij.gui.OvalRoi`.

    Args:
        height, width: of the box.
        part: rows and columns of the box that are wanted; None for all.
    """
    rows, columns = part or (slice(0, height), slice(0, width))
    y = (np.arange(rows.start, rows.stop) + 0.5 - height / 2)[:, None] ** 2 / (height / 2) ** 2
    x = (np.arange(columns.start, columns.stop) + 0.5 - width / 2)[None, :] ** 2 / (width / 2) ** 2
    return np.asarray(x + y <= 1)
