"""Label images as polygons with integer coordinates."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from somanet.tracking.detections import objects_of

UNITS_PER_PIXEL = 2
"""Outlines run along the outer edge of the mask's pixels, which lies between their centres."""
TOLERANCE_UNITS = 1.0

Polygon = NDArray[np.int32]


def outlines(
    labels_YX: NDArray[np.integer], *, tolerance_units: float = TOLERANCE_UNITS
) -> list[tuple[int, list[Polygon]]]:
    """Outer outlines of every label, in order; a label in several parts has several.

    Args:
        labels_YX: 0 = background.
        tolerance_units: maximum distance of a simplified outline from the exact one, in half pixels.

    Returns:
        (label, polygons). Polygons are (N, 2) ``(y, x)`` in half pixels from the image's corner: ``(c + 0.5) / 2``
        counts pixels from the corner, ``(c - 0.5) / 2`` from the centre of the first pixel.
    """
    found = []
    # Renumbered: find_objects makes a list as long as the largest id.
    ids, index, _ = objects_of(np.asarray(labels_YX))
    shift = 0 if ids.size and ids[0] == 0 else 1
    labels = np.ascontiguousarray(index + shift, np.int32)
    for number, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        mask = (labels[box] == number).astype(np.uint8)
        large = mask.repeat(UNITS_PER_PIXEL, axis=0).repeat(UNITS_PER_PIXEL, axis=1)
        pieces, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        corner = np.array([box[0].start, box[1].start], np.int32) * UNITS_PER_PIXEL
        polygons = [cv2.approxPolyDP(piece, tolerance_units, True)[:, 0, ::-1] + corner for piece in pieces]
        found.append((int(ids[number - shift]), [np.asarray(polygon, np.int32) for polygon in polygons]))
    return found


def compact(polygon: Polygon) -> list[int]:
    """The polygon as ``[y, x, dy, dx, dy, dx, …]``: small numbers take few characters."""
    steps = np.diff(polygon, axis=0, prepend=np.zeros((1, 2), np.int32))
    return [int(value) for value in steps.ravel()]
