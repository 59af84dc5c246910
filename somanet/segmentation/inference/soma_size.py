"""The size of the somas, estimated from a few images, and the factor that brings them to the size a network knows.

A network segments an object alike at every scale at which it has a size that the network knows, and differently
elsewhere: it misses small somas, and sees parts of large ones or haze that has no size of its own. So the images are
segmented at a series of scales, and the estimate is the diameter at the scale whose objects are most like those at the
next one. One image of a movie will do if it leaves no doubt that somas have about the typical size, as most do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from somanet.core.settings import Settings
from somanet.evaluation.masks import overlap
from somanet.segmentation.inference.haze import rule_for
from somanet.segmentation.inference.known_maps import KnownMaps

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmented, Segmenter

Labels = NDArray[np.int32]

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
ENOUGH_OBJECTS = 5
"""In up to :data:`FEW_IMAGES` images; in more images, in proportion."""
FEW_IMAGES, MORE_IMAGES = 3, 9
"""Where a few frames of a movie have hardly a cell each, so many are segmented."""
SURE = 0.5
"""Agreement from which an estimate is trusted."""
FEW_OBJECTS, SURE_OF_FEW = 3, 0.8
"""So is one of fewer objects, but that many per image, if they agree that well and no scale with enough objects is
trusted."""
IN_MOST = 0.75
"""So is one of one object in this share of more images, at the same agreement: a movie may show a single cell."""
SETTLED = 0.7
"""Agreement at an image's own size from which no larger one is tried, if somas have about the typical size there."""
CLEAR_OBJECTS, HINT = 15, 0.25
"""So many agreeing objects of one image, if they are settled, speak for all images of a movie, unless another scale
hints at another size by this agreement."""
ONE_SIZE = 1.5
"""Diameters that differ by up to this factor are one size."""
SMALLEST_FIT, LARGEST_FIT = 1 / 1.5, 2**0.25
"""Diameters over the typical one that need no rescaling; somas that are too large are split, which costs more."""
SMALLEST_PX = 4.0
"""Objects that are smaller have no shape to be known by: hot pixels and specks look so, at any scale."""
SAME_OBJECTS = 0.93
"""Accuracy of the objects at an image's own size against those at the typical size, from which no object is gained."""
TIGHTER = 0.97
"""Median area of an object at the typical size over that at an image's own, below which outlines are gained: where they
differ, the tighter ones were right for somas of known size and for labelled nuclei, and wider ones were not
(docs/accuracy.md)."""


class ScaleAgreement(Settings):
    """What a network detects in rescaled images."""

    rescale: float
    """Factor by which they were rescaled."""
    n_objects: int
    """Objects detected in all images."""
    n_agreeing: int
    """Those of a size that the network knows, which are found again at the next smaller or larger scale."""
    agreement: float
    """Mean over all objects of IoU with the same object at the next scale × confidence; 0 for those not agreeing."""
    diameter_px: float | None
    """Median equivalent diameter of the agreeing objects, in the images' own pixels."""


class SizeEstimate(Settings):
    """The somas' size, and what follows from it."""

    rescale: float = 1.0
    """Factor by which images are rescaled."""
    diameter_px: float | None = None
    """Of the somas, in the images' own pixels; None if it could not be estimated."""
    agreement: float = 0.0
    """Of the scale that the diameter was taken from, 0 to 1."""
    n_objects: int = 0
    """Number of objects that agree there."""
    doubt: str = ""
    """Why images were not rescaled although their own size is not the best one; empty if there is no doubt."""
    scales: tuple[ScaleAgreement, ...] = ()
    """All scales that were tried, from small to large."""


def decide(
    segmenter: Segmenter,
    images: Sequence[NDArray[Any]],
    *,
    more: Callable[[], Sequence[NDArray[Any]]] | None = None,
) -> tuple[Segmenter, SizeEstimate | None]:
    """Decide once for all frames of a movie, or an image, whether they are inverted and how far they are rescaled.

    Args:
        segmenter: the network or networks; a factor that it has is kept.
        images: a few frames of the movie, or the image.
        more: reads more frames of the movie, for one with too few objects in these to be sure of their size.

    Returns:
        The segmenter to use, and the estimate that its factor comes from; None if the factor was given or cannot be
        estimated.
    """
    decided = segmenter.deciding(images)
    typical_px = decided.intended_use.typical_px
    if segmenter.rescale is not None or typical_px is None or not images:
        return decided, None
    decided = replace(decided, known=KnownMaps())
    ladder = _climbed(decided, images, typical_px, of_movie=more is not None)
    if more is not None and _rests_on_few(ladder):
        frames = more()
        ladder = _climbed(decided, frames, typical_px, of_movie=True) if len(frames) > len(images) else ladder
    estimate = _decide(ladder, typical_px)
    if estimate.rescale != 1 or decided.known is None:
        return replace(decided, rescale=estimate.rescale, known=None), estimate
    decided.known.close()
    return decided.at(1.0), estimate


