"""Which objects are certainly there, by all scales that images were segmented at, and how right a scale is by them.

A network segments an object alike at every scale at which it has a size that the network knows. So an object that is
found again at the next scale, with a high confidence, is certainly there, and pieces of large somas or haze, which have
no size of their own, are not.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from somanet.segmentation.inference.scales import (
    SAME_IOU,
    Floats,
    Labels,
    Overlap,
    Scales,
    at_edge,
    overlap_of,
)

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


def least_support(scales: Scales) -> float:
    """Support from which an object is certain: how sure a network is of somas depends on the network."""
    known = np.concatenate([np.empty(0), *(support for step in scales.seen for support in scales.supports(step))])
    known = known[known > 0]
    return max(LEAST_CERTAIN, CERTAIN * float(np.percentile(known, 90))) if len(known) else LEAST_CERTAIN


def certain_objects(scales: Scales) -> Certain:
    """The objects that are certain by all scales seen so far, the most certain first."""
    least = least_support(scales)
    steps = [step for step in sorted(scales.seen) if _enough_are_certain(scales.supports(step), least)]
    labels, kept = [], _Kept()
    for n, image in enumerate(scales.images):
        labels.append(np.zeros(image.shape[:2], np.int32))
        for support, step, label, box in _candidates(scales, n, steps, least):
            part = scales.seen[step][n]
            kept.add(part.cut(labels[-1])[box], part.labels_YX[box] == label, support, step)
    columns = (kept.px, kept.support, kept.steps, kept.other_px)
    return Certain(labels, *(np.array(values, np.float64) for values in columns))


def _enough_are_certain(supports: list[Floats], least: float) -> bool:
    support = np.concatenate(supports)
    return len(support) > 0 and float(np.mean(support >= least)) >= FEW_CERTAIN


def _candidates(
    scales: Scales, n: int, steps: list[float], least: float
) -> list[tuple[float, float, int, tuple[slice, slice]]]:
    """Support, step, label and bounding box of every object that may be certain in an image, best first."""
    found = []
    for step in steps:
        if n < len(scales.seen[step]):
            support, boxes = scales.support(step, n), ndimage.find_objects(scales.seen[step][n].labels_YX)
            found += [(float(support[i]), step, int(i) + 1, boxes[i]) for i in np.flatnonzero(support >= least)]
    return sorted(found, key=lambda one: -one[0])


def compared(scales: Scales, step: float, certain: Certain, *, other: float) -> Comparison:
    """The objects at a scale against the certain ones, where both this and another scale were segmented."""
    same = alike = missed = odd = 0
    lost, factors = [np.empty(0)], [np.empty(0)]
    typical_px = float(np.median(certain.diameters_px)) if len(certain.diameters_px) else math.nan
    for part, at_other, true_YX in zip(scales.seen[step], scales.seen[other], certain.labels, strict=True):
        shown = at_other if other > step else part
        true, labels, others = shown.cut(true_YX), part.within(shown), at_other.within(shown)
        with_true = overlap_of(true, labels)
        found = with_true.iou > SAME_IOU
        same += int(found.sum())
        lost.append(certain.diameters_px[_unmatched(true, with_true.areas, with_true.first[found]) - 1])
        factors.append(with_true.area_factor[found])
        here = _alike(labels, with_true, typical_px, scales.largest_px(step))
        alike += len(here)
        odd += len(np.setdiff1d(_unmatched(labels, with_true.other_areas, with_true.second[found]), here))
        if other == step:
            continue
        there = _alike(others, overlap_of(true, others), typical_px, scales.largest_px(other))
        if len(there):
            with_other = overlap_of(others, labels)
            missed += len(np.setdiff1d(there, with_other.first[with_other.iou > SAME_IOU]))
    areas = np.concatenate(factors)
    area = float(np.median(areas)) if len(areas) else math.nan
    return Comparison(same, np.concatenate(lost), alike, missed, odd, area)


def _alike(labels_YX: Labels, with_certain: Overlap, typical_px: float, largest_px: float) -> NDArray[np.integer]:
    """The labels of about this diameter that share hardly a pixel with certain objects; none at the image's edge."""
    px = 2 * np.sqrt(with_certain.other_areas[1:] / np.pi)
    apart = with_certain.covered[1:] <= APART * np.pi / 4 * px**2
    ids = np.flatnonzero((px > typical_px / ONE_SIZE) & (px < min(typical_px * ONE_SIZE, largest_px)) & apart) + 1
    return np.setdiff1d(ids, at_edge(labels_YX))


def _unmatched(labels_YX: Labels, areas: NDArray[np.integer], matched: NDArray[np.integer]) -> NDArray[np.integer]:
    """The labels in an image, but for the matched ones and those that the image's edge cuts."""
    return np.setdiff1d(np.flatnonzero(areas[1:]) + 1, np.concatenate([matched, at_edge(labels_YX)]))


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
