"""Label images to a table of somas: position, shape and intensity of each, in pixels and counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.tracking.shapes import shapes_of

Labels = NDArray[np.integer]

SHAPE_COLUMNS = (
    "y_px",
    "x_px",
    "area_px",
    "major_axis_px",
    "minor_axis_px",
    "eccentricity",
    "solidity",
    "top_px",
    "left_px",
    "bottom_px",
    "right_px",
)
"""See :func:`somanet.tracking.shapes.shapes_of`. ``bottom_px`` and ``right_px`` lie one past the last pixel."""
INTENSITY_COLUMNS = ("mean_intensity", "max_intensity", "sum_intensity")
DETECTION_COLUMNS = ("frame", "label", *SHAPE_COLUMNS, *INTENSITY_COLUMNS, "touches_edge")
_WHOLE = ("frame", "label", "top_px", "left_px", "bottom_px", "right_px", "touches_edge")
_MISSING = object()
LARGEST_COUNTED_ID = 1 << 22


def detect_cells(labels: Iterable[Labels], frames: Iterable[NDArray[np.generic]] | None = None) -> pd.DataFrame:
    """Measure every labelled object of a movie.

    One frame is in memory at a time, so labels and frames may be generators or open movies of any length.

    Args:
        labels: YX label images in order of time, 0 = background; ids need not agree between frames. An object may
            have several parts.
        frames: the movie they belong to, for the intensities, which are NaN without it.

    Returns:
        One row per object, by frame and label: ``frame`` (from 0), ``label``, centre ``y_px``, ``x_px`` (a pixel's
        centre is a whole number), ``area_px``, the axes of the ellipse of equal second moments ``major_axis_px`` and
        ``minor_axis_px``, ``eccentricity`` (0 = circle), ``solidity`` (area over that of the convex hull), the bounding
        box ``top_px``, ``left_px``, ``bottom_px``, ``right_px`` (half open), ``mean_intensity``, ``max_intensity``,
        ``sum_intensity`` in counts, background included, and ``touches_edge`` (0 or 1).

    Raises:
        SomaNetError: labels that are not 2-D integers, or frames that do not fit the labels.
    """
    found = Measured(labels, frames)
    for _ in found:
        pass
    return found.table()


class Measured(Iterable[Labels]):
    """Label images that are measured as they pass by to another reader; see :func:`detect_cells`."""

    def __init__(self, labels: Iterable[Labels], frames: Iterable[NDArray[np.generic]] | None = None) -> None:
        """Take label images in order of time and the movie they belong to; both are read once."""
        self._labels, self._frames = labels, frames
        self._parts: list[pd.DataFrame] = []

    def __iter__(self) -> Iterator[Labels]:
        """The label images, once."""
        for t, (labels_YX, image_YX) in enumerate(_side_by_side(self._labels, self._frames)):
            self._parts.append(_measure(t, labels_YX, image_YX))
            yield labels_YX

    def table(self) -> pd.DataFrame:
        """What was found in the images that have passed."""
        parts = [part for part in self._parts if len(part)]
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(DETECTION_COLUMNS))
        return table.astype({name: "int64" if name in _WHOLE else "float64" for name in DETECTION_COLUMNS})


def _side_by_side(
    labels: Iterable[Labels], frames: Iterable[NDArray[np.generic]] | None
) -> Iterator[tuple[Labels, NDArray[np.generic] | None]]:
    if frames is None:
        yield from ((np.asarray(labels_YX), None) for labels_YX in labels)
        return
    for t, (labels_YX, image_YX) in enumerate(zip_longest(labels, frames, fillvalue=_MISSING)):
        if labels_YX is _MISSING or image_YX is _MISSING:
            shorter = "labels" if labels_YX is _MISSING else "frames"
            raise SomaNetError(
                f"Labels and frames must belong to the same movie, but the {shorter} end after {t}. Is one truncated?"
            )
        yield np.asarray(labels_YX), np.asarray(image_YX)


def _measure(t: int, labels_YX: Labels, image_YX: NDArray[np.generic] | None) -> pd.DataFrame:
    check_labels(labels_YX, t)
    if image_YX is not None and image_YX.shape != labels_YX.shape:
        raise SomaNetError(
            f"Frame {t} has shape {image_YX.shape}, its labels {labels_YX.shape}: expected equal shapes. Were the "
            "labels made from another movie?"
        )
    if not labels_YX.any():
        return pd.DataFrame(columns=list(DETECTION_COLUMNS))
    # The ids are renumbered, as boxes are looked for up to the largest one.
    ids, dense, _ = objects_of(labels_YX)
    dense = dense + (0 if ids[0] == 0 else 1)
    ids = ids[ids > 0]
    found = shapes_of(dense, len(ids))
    intensity = dict(zip(INTENSITY_COLUMNS, _intensity(dense, image_YX, len(ids)), strict=True))
    top, left, bottom, right = (found[f"{side}_px"] for side in ("top", "left", "bottom", "right"))
    height, width = labels_YX.shape
    at_edge = (top == 0) | (left == 0) | (bottom == height) | (right == width)
    return pd.DataFrame({"frame": t, "label": ids, **found, **intensity, "touches_edge": at_edge})


def _intensity(
    dense: NDArray[np.integer], image_YX: NDArray[np.generic] | None, n: int
) -> tuple[NDArray[np.float64], ...]:
    if image_YX is None:
        unknown = np.full(n, np.nan)
        return unknown, unknown, unknown
    inside = dense > 0
    index, counts = dense[inside] - 1, image_YX[inside].astype(np.float64)
    total = np.asarray(np.bincount(index, weights=counts, minlength=n), np.float64)
    mean: NDArray[np.float64] = total / np.bincount(index, minlength=n)
    largest = np.full(n, -np.inf)
    np.maximum.at(largest, index, counts)
    return mean, largest, total


def objects_of(labels_YX: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The sorted ids in a label image, background included if there is any; each pixel's index among them; areas.

    Counting is ten times faster than numpy's sorting, which is used only for ids too large to count.
    """
    if not labels_YX.size or labels_YX.max() > LARGEST_COUNTED_ID:
        ids, index, counts = np.unique(labels_YX, return_inverse=True, return_counts=True)
        return ids.astype(np.int64), index.reshape(labels_YX.shape), counts
    counts = np.bincount(labels_YX.ravel())
    ids = np.flatnonzero(counts)
    if len(ids) == len(counts):
        return ids, labels_YX.astype(np.int64), counts
    place = np.zeros(len(counts), np.int64)
    place[ids] = np.arange(len(ids))
    return ids, place[labels_YX], counts[ids]


def areas_of(labels_YX: Labels) -> NDArray[np.int64]:
    """The areas of the objects in a label image, by id, in pixels."""
    if not labels_YX.size or labels_YX.max() > LARGEST_COUNTED_ID:
        ids, counts = np.unique(labels_YX, return_counts=True)
        return counts[ids > 0]
    counts = np.bincount(labels_YX.ravel())[1:]
    return counts[counts > 0]


def check_labels(labels_YX: Labels, t: int) -> None:
    """Refuse an array that is not a label image.

    Raises:
        SomaNetError: not two axes, not integers, or negative ids.
    """
    whole = labels_YX.dtype.kind in "uib"
    least = labels_YX.min() if whole and labels_YX.size else 0
    if labels_YX.ndim != 2 or not whole or least < 0:
        values = f", with values down to {least}" if least < 0 else ""
        raise SomaNetError(
            f"Labels of frame {t}: expected a YX image of integers from 0, found shape {labels_YX.shape}, "
            f"{labels_YX.dtype}{values}. Give label images, one per frame."
        )
