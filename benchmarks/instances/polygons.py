"""Objects from rays: the star-convex polygons of a network's output, non-maximum suppression, and their labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from benchmarks.instances.stars import GRID_PX, UNIT_PX, Float32, directions
from somanet.segmentation.inference.instances import renumber

RINGS = 4
"""Sample points of a polygon along each ray, each for the same share of its sector's area."""
SHORTEST_PX = 0.5
"""A network may predict rays below 0; an object reaches at least to the edge of its pixel."""
_TEMPLATE_PX = 32
"""Sizes of templates are multiples of this, so that few are made."""


@dataclass(frozen=True)
class Polygons:
    """Star-convex polygons, the most probable first.

    Attributes:
        centres: n × 2, (y, x) in pixels.
        rays: n × rays, length in pixels of equally spaced rays, the first along x.
        probability: n, descending.
    """

    centres: NDArray[np.intp]
    rays: Float32
    probability: Float32

    def __len__(self) -> int:
        return len(self.centres)

    def __getitem__(self, kept: NDArray[np.intp] | NDArray[np.bool_]) -> Polygons:
        return Polygons(self.centres[kept], self.rays[kept], self.probability[kept])

    def pixels(self, number: int, shape: tuple[int, int]) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
        """One polygon in an image: a window, and which of its pixels have their centre inside."""
        rays = self.rays[number]
        reach = int(min(np.ceil(rays.max()), max(shape)))
        size = -(-reach // _TEMPLATE_PX) * _TEMPLATE_PX
        sector, along, along_next = _in_sectors(size, len(rays))
        first = np.maximum(self.centres[number] - reach, 0)
        last = np.minimum(self.centres[number] + reach + 1, shape)
        window = slice(first[0], last[0]), slice(first[1], last[1])
        low, high = first - self.centres[number] + size, last - self.centres[number] + size
        cut = slice(low[0], high[0]), slice(low[1], high[1])
        inverse = 1 / rays
        inside = along[cut] * inverse[sector[cut]] + along_next[cut] * np.roll(inverse, -1)[sector[cut]] <= 1
        return window, inside

    def areas(self) -> NDArray[np.float64]:
        """Area of each in px²: of the triangles between neighbouring rays."""
        angle = 2 * np.pi / self.rays.shape[1]
        areas: NDArray[np.float64] = (self.rays * np.roll(self.rays, -1, axis=1)).sum(axis=1) * np.sin(angle) / 2
        return areas


@lru_cache(maxsize=8)
def _in_sectors(reach: int, n_rays: int) -> tuple[NDArray[np.intp], Float32, Float32]:
    """Pixels around a centre in oblique coordinates of the two rays that they lie between.

    A pixel is a · (ray k) + b · (ray k + 1), both of length 1. So it lies in the polygon with rays of lengths r and s
    there if a / r + b / s ≤ 1.

    Returns:
        k, a and b of the pixels up to ``reach`` above, below, left and right.
    """
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    width = 2 * np.pi / n_rays
    angle, length = np.arctan2(y, x) % (2 * np.pi), np.hypot(y, x)
    sector = (angle / width).astype(np.intp) % n_rays
    beyond = angle - sector * width
    along, along_next = (length * np.sin(part) / np.sin(width) for part in (width - beyond, beyond))
    return sector, along.astype(np.float32), along_next.astype(np.float32)


def candidates(probability_YX: Float32, rays_RYX: Float32, least: float) -> Polygons:
    """A polygon for every pixel of the grid that is an object's middle with at least a probability.

    Args:
        probability_YX: of the network, 1 in the middle of an object and about 0 at its rim and outside.
        rays_RYX: the network's rays in units of ``UNIT_PX``, every value of the grid repeated over its pixels.
        least: probability of a candidate.
    """
    grid = probability_YX[::GRID_PX, ::GRID_PX]
    rows, columns = np.nonzero(grid >= least)
    order = np.argsort(-grid[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    centres = GRID_PX * np.stack([rows, columns], axis=1)
    rays = np.maximum(UNIT_PX * rays_RYX[:, centres[:, 0], centres[:, 1]].T, SHORTEST_PX)
    return Polygons(centres, rays, grid[rows, columns])


def suppress(polygons: Polygons, shape: tuple[int, int], most_overlap: float) -> Polygons:
    """Greedy non-maximum suppression: the most probable polygon suppresses those that overlap it, and so on.

    Overlap is the common area as a share of the smaller one's. It is counted at ``RINGS`` points along each ray, all
    candidates at once: which of them lie in the kept polygon's pixels.
    """
    rows, columns, weight = _sample_points(polygons, shape)
    area, reach = weight.sum(axis=1), polygons.rays.max(axis=1)
    drawn = np.full(shape, -1, np.int32)  # each pixel's latest polygon; only that of the turn is looked for
    remaining, kept = np.arange(len(polygons)), []
    while remaining.size:
        best, remaining = remaining[0], remaining[1:]
        kept.append(best)
        window, inside = polygons.pixels(best, shape)
        drawn[window][inside] = best
        away = np.hypot(*(polygons.centres[remaining] - polygons.centres[best]).T)
        near = away < reach[remaining] + reach[best]
        others = remaining[near]
        common = (weight[others] * (drawn[rows[others], columns[others]] == best)).sum(axis=1)
        smaller = np.minimum(area[others], np.count_nonzero(inside))
        suppressed = np.zeros(remaining.size, bool)
        suppressed[near] = common > most_overlap * smaller
        remaining = remaining[~suppressed]
    return polygons[np.array(kept, np.intp)]


def _sample_points(
    polygons: Polygons, shape: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Rows and columns of points in polygons, and the area in px² that each stands for, 0 outside the image: n × m."""
    n_rays = polygons.rays.shape[1]
    along = np.sqrt((np.arange(RINGS) + 0.5) / RINGS)  # the middle of each ring by area
    length = (polygons.rays[:, :, None] * along).reshape(len(polygons), n_rays * RINGS)
    weight = np.repeat(polygons.rays**2 * np.float32(np.pi / n_rays / RINGS), RINGS, axis=1)
    shift_y, shift_x = np.repeat(directions(n_rays), RINGS, axis=1)
    rows = np.rint(polygons.centres[:, :1] + length * shift_y).astype(np.int32)
    columns = np.rint(polygons.centres[:, 1:] + length * shift_x).astype(np.int32)
    weight[(rows < 0) | (rows >= shape[0]) | (columns < 0) | (columns >= shape[1])] = 0
    return rows.clip(0, shape[0] - 1), columns.clip(0, shape[1] - 1), weight


def render(polygons: Polygons, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Label image YX of polygons, numbered from 1 in their order; where two overlap, the more probable is on top."""
    labels = np.zeros(shape, np.int32)
    for number in reversed(range(len(polygons))):
        window, inside = polygons.pixels(number, shape)
        labels[window][inside] = number + 1
    return labels


def with_outline(labels_YX: NDArray[np.int32], inside: NDArray[np.bool_], height: Float32) -> NDArray[np.int32]:
    """The pixels of the soma mask, divided by a watershed from the polygons; a part without any is one object.

    Args:
        labels_YX: from :func:`render`.
        inside: the soma mask.
        height: highest in the middle of objects.
    """
    markers = np.where(inside, labels_YX, 0)
    parts, n_parts = ndimage.label(inside)
    marked = np.zeros(n_parts + 1, bool)
    marked[parts[markers > 0]] = True
    rest = inside & ~marked[parts]
    markers[rest] = parts[rest] + labels_YX.max(initial=0)
    flooded: NDArray[np.int32] = watershed(-height, markers, mask=inside).astype(np.int32)
    return flooded


def without_small(labels_YX: NDArray[np.int32], min_area_px: int) -> NDArray[np.int32]:
    """Labels 1…n of the objects of an area."""
    large = np.bincount(labels_YX.ravel()) >= min_area_px
    return renumber(np.where(large[labels_YX], labels_YX, 0))
