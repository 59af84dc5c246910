"""Refine the outlines of objects by the image itself: morphological Chan–Vese, of all objects of an image at once."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as connected

from somanet.segmentation.inference.contrast import nearest_objects
from somanet.segmentation.network.settings import RefineSettings

Labels = NDArray[np.int32]
Mask = NDArray[np.uint8]

REACH = 0.5
"""An object's zone reaches this share of its diameter beyond its edge; its surroundings are measured there."""
LEAST_REACH_PX = 3.0
SURE = 0.03
"""A network is sure of a pixel if its probability of soma is this near to 0 or 1."""
SAME_IOU = 0.5
"""A refined object is the same as before if it overlaps it by this IoU."""
LOOSE_SHARE = 0.1
"""Pieces that came loose are dropped if they have at most this share of the object; larger ones would be a second."""

_LINES = tuple(
    np.array(line, np.uint8) for line in (np.eye(3), np.eye(3)[::-1], [[0, 1, 0]] * 3, [[0] * 3, [1] * 3, [0] * 3])
)
"""The four directions of a pixel's neighbourhood."""


class Zones(NamedTuple):
    """The part of an image that each object may fill, as flat lists of pixels.

    Attributes:
        owner_YX: label of the object; 0 outside of all zones.
        pixels: flat indices of the pixels in zones.
        owner: their labels.
        intensity: their intensities.
        free: whether they may change sides.
        counts: number of pixels of each zone, by label.
        totals: sum of their intensities.
    """

    owner_YX: NDArray[np.integer]
    pixels: NDArray[np.intp]
    owner: NDArray[np.integer]
    intensity: NDArray[np.float64]
    free: NDArray[np.bool_]
    counts: NDArray[np.intp]
    totals: NDArray[np.float64]


def refine(
    labels_YX: Labels,
    intensity_YX: NDArray[np.float64],
    soma_YX: NDArray[np.float32],
    settings: RefineSettings,
    *,
    min_area_px: int = 0,
    missing: NDArray[np.bool_] | None = None,
) -> Labels:
    """Move the outlines of the labels 1…n to where the image's intensity changes.

    Morphological active contours without edges (Márquez-Neila, Baumela & Álvarez 2014, doi:10.1109/TPAMI.2013.106;
    Chan & Vese 2001), as :func:`skimage.segmentation.morphological_chan_vese` has them: in each iteration every pixel
    at an outline joins the side, object or surroundings, whose mean intensity is nearer to its own, by squared
    distances with a weight; then the outline is smoothed. Each object has a zone, the pixels that lie nearer to it than
    to any other object and within :data:`REACH` diameters. There its two means are measured, and beyond it does not
    grow: so objects never overlap, and a bright neighbour changes nothing. Pixels of which the network is sure
    (:data:`SURE`) keep their side.

    An object stays as it was if it would vanish, fall into pieces, become smaller than ``min_area_px``, or overlap
    itself by an IoU below :data:`SAME_IOU`.

    Args:
        labels_YX: 0 = background, without gaps in the numbers.
        intensity_YX: in any unit; nothing depends on its offset and scale.
        soma_YX: probability of soma, by which the labels were made.
        settings: weight, iterations and smoothing.
        min_area_px: no object becomes smaller.
        missing: pixels without data, which belong to no object.

    Returns:
        labels YX int32 with the same numbers.
    """
    if not labels_YX.any():
        return labels_YX
    zones = _zones(labels_YX, intensity_YX, soma_YX, missing)
    before = labels_YX > 0
    inside, turn = before.astype(np.uint8), 0
    for _ in range(settings.iterations):
        _attract(inside, zones, settings.weight)
        for _ in range(settings.smoothing):
            inside = _smoothed(inside, outwards_first=turn % 2 == 0)
            turn += 1
        _hold(inside, before, zones)
    inside = _without_threads(inside)
    _hold(inside, before, zones)
    refined_YX = np.where(inside, zones.owner_YX, 0).astype(np.int32)
    return _checked(labels_YX, refined_YX, min_area_px)


def _zones(
    labels_YX: Labels,
    intensity_YX: NDArray[np.float64],
    soma_YX: NDArray[np.float32],
    missing: NDArray[np.bool_] | None,
) -> Zones:
    nearest_YX, distance_YX = nearest_objects(labels_YX)
    diameters = 2 * np.sqrt(np.bincount(labels_YX.ravel()) / np.pi)
    reach = np.maximum(REACH * diameters, LEAST_REACH_PX).astype(np.float32)
    owner_YX = np.where(distance_YX <= reach[nearest_YX], nearest_YX, 0)
    if missing is not None:
        owner_YX[missing] = 0
    pixels = np.flatnonzero(owner_YX)
    owner, intensity = owner_YX.ravel()[pixels], intensity_YX.ravel()[pixels]
    free = np.abs(soma_YX.ravel()[pixels] - 0.5) <= 0.5 - SURE
    totals = np.asarray(np.bincount(owner, intensity), np.float64)
    return Zones(owner_YX, pixels, owner, intensity, free, np.bincount(owner), totals)


