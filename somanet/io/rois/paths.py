"""Outlines of selections as closed polygons: curves divided as Java divides them, ellipses as ImageJ draws them."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Loop = NDArray[np.float64]
"""Corners N × (x, y) in pixels of a closed polygon; 0, 0 is the corner of the first pixel."""

MOVE, LINE, QUADRATIC, CUBIC, CLOSE = range(5)
"""Commands of a path, as `java.awt.geom.PathIterator` numbers them."""
_POINTS = {MOVE: 1, LINE: 1, QUADRATIC: 2, CUBIC: 3, CLOSE: 0}
_FLATNESS_PX, _MOST_HALVINGS = 0.01, 10
"""Of `ij.gui.ShapeRoi.getMask`, and of `java.awt.geom.FlatteningPathIterator`."""
_ELLIPSE_CORNERS = 72
"""Of `ij.gui.EllipseRoi`."""


def path_loops(path: NDArray[np.float32]) -> list[Loop]:
    """The closed polygons of a path: commands, each followed by its points.

    Raises:
        ValueError: an unknown command, or a path that ends within one or begins without a point.
    """
    loops: list[list[tuple[float, float]]] = []
    values = path.tolist()
    at = 0
    while at < len(values):
        command = values[at]
        if command not in _POINTS:
            raise ValueError(f"a path with the command {command:g}")
        count = _POINTS[int(command)]
        numbers = values[at + 1 : at + 1 + 2 * count]
        if len(numbers) < 2 * count or (not loops and command != MOVE):
            raise ValueError("a path that is cut short")
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        if command == MOVE:
            loops.append(points)
        elif command == LINE:
            loops[-1] += points
        elif command != CLOSE:
            loops[-1] += _divided([loops[-1][-1], *points])
        at += 1 + 2 * count
    return [np.array(loop, np.float32).astype(np.float64) for loop in loops]


def _divided(curve: Sequence[tuple[float, float]], level: int = 0) -> list[tuple[float, float]]:
    """The corners of a Bézier curve but for the first, halved until it is flat."""
    if level == _MOST_HALVINGS or _flatness(curve) < _FLATNESS_PX:
        return [curve[-1]]
    rows = [list(curve)]
    while len(rows[-1]) > 1:  # de Casteljau
        rows.append([((a + c) / 2, (b + d) / 2) for (a, b), (c, d) in zip(rows[-1][:-1], rows[-1][1:], strict=True)])
    return _divided([row[0] for row in rows], level + 1) + _divided([row[-1] for row in reversed(rows)], level + 1)


def _flatness(curve: Sequence[tuple[float, float]]) -> float:
    """Largest distance of the control points from the line between the ends."""
    (x0, y0), (x1, y1) = curve[0], curve[-1]
    dx, dy = x1 - x0, y1 - y0
    length2 = dx * dx + dy * dy
    worst = 0.0
    for x, y in curve[1:-1]:
        along = 0.0 if length2 == 0 else min(1.0, max(0.0, ((x - x0) * dx + (y - y0) * dy) / length2))
        worst = max(worst, math.hypot(x - x0 - along * dx, y - y0 - along * dy))
    return worst


def ellipse_loop(x1: float, y1: float, x2: float, y2: float, ratio: float) -> Loop:
    """An ellipse by the ends of its long axis and the ratio of its axes, as `ij.gui.EllipseRoi` draws it."""
    ratio = min(1.0, max(0.0, ratio))
    turn = math.atan2(y2 - y1, x2 - x1)
    major = math.hypot(x2 - x1, y2 - y1) / 2
    angle = np.arange(_ELLIPSE_CORNERS) * (2 * np.pi / _ELLIPSE_CORNERS)
    along, across = major * np.cos(angle), major * ratio * np.sin(angle)
    x = (x1 + x2) / 2 + along * math.cos(turn) - across * math.sin(turn)
    y = (y1 + y2) / 2 + along * math.sin(turn) + across * math.cos(turn)
    return np.stack([x, y], axis=1).astype(np.float32).astype(np.float64)


def rotated_rectangle_loop(x1: float, y1: float, x2: float, y2: float, width: float) -> Loop:
    """A rectangle by the ends of its middle line and its width across it."""
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    ax, ay = (y2 - y1) / length * width / 2, -(x2 - x1) / length * width / 2
    corners = [(x1 + ax, y1 + ay), (x2 + ax, y2 + ay), (x2 - ax, y2 - ay), (x1 - ax, y1 - ay)]
    return np.array(corners, np.float32).astype(np.float64)


def rounded_rectangle_loop(left: float, top: float, width: float, height: float, diameter: float) -> Loop:
    """A rectangle with round corners, as `java.awt.geom.RoundRectangle2D` draws it."""
    rx, ry = min(diameter, width) / 2, min(diameter, height) / 2
    pull = 4 / 3 * (math.sqrt(2) - 1)  # of the control points of a quarter of a circle
    right, bottom = left + width, top + height
    quarters = (
        ((left + rx, bottom), (-1, 0), (left, bottom - ry), (0, 1)),
        ((left, top + ry), (0, -1), (left + rx, top), (-1, 0)),
        ((right - rx, top), (1, 0), (right, top + ry), (0, -1)),
        ((right, bottom - ry), (0, 1), (right - rx, bottom), (1, 0)),
    )
    corners: list[tuple[float, float]] = []
    for (x0, y0), (ux, uy), (x1, y1), (vx, vy) in quarters:
        first = (x0 + ux * pull * rx, y0 + uy * pull * ry)
        second = (x1 + vx * pull * rx, y1 + vy * pull * ry)
        corners += [(x0, y0), *_divided([(x0, y0), first, second, (x1, y1)])]
    return np.array(corners, np.float32).astype(np.float64)


def float_of_bytes(first: int, second: int, rest: int) -> float:
    """The number that ImageJ stores where other selections have an arrow's style, its size and a corner's diameter."""
    return float(struct.unpack(">f", struct.pack(">BBh", first & 255, second & 255, rest))[0])


def path_of_loops(loops: Iterable[NDArray[np.integer]]) -> NDArray[np.float32]:
    """Closed polygons as a path."""
    parts: list[float] = []
    for loop in loops:
        for n, (x, y) in enumerate(loop.tolist()):
            parts += [LINE if n else MOVE, x, y]
        parts.append(CLOSE)
    return np.array(parts, np.float32)
