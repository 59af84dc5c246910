"""Masks → polygons along the borders of pixels, whose inside is exactly the mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Corners = NDArray[np.int64]
"""N × (x, y): corners of pixels, in order."""


def pixel_outlines(mask_YX: NDArray[np.bool_]) -> list[Corners]:
    """The borders of a mask: one closed polygon for each piece and each hole, of corners only.

    Pixels that touch by a corner are one piece. The sides alternate between horizontal and vertical; filled by the
    even-odd rule, all polygons together give the mask.
    """
    padded = np.pad(mask_YX, 1)
    window = padded[:-1, :-1] * 1 + padded[:-1, 1:] * 2 + padded[1:, :-1] * 4 + padded[1:, 1:] * 8
    # Of the four pixels around a point: one or three make a corner, two on a diagonal two corners at one point.
    corners = np.isin(window, (1, 2, 4, 8, 7, 11, 13, 14))
    crossing = np.isin(window, (6, 9))
    y, x = np.nonzero(corners | crossing)
    twice = crossing[y, x]
    y, x = np.repeat(y, 1 + twice), np.repeat(x, 1 + twice)
    if not len(y):
        return []
    second = np.zeros(len(y), np.int64)
    second[1:] = (y[1:] == y[:-1]) & (x[1:] == x[:-1])
    # Corners of a row belong together in pairs, and those of a column. The first of two at one point ends the side on
    # its left; it begins the side below where that joins the pixels of the diagonal, and else ends the one above.
    across = np.lexsort((second, x, y))
    flipped = np.where(window[y, x] == 9, 1 - second, second)
    along = np.lexsort((flipped, y, x))
    partner_across, partner_along = np.empty_like(across), np.empty_like(along)
    for order, partner in ((across, partner_across), (along, partner_along)):
        partner[order[::2]], partner[order[1::2]] = order[1::2], order[::2]
    points = np.stack([x, y], axis=1)
    to_row, to_column = partner_across.tolist(), partner_along.tolist()
    seen = bytearray(len(points))
    found = []
    for start in range(len(points)):
        if seen[start]:
            continue
        loop, at = [], start
        while not seen[at]:
            beside = to_row[at]
            seen[at] = seen[beside] = 1
            loop += [at, beside]
            at = to_column[beside]
        found.append(points[loop])
    return found
