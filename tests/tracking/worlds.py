"""Toy worlds drawn in ASCII: one block of text per frame, frames side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def draw(picture: str) -> NDArray[np.int32]:
    """TYX labels of a picture: frames beside each other, `.` background, digits and letters are ids (a = 10)."""
    lines = [line.split() for line in picture.strip().splitlines()]
    return np.array(
        [[[0 if c == "." else int(c, 36) for c in line[t]] for line in lines] for t in range(len(lines[0]))], np.int32
    )


def discs(shape_YX: tuple[int, int], *cells: tuple[float, float, float]) -> NDArray[np.int32]:
    """A label image of discs (y, x, radius), numbered from 1; a later one covers an earlier one."""
    y, x = np.indices(shape_YX)
    labels = np.zeros(shape_YX, np.int32)
    for i, (cy, cx, radius) in enumerate(cells, start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = i
    return labels
