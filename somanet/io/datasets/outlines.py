"""Outlines and run lengths → one mask per object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from somanet.core.limits import IMAGE_PIXELS
from somanet.core.problems import FileProblem

Mask = NDArray[np.uint8]
_LEAST_NUMBERS = 6
"""x and y of three corners."""


def polygon_mask(polygons: Sequence[Any], shape_YX: tuple[int, int], source: str) -> Mask:
    """The pixels in any of an object's polygons, as COCO's own code draws them.

    Args:
        polygons: each x0, y0, x1, y1, … in pixels; 0, 0 is the corner of the first pixel.
        shape_YX: the image's height and width.
        source: the file and object, for messages.

    Raises:
        FileProblem: not a list of corners, or corners far outside of the image.
    """
    from pycocotools import mask as coco  # half a second, which label images are spared

    height, width = shape_YX
    IMAGE_PIXELS.check(height * width, source)
    checked = [_corners(polygon, shape_YX, source) for polygon in polygons]
    if not checked:
        return np.zeros(shape_YX, np.uint8)
    packed = coco.merge(coco.frPyObjects(checked, height, width))
    # its own `decode` leaves what lay in memory where runs are lacking, and uses an interface that NumPy is dropping
    return run_length_mask({**packed, "counts": packed["counts"].decode("ascii")}, shape_YX, source)


def _corners(polygon: Any, shape_YX: tuple[int, int], source: str) -> list[float]:
    if not isinstance(polygon, list) or len(polygon) < _LEAST_NUMBERS or len(polygon) % 2 or not _numbers(polygon):
        raise FileProblem(
            f"{source}: expected an outline of at least three corners, found {str(polygon)[:60]}. Draw it again.",
            "wrong shape",
        )
    height, width = shape_YX
    corners_XY = np.asarray(polygon, np.float64).reshape(-1, 2)
    # outside by more than the image's size: another image's outline, or memory without bound for the library
    if not (np.abs(corners_XY - np.array([width, height]) / 2) <= 1.5 * np.array([width, height])).all():
        x, y = corners_XY[np.abs(corners_XY).max(axis=1).argmax()]
        raise FileProblem(
            f"{source}: expected an outline within {width} × {height} px, found the corner x = {x:g}, "
            f"y = {y:g}. Does it belong to another image, or was one of them resized?",
            "wrong shape",
        )
    return [float(value) for value in polygon]


def _numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def ellipse(y: float, x: float, radius: float) -> list[float]:
    """A circle as a polygon of one corner per pixel of its rim, at least 16."""
    n = int(np.clip(2 * np.pi * radius, 16, 4096))
    angle = np.arange(n) * (2 * np.pi / n)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1).ravel().tolist()


def run_length_mask(segmentation: dict[str, Any], shape_YX: tuple[int, int], source: str) -> Mask:
    """The pixels of COCO's run lengths: background and object in turn, down the columns; a list, or packed as text.

    Raises:
        FileProblem: the runs do not fill the image.
    """
    counts = segmentation.get("counts")
    runs = _unpacked(counts) if isinstance(counts, str) else counts
    height, width = shape_YX
    IMAGE_PIXELS.check(height * width, source)
    whole = isinstance(runs, list) and all(isinstance(run, int) and 0 <= run <= height * width for run in runs)
    if segmentation.get("size") != [height, width] or not whole or sum(runs or []) != height * width:
        raise FileProblem(
            f"{source}: expected run lengths that fill {height} × {width} px, found a size of "
            f"{str(segmentation.get('size'))[:40]} and others. Does it belong to another image, or was one resized?",
            "wrong shape",
        )
    inside = np.arange(len(runs or [])) % 2
    return np.repeat(inside.astype(np.uint8), runs or []).reshape(width, height).T.copy()


def _unpacked(text: str) -> list[int] | None:
    """COCO's text of run lengths: groups of 5 bits, the low ones first, from the third run on as differences.

    From the documentation of the format in pycocotools' `maskApi.c` (`rleFrString`); None if it is cut short.
    """
    runs: list[int] = []
    value = bits = 0
    for letter in text:
        group = ord(letter) - 48
        if not 0 <= group < 64 or bits > 60:
            return None
        value |= (group & 0x1F) << bits
        bits += 5
        if not group & 0x20:
            if group & 0x10:
                value -= 1 << bits
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = bits = 0
    return None if bits else runs
