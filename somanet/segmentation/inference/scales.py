"""A few images segmented at a series of scales, and how far their objects are found again at the next one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmented, Segmenter

Labels = NDArray[np.int32]
Floats = NDArray[np.float64]

STEP = math.sqrt(2)
"""Factor from one scale to the next."""
FEWEST_STEPS, MOST_STEPS = -6, 4
"""Images are rescaled by 1/8 to 4."""
WINDOW_PX = 1024
"""Of images that are longer after rescaling, only the part with most detail is segmented."""
LEAST_SIDE_PX = 24
"""Images are not downscaled further than this."""
LARGEST_SHARE = 0.5
"""An object longer than this share of an image's shorter side is no soma, but the outline of everything."""
SAME_IOU = 0.5
"""From this IoU on, the objects of two scales are the same."""
MOST_CELLS = 1 << 22
"""Pairs of labels of two images that are counted in a table; of more, only those that share pixels are listed."""


@dataclass(frozen=True)
class Part:
    """What was segmented of an image: rows and columns, and the objects there."""

    rows: slice
    columns: slice
    found: Segmented

    @property
    def labels_YX(self) -> Labels:
        """Of the part."""
        return self.found.labels_YX

    @cached_property
    def diameters_px(self) -> Floats:
        """Equivalent diameter of each object."""
        return diameters_of(self.labels_YX, len(self.found.confidence))

    def cut(self, whole_YX: NDArray[Any]) -> NDArray[Any]:
        """The part of an array of the image's size."""
        return whole_YX[self.rows, self.columns]

    def within(self, other: Part) -> Labels:
        """The labels of the smaller part that ``other`` is."""
        rows = slice(other.rows.start - self.rows.start, other.rows.stop - self.rows.start)
        columns = slice(other.columns.start - self.columns.start, other.columns.stop - self.columns.start)
        return self.labels_YX[rows, columns]


@dataclass
class Scales:
    """Images at the scales :data:`STEP` to the power of a step; a larger scale shows part of a smaller one.

    Attributes:
        segmenter: outlines the objects.
        of_movie: they are frames of a movie, and are segmented as its frames will be.
        images: so far.
        seen: what was segmented, by step; steps between whole ones are no neighbours of others.
    """

    segmenter: Segmenter
    of_movie: bool
    images: list[NDArray[Any]] = field(default_factory=list)
    seen: dict[float, list[Part]] = field(default_factory=dict)
    _centres: list[tuple[int, int]] = field(default_factory=list)
    _supports: dict[tuple[float, int, bool, bool], Floats] = field(default_factory=dict)

    def add(self, images: Sequence[NDArray[Any]]) -> None:
        """Images that are segmented at all scales that are climbed to from now on, or again."""
        self.images += images
        self._centres += map(most_detailed, images)

    @property
    def shorter_px(self) -> int:
        """The shortest side of all images."""
        return min(int(side) for image in self.images for side in image.shape[:2])

    def climb(self, step: float) -> None:
        """Segment all images at a scale that have not been yet, unless nothing would be left of them."""
        from somanet.segmentation.inference.video import segmented_frames

        factor, seen = STEP**step, self.seen.get(step, [])
        if step < 0 and self.shorter_px * factor < LEAST_SIDE_PX:
            return
        images, centres = self.images[len(seen) :], self._centres[len(seen) :]
        windows = [window(image.shape, c, factor) for image, c in zip(images, centres, strict=True)]
        parts = [image[part] for image, part in zip(images, windows, strict=True)]
        segmenter = self.segmenter.at(factor)
        if any(part.shape != image.shape for part, image in zip(parts, images, strict=True)):
            segmenter = replace(segmenter, known=None)
        # as the frames of a movie, or the image, will be segmented: torch's sums depend on the number of threads
        found = segmented_frames(segmenter, parts) if self.of_movie else map(segmenter.segment, parts)
        self.seen[step] = seen + [Part(*shown, one) for shown, one in zip(windows, found, strict=True)]

    def support(self, step: float, n: int) -> Floats:
        """IoU with the same object at the next smaller or larger scale × confidence, of each object in image ``n``.

        0 for an object that is not found again there, or whose size the network does not know at this scale.
        """
        smaller, larger = (self.seen.get(step + by, [])[n : n + 1] for by in (-1, 1))
        key = (step, n, bool(smaller), bool(larger))
        if key not in self._supports:
            self._supports[key] = self._support(step, n, smaller, larger)
        return self._supports[key]

    def supports(self, step: float) -> list[Floats]:
        """The same of all images that were segmented at a scale."""
        return [self.support(step, n) for n in range(len(self.seen[step]))]

    def _support(self, step: float, n: int, smaller: Sequence[Part], larger: Sequence[Part]) -> Floats:
        part = self.seen[step][n]
        count = len(part.found.confidence)
        best = np.zeros(count)
        for other in smaller:
            best = np.maximum(best, best_iou(part.labels_YX, other.within(part), count))
        for other in larger:
            best = np.maximum(best, best_iou(part.within(other), other.labels_YX, count))
        low_px, _ = self.segmenter.intended_use.diameter_px or (0.0, math.inf)
        px = part.diameters_px
        known = (px * STEP**step >= low_px) & (px <= self.largest_px(step)) & (px <= LARGEST_SHARE * self.shorter_px)
        return np.where(known & (best > SAME_IOU), best * part.found.confidence, 0.0)

    def largest_px(self, step: float) -> float:
        """Diameter in the images' own pixels of the largest objects that the network knows at a scale."""
        use = self.segmenter.intended_use.diameter_px
        return math.inf if use is None else use[1] / STEP**step