def _rests_on_few(ladder: _Ladder) -> bool:
    """Whether the scale at which objects agree best has hardly a few of them in each image, but any at all."""
    best = max(map(ladder.agreement, sorted(ladder.seen)), key=lambda one: one.agreement)
    return 0 < best.n_agreeing < ENOUGH_OBJECTS * len(ladder.images)


def estimate_size(segmenter: Segmenter, images: Sequence[NDArray[Any]]) -> SizeEstimate | None:
    """Estimate the diameter of the somas in a few images of one magnification.

    Args:
        segmenter: the network or networks; its own ``rescale`` is ignored.
        images: YX or YXC, not blank.

    Returns:
        The estimate; None if the network's range of diameters is unknown, or there are no images.
    """
    typical_px = segmenter.intended_use.typical_px
    if typical_px is None or not images:
        return None
    return _decide(_climbed(segmenter, images, typical_px), typical_px)


def _climbed(
    segmenter: Segmenter, images: Sequence[NDArray[Any]], typical_px: float, *, of_movie: bool = False
) -> _Ladder:
    """The images at as many scales as it takes; only the middle one if it is clear."""
    first, *others = sorted(range(len(images)), key=lambda n: abs(n - len(images) // 2))
    outlining = replace(segmenter, haze=rule_for(segmenter.intended_use), as_outlined=True)
    ladder = _Ladder(outlining, of_movie=of_movie or bool(others))
    ladder.add([images[first]])
    smaller = range(0, FEWEST_STEPS - 1, -1)
    for step in smaller:
        ladder.climb(step)
    if others and not _is_clear(ladder, typical_px):
        ladder.add([images[n] for n in others])
        for step in smaller:
            ladder.climb(step)
    own = ladder.agreement(0)
    if not (own.agreement >= SETTLED and _fits(own.diameter_px, typical_px)):
        for step in range(1, MOST_STEPS + 1):
            best = ladder.best()
            # an image's own size is compared with the next larger one in any case
            if step > 1 and best is not None and best < step - 1 and ladder.agreement(best).agreement >= SURE:
                break
            ladder.climb(step)
    return ladder


def _is_clear(ladder: _Ladder, typical_px: float) -> bool:
    """Whether further images could hardly tell that somas have another size than the typical one, or two sizes."""
    own = ladder.agreement(0)
    if own.n_agreeing < CLEAR_OBJECTS or own.agreement < SETTLED or not _fits(own.diameter_px, typical_px):
        return False
    hints = (one for one in map(ladder.agreement, ladder.seen) if one.agreement >= HINT)
    return all(_one_size(one.diameter_px, own.diameter_px) for one in hints)


def _one_size(one_px: float | None, other_px: float | None) -> bool:
    return one_px is not None and other_px is not None and max(one_px / other_px, other_px / one_px) <= ONE_SIZE


def _decide(ladder: _Ladder, typical_px: float) -> SizeEstimate:
    own, scales = ladder.agreement(0), tuple(ladder.agreement(step) for step in sorted(ladder.seen))
    step = ladder.best()
    best = own if step is None else ladder.agreement(step)
    estimate = SizeEstimate(
        diameter_px=best.diameter_px, agreement=best.agreement, n_objects=best.n_agreeing, scales=scales
    )

    def doubt(why: str) -> SizeEstimate:
        return estimate.model_copy(update={"doubt": why})

    own_px = own.diameter_px
    if own.agreement >= SURE and own_px is not None:
        sure = (one for one in scales if one.n_agreeing >= ladder.enough and one.agreement >= SURE)
        sizes = [one.diameter_px for one in sure if one.diameter_px is not None]
        other_px = max(sizes, key=lambda px: abs(math.log(px / own_px)), default=own_px)
        if not _one_size(own_px, other_px):
            return doubt(f"there are objects of {own_px:.0f} px and of {other_px:.0f} px")
        if step is None or _fits(own_px, typical_px):
            return estimate
    if step is None or best.diameter_px is None:
        most = max(one.n_agreeing for one in scales)
        return doubt(f"too few objects are alike at two scales ({most} of at least {ladder.enough})")
    if best.agreement < SURE:
        return doubt(f"objects differ from scale to scale (agreement {best.agreement:.2f} of at least {SURE:g})")
    if best.diameter_px < SMALLEST_PX:
        return doubt(f"the objects that are alike at two scales are {best.diameter_px:.1f} px across, as specks are")
    factor = min(max(typical_px / best.diameter_px, STEP**FEWEST_STEPS), STEP**MOST_STEPS)
    nearest = min(ladder.seen, key=lambda step: abs(math.log(factor) - step * math.log(STEP)))
    accuracy, area = ladder.likeness(0, nearest)
    if accuracy >= SAME_OBJECTS and area >= TIGHTER:
        return estimate
    return estimate.model_copy(update={"rescale": round(factor, 4)})


def _fits(diameter_px: float | None, typical_px: float) -> bool:
    return diameter_px is not None and SMALLEST_FIT <= diameter_px / typical_px <= LARGEST_FIT


@dataclass(frozen=True)
class _Part:
    """What was segmented of an image: rows and columns, and the objects there."""

    rows: slice
    columns: slice
    found: Segmented

    def within(self, other: _Part) -> Labels:
        """The labels of the smaller part that ``other`` is."""
        rows = slice(other.rows.start - self.rows.start, other.rows.stop - self.rows.start)
        columns = slice(other.columns.start - self.columns.start, other.columns.stop - self.columns.start)
        return self.found.labels_YX[rows, columns]


@dataclass
class _Ladder:
    """The images at the scales :data:`STEP` to the power of a step; a larger scale shows part of a smaller one."""

    segmenter: Segmenter
    of_movie: bool
    images: list[NDArray[Any]] = field(default_factory=list)
    centres: list[tuple[int, int]] = field(default_factory=list)
    seen: dict[int, list[_Part]] = field(default_factory=dict)
    compared: dict[tuple[int, bool, bool], ScaleAgreement] = field(default_factory=dict)

    def add(self, images: Sequence[NDArray[Any]]) -> None:
        """Images that are segmented at all scales that are climbed to from now on, or again."""
        self.images += images
        self.centres += map(_most_detailed, images)
        self.compared.clear()

    @property
    def shorter_px(self) -> int:
        """The shortest side of all images."""
        return min(int(side) for image in self.images for side in image.shape[:2])

    @property
    def enough(self) -> int:
        """Agreeing objects from which a scale can be trusted."""
        return math.ceil(ENOUGH_OBJECTS * max(1.0, len(self.images) / FEW_IMAGES))

    @property
    def few(self) -> int:
        """The same if they agree very well."""
        n_images = len(self.images)
        return FEW_OBJECTS * n_images if n_images <= FEW_IMAGES else math.ceil(IN_MOST * n_images)

    def climb(self, step: int) -> None:
        """Segment all images at a scale that have not been yet, unless nothing would be left of them."""
        from somanet.segmentation.inference.video import segmented_frames

        factor, seen = STEP**step, self.seen.get(step, [])
        if step < 0 and self.shorter_px * factor < LEAST_SIDE_PX:
            return
        images, centres = self.images[len(seen) :], self.centres[len(seen) :]
        windows = [_window(image.shape, c, factor) for image, c in zip(images, centres, strict=True)]
        parts = [image[window] for image, window in zip(images, windows, strict=True)]
        segmenter = self.segmenter.at(factor)
        if any(part.shape != image.shape for part, image in zip(parts, images, strict=True)):
            segmenter = replace(segmenter, known=None)
        # as the frames of a movie, or the image, will be segmented: torch's sums depend on the number of threads
        found = segmented_frames(segmenter, parts) if self.of_movie else map(segmenter.segment, parts)
        self.seen[step] = seen + [_Part(*window, one) for window, one in zip(windows, found, strict=True)]

    def best(self) -> int | None:
        """The step with the highest agreement, among those with enough objects; None if there is none."""
        enough = [step for step in self.seen if self.agreement(step).n_agreeing >= self.enough]
        if not any(self.agreement(step).agreement >= SURE for step in enough):
            few = [step for step in self.seen if self.agreement(step).n_agreeing >= self.few]
            enough = [step for step in few if self.agreement(step).agreement >= SURE_OF_FEW] or enough
        return max(enough, key=lambda step: self.agreement(step).agreement, default=None)

    def agreement(self, step: int) -> ScaleAgreement:
        """How the objects at a scale agree with those at the next smaller and larger one, as far as these were seen."""
        key = (step, step - 1 in self.seen, step + 1 in self.seen)
        if key not in self.compared:
            self.compared[key] = self._compare(step)
        return self.compared[key]

    def _compare(self, step: int) -> ScaleAgreement:
        low_px, high_px = self.segmenter.intended_use.diameter_px or (0.0, math.inf)
        iou, diameters, confidence = [], [], []
        for n, part in enumerate(self.seen[step]):
            best = np.zeros(len(part.found.confidence))
            if step - 1 in self.seen:
                best = np.maximum(best, best_iou(part.found.labels_YX, self.seen[step - 1][n].within(part), len(best)))
            if step + 1 in self.seen:
                larger = self.seen[step + 1][n]
                best = np.maximum(best, best_iou(part.within(larger), larger.found.labels_YX, len(best)))
            areas = np.bincount(part.found.labels_YX.ravel(), minlength=len(best) + 1)[1:]
            iou.append(best)
            diameters.append(2 * np.sqrt(areas / np.pi))
            confidence.append(part.found.confidence)
        px, best = np.concatenate(diameters), np.concatenate(iou)
        scaled = px * STEP**step
        known = (scaled >= low_px) & (scaled <= high_px) & (px <= LARGEST_SHARE * self.shorter_px)
        agreeing = known & (best > SAME_IOU)
        score = float(np.sum((best * np.concatenate(confidence))[agreeing]) / max(len(px), 1))
        return ScaleAgreement(
            rescale=round(STEP**step, 4),
            n_objects=len(px),
            n_agreeing=int(agreeing.sum()),
            agreement=round(score, 3),
            diameter_px=round(float(np.median(px[agreeing])), 2) if agreeing.any() else None,
        )

    def likeness(self, step: int, other: int) -> tuple[float, float]:
        """How alike the objects at two scales are, where both were segmented.

        Returns:
            TP / (TP + FP + FN), and the median factor from the area of an object at the first scale to that of the same
            object at the second one; 1 and 1 where there is none.
        """
        same = total = 0
        factors = [np.empty(0)]
        low, high = sorted((step, other))
        for small, large in zip(self.seen[low], self.seen[high], strict=True):
            both = overlap(small.within(large), large.found.labels_YX)
            one, two = np.nonzero(both.iou > SAME_IOU)
            same += len(one)
            total += len(both.true_px) + len(both.pred_px) - len(one)
            factors.append(both.pred_px[two] / both.true_px[one])
        factor = float(np.median(np.concatenate(factors))) if same else 1.0
        return (same / total if total else 1.0), (factor if step == low else 1 / factor)


def best_iou(labels_YX: NDArray[np.integer], others_YX: NDArray[np.integer], n: int) -> NDArray[np.float64]:
    """Largest IoU of each label 1…n with any object of another label image of the same shape; 0 without overlap."""
    n_others = int(others_YX.max(initial=0)) + 1
    both = (labels_YX > 0) & (others_YX > 0)
    pairs, shared = np.unique(labels_YX[both].astype(np.int64) * n_others + others_YX[both], return_counts=True)
    first, second = np.divmod(pairs, n_others)
    areas = np.bincount(labels_YX.ravel(), minlength=n + 1)
    other_areas = np.bincount(others_YX.ravel(), minlength=n_others)
    best = np.zeros(n)
    np.maximum.at(best, first - 1, shared / (areas[first] + other_areas[second] - shared))
    return best


def _window(shape: tuple[int, ...], centre_YX: tuple[int, int], factor: float) -> tuple[slice, slice]:
    """Rows and columns around a centre, at most :data:`WINDOW_PX` long after rescaling, inside the image."""
    slices = []
    for length, centre in zip(shape[:2], centre_YX, strict=True):
        side = min(length, max(1, int(WINDOW_PX / factor)))
        start = min(max(0, centre - side // 2), length - side)
        slices.append(slice(start, start + side))
    return slices[0], slices[1]


def _most_detailed(image: NDArray[Any]) -> tuple[int, int]:
    """Centre of the part with most detail, of the size of the smallest window; by the root, as specks are no detail."""
    intensity = np.ascontiguousarray(image if image.ndim == 2 else image[..., :3].max(axis=-1), np.float32)
    side = min(int(WINDOW_PX / STEP**MOST_STEPS), *intensity.shape)
    detail = np.sqrt(np.abs(intensity - cv2.GaussianBlur(intensity, (0, 0), 8)))
    total = cv2.boxFilter(detail, -1, (side, side), borderType=cv2.BORDER_CONSTANT)
    y, x = np.unravel_index(int(np.argmax(total)), total.shape)
    return int(y), int(x)