def _hold(inside: Mask, before: NDArray[np.bool_], zones: Zones) -> None:
    """Undo what changed where nothing may change, in place."""
    held = zones.pixels[~zones.free]
    inside.ravel()[held] = before.ravel()[held]
    inside[zones.owner_YX == 0] = 0


def _attract(inside: Mask, zones: Zones, weight: float) -> None:
    """Each pixel at an outline joins the side that it is more alike, in place."""
    is_in = inside.ravel()[zones.pixels].view(bool)
    n = len(zones.counts)
    counts_in = np.bincount(zones.owner[is_in], minlength=n)
    total_in = np.bincount(zones.owner[is_in], zones.intensity[is_in], n)
    mean_in = total_in / np.maximum(counts_in, 1)
    mean_out = (zones.totals - total_in) / np.maximum(zones.counts - counts_in, 1)
    at_outline = zones.free & _at_outline(inside).ravel()[zones.pixels]
    pixels, owner, intensity = zones.pixels[at_outline], zones.owner[at_outline], zones.intensity[at_outline]
    energy = weight * (intensity - mean_in[owner]) ** 2 - (intensity - mean_out[owner]) ** 2
    flat = inside.ravel()
    flat[pixels[energy < 0]] = 1
    flat[pixels[energy > 0]] = 0


def _at_outline(inside: Mask) -> NDArray[np.bool_]:
    """Pixels where the central differences are not both 0."""
    padded = np.pad(inside, 1, mode="edge")
    across: NDArray[np.bool_] = padded[2:, 1:-1] != padded[:-2, 1:-1]
    along: NDArray[np.bool_] = padded[1:-1, 2:] != padded[1:-1, :-2]
    return across | along


def _smoothed(inside: Mask, *, outwards_first: bool) -> Mask:
    """Curvature flow by one step: the operators SI∘IS, or IS∘SI, which alternate."""
    steps = (_inf_sup, _sup_inf) if outwards_first else (_sup_inf, _inf_sup)
    for step in steps:
        inside = step(inside)
    return inside


def _sup_inf(inside: Mask) -> Mask:
    found = [cv2.erode(inside, line, borderType=cv2.BORDER_REPLICATE) for line in _LINES]
    return np.asarray(np.maximum.reduce(found), np.uint8)


def _inf_sup(inside: Mask) -> Mask:
    found = [cv2.dilate(inside, line, borderType=cv2.BORDER_REPLICATE) for line in _LINES]
    return np.asarray(np.minimum.reduce(found), np.uint8)


def _without_threads(inside: Mask) -> Mask:
    """Without lines of a single pixel's width, which no step removes: pixels outside of every full 2 × 2 block."""
    full = inside[:-1, :-1] & inside[:-1, 1:] & inside[1:, :-1] & inside[1:, 1:]
    found = np.zeros_like(inside)
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        found[y : y + full.shape[0], x : x + full.shape[1]] |= full
    return found


def _checked(before_YX: Labels, after_YX: Labels, min_area_px: int) -> Labels:
    """The refined objects without loose pieces; those that are no longer the same as they were before."""
    n = int(before_YX.max())
    pieces_YX = connected(after_YX, connectivity=1)
    areas = np.bincount(pieces_YX.ravel())
    owner = np.zeros(len(areas), np.int64)
    owner[pieces_YX.ravel()] = after_YX.ravel()
    owner[0] = 0
    largest = np.zeros(n + 1, np.int64)
    by_area = np.argsort(areas, kind="stable")
    largest[owner[by_area]] = by_area  # the last of those of one owner stays
    largest[0] = 0
    whole_YX = np.where((largest[after_YX] == pieces_YX) & (after_YX > 0), after_YX, 0)
    area_before, area = (np.bincount(one.ravel(), minlength=n + 1) for one in (before_YX, whole_YX))
    shared = np.bincount(before_YX[whole_YX == before_YX], minlength=n + 1)
    loose = np.bincount(after_YX.ravel(), minlength=n + 1) - area
    same = (shared >= SAME_IOU * (area_before + area - shared)) & (loose <= LOOSE_SHARE * area)
    same &= area >= max(min_area_px, 1)
    same[0] = True
    return np.where(same[before_YX], np.where(same[whole_YX], whole_YX, 0), before_YX).astype(np.int32)
