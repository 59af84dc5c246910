"""Geometry of masks: centres and areas, the nearest mask, and splitting one between several cells."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from somanet.tracking.detections import objects_of

NEW_AREA_WEIGHT = 0.3
"""A cell's area follows its masks slowly, so that a single bad mask has little effect."""


@dataclass(frozen=True)
class Soma:
    """A cell as last detected.

    Attributes:
        centre_yx: centre in pixels.
        area_px: its usual area, a running mean.
        age: number of frames in which it had a mask of its own.
        shared: in the last frame it shared a mask with another cell.
    """

    centre_yx: tuple[float, float]
    area_px: float
    age: int
    shared: bool = False

    @property
    def radius_px(self) -> float:
        """Radius of a circle of the same area."""
        return math.sqrt(self.area_px / math.pi)


@dataclass(frozen=True)
class Mask:
    """Centre and area of one labelled object in pixels."""

    centre_yx: tuple[float, float]
    area_px: float

    def as_cell(self, before: Soma | None) -> Soma:
        """The cell with this mask: a new one, or the previous one, a frame older."""
        if before is None:
            return Soma(self.centre_yx, self.area_px, 1)
        area = before.area_px + NEW_AREA_WEIGHT * (self.area_px - before.area_px)
        return Soma(self.centre_yx, area, before.age + 1)


def masks_of(labels_YX: NDArray[np.int32]) -> dict[int, Mask]:
    """Every object of a label image by id, in order of ids."""
    places = np.flatnonzero(labels_YX)
    if not len(places):
        return {}
    ids, index, area = objects_of(labels_YX.ravel()[places])
    y, x = (np.bincount(index, weights=values) / area for values in divmod(places, labels_YX.shape[1]))
    return {int(i): Mask((float(cy), float(cx)), float(n)) for i, cy, cx, n in zip(ids, y, x, area, strict=True)}


def nearest_px(
    labels_YX: NDArray[np.int32], centre_yx: tuple[float, float], *, within_px: float, among: Collection[int]
) -> int | None:
    """The object with the pixel closest to a point; None if there is none within reach."""
    height, width = labels_YX.shape
    cy, cx = centre_yx
    top, bottom = max(0, math.floor(cy - within_px)), min(height, math.ceil(cy + within_px) + 1)
    left, right = max(0, math.floor(cx - within_px)), min(width, math.ceil(cx + within_px) + 1)
    window = labels_YX[top:bottom, left:right]
    ys, xs = np.nonzero(np.isin(window, list(among)))
    if not len(ys):
        return None
    distance2 = (ys + top - cy) ** 2 + (xs + left - cx) ** 2
    best = int(distance2.argmin())
    return int(window[ys[best], xs[best]]) if distance2[best] <= within_px**2 else None


def split_mask(labels_YX: NDArray[np.int32], label: int, cells: list[Soma], *, first_new: int) -> list[Soma]:
    """Split one object between the cells that share it, in place.

    The cells are shifted together until their common centre is that of the mask. A pixel goes to the cell with the
    smallest power distance, the squared distance from its centre minus its squared radius: the border of two
    overlapping circles runs through their intersections, and a small cell beside a large one keeps its size.

    Args:
        labels_YX: the label image, modified.
        label: the object; its first cell keeps this id.
        cells: as last detected.
        first_new: first id for the others.

    Returns:
        The updated cells that received pixels; their areas do not change, as the split is a guess.
    """
    ys, xs = np.nonzero(labels_YX == label)
    centres = np.array([cell.centre_yx for cell in cells])
    areas = np.array([cell.area_px for cell in cells])
    centres += [ys.mean(), xs.mean()] - np.average(centres, axis=0, weights=areas)
    power = (ys[:, None] - centres[:, 0]) ** 2 + (xs[:, None] - centres[:, 1]) ** 2 - areas / np.pi
    nearest = power.argmin(1)
    labels_YX[ys, xs] = np.where(nearest == 0, label, first_new - 1 + nearest)
    found = []
    for k, cell in enumerate(cells):
        mine = nearest == k
        if mine.any():
            found.append(
                Soma((float(ys[mine].mean()), float(xs[mine].mean())), cell.area_px, cell.age + 1, shared=True)
            )
    return found