def at_edge(labels_YX: NDArray[np.integer]) -> NDArray[np.integer]:
    """The labels that an image's edge cuts, sorted."""
    edge = np.concatenate([labels_YX[0], labels_YX[-1], labels_YX[:, 0], labels_YX[:, -1]])
    return np.flatnonzero(np.bincount(edge)[1:]) + 1


def diameters_of(labels_YX: NDArray[np.integer], n: int) -> Floats:
    """Equivalent diameter of each label 1…n."""
    return np.asarray(2 * np.sqrt(np.bincount(labels_YX.ravel(), minlength=n + 1)[1:] / np.pi))


def best_iou(labels_YX: NDArray[np.integer], others_YX: NDArray[np.integer], n: int) -> Floats:
    """Largest IoU of each label 1…n with any object of another label image of the same shape; 0 without overlap."""
    best = np.zeros(n)
    both = overlap_of(labels_YX, others_YX)
    np.maximum.at(best, both.first - 1, both.iou)
    return best


class Overlap(NamedTuple):
    """How the labels of two images share pixels.

    Attributes:
        areas, other_areas: of each label of the first image, and of the second, from 0 on.
        first, second: each pair of labels that share a pixel, sorted.
        shared: number of pixels of each pair.
    """

    areas: NDArray[np.integer]
    other_areas: NDArray[np.integer]
    first: NDArray[np.integer]
    second: NDArray[np.integer]
    shared: NDArray[np.integer]

    @property
    def iou(self) -> Floats:
        """Of each pair."""
        return np.asarray(self.shared / (self.areas[self.first] + self.other_areas[self.second] - self.shared))

    @property
    def area_factor(self) -> Floats:
        """The area of the second over that of the first, of each pair."""
        return np.asarray(self.other_areas[self.second] / self.areas[self.first])

    @property
    def covered(self) -> NDArray[np.integer]:
        """Pixels of each label of the second image that any label of the first has, too; of label 0 none."""
        counts = np.zeros(len(self.other_areas), np.int64)
        np.add.at(counts, self.second, self.shared)
        return counts


def overlap_of(labels_YX: NDArray[np.integer], others_YX: NDArray[np.integer]) -> Overlap:
    """Count the pixels that the labels of two images of one shape share."""
    n, n_others = int(labels_YX.max(initial=0)) + 1, int(others_YX.max(initial=0)) + 1
    if n * n_others <= MOST_CELLS:
        pairs = labels_YX.ravel().astype(np.int64) * n_others + others_YX.ravel()
        table = np.bincount(pairs, minlength=n * n_others).reshape(n, n_others)
        first, second = np.nonzero(table[1:, 1:])
        first, second = first + 1, second + 1
        return Overlap(table.sum(axis=1), table.sum(axis=0), first, second, table[first, second])
    both = (labels_YX > 0) & (others_YX > 0)
    pairs, shared = np.unique(labels_YX[both].astype(np.int64) * n_others + others_YX[both], return_counts=True)
    first, second = np.divmod(pairs, n_others)
    return Overlap(np.bincount(labels_YX.ravel()), np.bincount(others_YX.ravel()), first, second, shared)


def window(shape: tuple[int, ...], centre_YX: tuple[int, int], factor: float) -> tuple[slice, slice]:
    """Rows and columns around a centre, at most :data:`WINDOW_PX` long after rescaling, inside the image."""
    slices = []
    for length, centre in zip(shape[:2], centre_YX, strict=True):
        side = min(length, max(1, int(WINDOW_PX / factor)))
        start = min(max(0, centre - side // 2), length - side)
        slices.append(slice(start, start + side))
    return slices[0], slices[1]


def most_detailed(image: NDArray[Any]) -> tuple[int, int]:
    """Centre of the part with most detail, of the size of the smallest window; by the root, as specks are no detail."""
    intensity = np.ascontiguousarray(image if image.ndim == 2 else image[..., :3].max(axis=-1), np.float32)
    side = min(int(WINDOW_PX / STEP**MOST_STEPS), *intensity.shape)
    detail = np.sqrt(np.abs(intensity - cv2.GaussianBlur(intensity, (0, 0), 8)))
    total = cv2.boxFilter(detail, -1, (side, side), borderType=cv2.BORDER_CONSTANT)
    y, x = np.unravel_index(int(np.argmax(total)), total.shape)
    return int(y), int(x)
