"""A few images segmented at a series of scales, and which of their objects are the same at two of them.

A network segments an object alike at every scale at which it has a size that the network knows. So an object that is
found again at the next scale, with a high confidence, is certainly there, and pieces of large somas or haze, which have
no size of their own, are not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

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
CERTAIN, LEAST_CERTAIN = 0.85, 0.6
"""IoU with the same object at the next scale × confidence, from which an object is certain: this share of what the
most certain tenth has, and no less than the second number. Of somas it is 0.85 and more at the scale that suits them
best, of haze and of pieces of somas nearly always less (docs/accuracy.md)."""
FEW_CERTAIN = 0.25
"""At a scale of which a smaller share of objects would be certain none is: a few of many pieces are alike by chance."""
APART = 0.3
"""Two objects of which the smaller one lies within the other by more than this share are not both counted."""
ONE_SIZE = 1.5
"""Diameters that differ by up to this factor are one size."""


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

    def cut(self, whole_YX: NDArray[Any]) -> NDArray[Any]:
        """The part of an array of the image's size."""
        return whole_YX[self.rows, self.columns]

    def within(self, other: Part) -> Labels:
        """The labels of the smaller part that ``other`` is."""
        rows = slice(other.rows.start - self.rows.start, other.rows.stop - self.rows.start)
        columns = slice(other.columns.start - self.columns.start, other.columns.stop - self.columns.start)
        return self.labels_YX[rows, columns]


class Certain(NamedTuple):
    """The objects that are certainly there, each as outlined at the scale that suits it best; no two overlap.

    Attributes:
        labels: an array YX of each image, int32, 0 = background, with ids that are unique among all images.
        diameters_px: equivalent diameters in the images' own pixels.
        support: IoU with the same object at the next scale × confidence.
        steps: the scale that suits it best.
        other_px: of each object the diameter of another one, as certain but for this one, that lies within it or around
            it and has another size; NaN where there is none.
    """

    labels: list[Labels]
    diameters_px: Floats
    support: Floats
    steps: Floats
    other_px: Floats


class Comparison(NamedTuple):
    """How the objects at a scale compare with those that are certain, and with those at another scale.

    What an image's edge cuts counts only if it is matched.

    Attributes:
        same: number of objects that are certain and found at the scale.
        lost_px: diameters of the certain objects that are not found at the scale.
        alike: number of objects at the scale that are not certain, but of the size of those that are, and apart from
            them, as dim somas are; none at a scale at which they would be larger than the network knows, where it
            outlines haze.
        missed: number of such objects at the other scale that are not found at this one.
        odd: number of all others at the scale: of another size, or pieces of certain ones, or around them.
        area: median factor from the area of a certain object to that of the same object at the scale; NaN if none is.
    """

    same: int
    lost_px: Floats
    alike: int
    missed: int
    odd: int
    area: float

    @property
    def wrong(self) -> int:
        """Number of objects that are lost, missed or odd."""
        return len(self.lost_px) + self.missed + self.odd

    @property
    def share(self) -> float:
        """Of all objects those that are found and not odd, as TP / (TP + FP + FN); 1 where there is nothing."""
        right = self.same + self.alike
        return right / (right + self.wrong) if right + self.wrong else 1.0

    @property
    def certain_share(self) -> float:
        """Of the certain objects and those at the scale, those that are both; 1 where there is nothing."""
        total = self.same + len(self.lost_px) + self.alike + self.odd
        return self.same / total if total else 1.0


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

    def _support(self, step: float, n: int, smaller: Sequence[Part], larger: Sequence[Part]) -> Floats:
        part = self.seen[step][n]
        count = len(part.found.confidence)
        best = np.zeros(count)
        for other in smaller:
            best = np.maximum(best, best_iou(part.labels_YX, other.within(part), count))
        for other in larger:
            best = np.maximum(best, best_iou(part.within(other), other.labels_YX, count))
        low_px, _ = self.segmenter.intended_use.diameter_px or (0.0, math.inf)
        px = diameters_of(part.labels_YX, count)
        known = (px * STEP**step >= low_px) & (px <= self._largest_px(step)) & (px <= LARGEST_SHARE * self.shorter_px)
        return np.where(known & (best > SAME_IOU), best * part.found.confidence, 0.0)

    def _largest_px(self, step: float) -> float:
        """Diameter in the images' own pixels of the largest objects that the network knows at a scale."""
        use = self.segmenter.intended_use.diameter_px
        return math.inf if use is None else use[1] / STEP**step

    @property
    def least_support(self) -> float:
        """Support from which an object is certain: how sure a network is of somas depends on the network."""
        supports = [self.support(step, n) for step, parts in self.seen.items() for n in range(len(parts))]
        known = np.concatenate([np.empty(0), *supports])
        known = known[known > 0]
        return max(LEAST_CERTAIN, CERTAIN * float(np.percentile(known, 90))) if len(known) else LEAST_CERTAIN

    def _few_are_certain(self, step: float, least: float) -> bool:
        support = np.concatenate([self.support(step, n) for n in range(len(self.seen[step]))])
        return not len(support) or float(np.mean(support >= least)) < FEW_CERTAIN

    def certain(self) -> Certain:
        """The objects that are certain by all scales seen so far, the most certain first."""
        labels, kept = [], _Kept()
        for n, image in enumerate(self.images):
            labels.append(np.zeros(image.shape[:2], np.int32))
            for support, step, label, box in self._candidates(n):
                part = self.seen[step][n]
                kept.add(part.cut(labels[-1])[box], part.labels_YX[box] == label, support, step)
        columns = (kept.px, kept.support, kept.steps, kept.other_px)
        return Certain(labels, *(np.array(values, np.float64) for values in columns))

    def _candidates(self, n: int) -> list[tuple[float, float, int, tuple[slice, slice]]]:
        """Support, step, label and bounding box of every object that may be certain in an image, best first."""
        found, least = [], self.least_support
        for step in sorted(self.seen):
            if n < len(self.seen[step]) and not self._few_are_certain(step, least):
                support, boxes = self.support(step, n), ndimage.find_objects(self.seen[step][n].labels_YX)
                found += [(float(support[i]), step, int(i) + 1, boxes[i]) for i in np.flatnonzero(support >= least)]
        return sorted(found, key=lambda one: -one[0])

    def compared(self, step: float, certain: Certain, *, other: float) -> Comparison:
        """The objects at a scale against the certain ones, where both this and another scale were segmented."""
        same = alike = missed = odd = 0
        lost, factors = [np.empty(0)], [np.empty(0)]
        typical_px = float(np.median(certain.diameters_px)) if len(certain.diameters_px) else math.nan
        for part, at_other, true_YX in zip(self.seen[step], self.seen[other], certain.labels, strict=True):
            shown = at_other if other > step else part
            true, labels, others = shown.cut(true_YX), part.within(shown), at_other.within(shown)
            one, two, iou, factor = _overlapping(true, labels)
            found = iou > SAME_IOU
            same += int(found.sum())
            lost.append(certain.diameters_px[_unmatched(true, one[found]) - 1])
            factors.append(factor[found])
            here, there = (
                _alike(image, true, typical_px, self._largest_px(at)) for image, at in ((labels, step), (others, other))
            )
            alike += len(here)
            odd += len(np.setdiff1d(_unmatched(labels, two[found]), here))
            of_other, _, iou, _ = _overlapping(others, labels)
            missed += len(np.setdiff1d(there, of_other[iou > SAME_IOU]))
        areas = np.concatenate(factors)
        area = float(np.median(areas)) if len(areas) else math.nan
        return Comparison(same, np.concatenate(lost), alike, missed, odd, area)


def _alike(labels_YX: Labels, certain_YX: Labels, typical_px: float, largest_px: float) -> NDArray[np.integer]:
    """The labels of about this diameter that share hardly a pixel with certain objects; none at the image's edge."""
    n = int(labels_YX.max(initial=0))
    px = diameters_of(labels_YX, n)
    shared = np.bincount(labels_YX[certain_YX > 0], minlength=n + 1)[1:]
    apart = shared <= APART * np.pi / 4 * px**2
    ids = np.flatnonzero((px > typical_px / ONE_SIZE) & (px < min(typical_px * ONE_SIZE, largest_px)) & apart) + 1
    return np.setdiff1d(ids, at_edge(labels_YX))


def _unmatched(labels_YX: Labels, matched: NDArray[np.integer]) -> NDArray[np.integer]:
    """The labels in an image, but for the matched ones and those that the image's edge cuts."""
    return np.setdiff1d(present(labels_YX), np.concatenate([matched, at_edge(labels_YX)]))


class _Kept:
    """Objects that are kept, as they are offered one by one."""

    def __init__(self) -> None:
        self.px: list[float] = []
        self.support: list[float] = []
        self.steps: list[float] = []
        self.other_px: list[float] = []
        self._areas: list[int] = []

    def add(self, labels_YX: Labels, inside_YX: NDArray[np.bool_], support: float, step: float) -> None:
        """Keep an object and draw it into the labels, unless it overlaps one that is kept."""
        area = int(inside_YX.sum())
        px = 2 * math.sqrt(area / math.pi)
        ids, shared = np.unique(labels_YX[inside_YX], return_counts=True)
        rivals = [
            int(one) - 1
            for one, common in zip(ids, shared, strict=True)
            if one and common > APART * min(area, self._areas[one - 1])
        ]
        for one in rivals:
            if max(px / self.px[one], self.px[one] / px) > ONE_SIZE:
                self.other_px[one] = px
        if not rivals:
            self.px.append(px)
            self.support.append(support)
            self.steps.append(step)
            self.other_px.append(math.nan)
            self._areas.append(area)
            labels_YX[inside_YX & (labels_YX == 0)] = len(self.px)


def present(labels_YX: NDArray[np.integer]) -> NDArray[np.integer]:
    """The labels in an image, sorted, without 0."""
    return np.flatnonzero(np.bincount(labels_YX.ravel())[1:]) + 1


def at_edge(labels_YX: NDArray[np.integer]) -> NDArray[np.integer]:
    """The labels that an image's edge cuts, sorted."""
    return present(np.concatenate([labels_YX[0], labels_YX[-1], labels_YX[:, 0], labels_YX[:, -1]]))


def diameters_of(labels_YX: NDArray[np.integer], n: int) -> Floats:
    """Equivalent diameter of each label 1…n."""
    return np.asarray(2 * np.sqrt(np.bincount(labels_YX.ravel(), minlength=n + 1)[1:] / np.pi))


def best_iou(labels_YX: NDArray[np.integer], others_YX: NDArray[np.integer], n: int) -> Floats:
    """Largest IoU of each label 1…n with any object of another label image of the same shape; 0 without overlap."""
    best = np.zeros(n)
    one, _, iou, _ = _overlapping(labels_YX, others_YX)
    np.maximum.at(best, one - 1, iou)
    return best


def _overlapping(
    labels_YX: NDArray[np.integer], others_YX: NDArray[np.integer]
) -> tuple[NDArray[np.integer], NDArray[np.integer], Floats, Floats]:
    """Each pair of labels of two images that share a pixel: both labels, IoU, the area of the second over the first."""
    n_others = int(others_YX.max(initial=0)) + 1
    both = (labels_YX > 0) & (others_YX > 0)
    pairs, shared = np.unique(labels_YX[both].astype(np.int64) * n_others + others_YX[both], return_counts=True)
    first, second = np.divmod(pairs, n_others)
    areas, other_areas = np.bincount(labels_YX.ravel())[first], np.bincount(others_YX.ravel())[second]
    return first, second, shared / (areas + other_areas - shared), other_areas / areas


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
