"""The size of the somas, estimated from a few images, and the factor that brings them to the size a network knows.

A network segments an object alike at every scale at which it has a size that the network knows, and differently
elsewhere: it misses small somas, and sees parts of large ones or haze that has no size of its own. So the images are
segmented at a series of scales, and the objects that are certain at any of them (see
:mod:`somanet.segmentation.inference.certain`) tell how large somas are, and how many of them are found at the images'
own size and at another one: images are rescaled only where that finds more of them, or outlines them more tightly. One
image of a movie will do if it leaves no doubt that somas have about the typical size, as most do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from somanet.core.settings import Settings
from somanet.segmentation.inference.certain import Certain, Comparison, certain_objects, compared, least_support
from somanet.segmentation.inference.haze import rule_for
from somanet.segmentation.inference.known_maps import KnownMaps
from somanet.segmentation.inference.overlooked import overlooked_spots
from somanet.segmentation.inference.scales import FEWEST_STEPS, MOST_STEPS, STEP, Scales

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter

ENOUGH_OBJECTS = 5
"""Certain objects that tell a size, in up to :data:`FEW_IMAGES` images; three in one image will do."""
FEW_IMAGES, MORE_IMAGES = 3, 9
"""Where a few frames of a movie have hardly a cell each, so many are segmented."""
IN_MOST = 0.75
"""Of more images, certain objects in this share of them tell a size: a movie may show a single cell."""
CLEAR_OBJECTS = 15
"""So many certain objects of one image speak for all images of a movie, if these look alike at their own size."""
MORE_OBJECTS, FEWER_ERRORS = 0.02, 2
"""Images are rescaled where the share of objects that are right is higher by so much, and so many fewer are lost,
missed or odd: one object more or less is chance."""
SETTLED = 0.7
"""That share at an image's own size from which no larger one is tried, if somas have about the typical size."""
GAINED = 0.1
"""No larger scale is tried after one at which fewer of the certain objects than this share look best."""
MANY_SPOTS = 0.5
"""So many bright spots per object, where no object was found, may be small somas: larger scales are tried."""
CONTESTED = 0.5
"""Where so large a share of certain objects has another one within or around it, nothing tells which of them are
somas."""
SMALLEST_FIT, LARGEST_FIT = 1 / 1.5, 2**0.25
"""Diameters over the typical one that need no rescaling; somas that are too large are split, which costs more."""
SMALLEST_PX = 4.0
"""Objects that are smaller have no shape to be known by: hot pixels and specks look so, at any scale."""
TIGHTER = 0.97
"""Median area of an object at the typical size over that at an image's own, below which outlines are gained: where they
differ, the tighter ones were right for somas of known size and for labelled nuclei, and wider ones were not
(docs/accuracy.md)."""
ALIKE = 1.25
"""Frames whose objects differ less in median diameter, and less than twice in number, look alike."""


class ScaleAgreement(Settings):
    """What a network detects in rescaled images."""

    rescale: float
    """Factor by which they were rescaled."""
    n_objects: int
    """Objects detected in all images."""
    n_agreeing: int
    """Those of them that are certain: of a size that the network knows, and found again at the next scale."""
    agreement: float
    """Share of the objects, the certain ones of all scales and those detected here, that are the same."""
    diameter_px: float | None
    """Median equivalent diameter of the objects that are certain here, in the images' own pixels."""


class SizeEstimate(Settings):
    """The somas' size, and what follows from it."""

    rescale: float = 1.0
    """Factor by which images are rescaled."""
    diameter_px: float | None = None
    """Of the somas, in the images' own pixels; None if it could not be estimated."""
    agreement: float = 0.0
    """Of the certain objects, 0 to 1: median IoU with the same object at the next scale × confidence."""
    n_objects: int = 0
    """Number of certain objects."""
    n_lost: int = 0
    """Number of certain objects that are not found at the chosen scale; those at edges do not count."""
    lost_px: float | None = None
    """Their median diameter."""
    n_found: int = 0
    """Number of objects found there, in the images that told the size; uncertain ones at edges do not count."""
    n_uncertain: int = 0
    """Those of them that are not certain at any scale, nor apart and of the size of those that are."""
    doubt: str = ""
    """Why the size could not be told, so that nothing was rescaled; empty if there is no doubt."""
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
    evidence = _gathered(decided, images, typical_px, of_movie=more is not None)
    if more is not None and 0 < evidence.n < ENOUGH_OBJECTS * len(evidence.scales.images):
        frames = more()
        if len(frames) > len(images):
            evidence = _gathered(decided, frames, typical_px, of_movie=True)
    estimate = _decide(evidence)
    if estimate.rescale != 1 or decided.known is None:
        return replace(decided, rescale=estimate.rescale, known=None), estimate
    decided.known.close()
    return decided.at(1.0), estimate


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
    return _decide(_gathered(segmenter, images, typical_px, of_movie=len(images) > 1))


@dataclass
class _Evidence:
    """What images show at the scales seen so far."""

    scales: Scales
    typical_px: float

    @cached_property
    def certain(self) -> Certain:
        """All certain objects."""
        return certain_objects(self.scales)

    def climb(self, step: float) -> None:
        """Segment the images at another scale, too."""
        self.scales.climb(step)
        self.__dict__.pop("certain", None)

    @property
    def n(self) -> int:
        """Number of certain objects."""
        return len(self.certain.diameters_px)

    @property
    def needed(self) -> int:
        """Number of certain objects that tell a size."""
        n_images = len(self.scales.images)
        each = 3 * n_images if n_images <= FEW_IMAGES else math.ceil(IN_MOST * n_images)
        return min(each, math.ceil(ENOUGH_OBJECTS * max(1.0, n_images / FEW_IMAGES)))

    @property
    def diameter_px(self) -> float | None:
        """Median of the certain objects."""
        return round(float(np.median(self.certain.diameters_px)), 2) if self.n else None

    @property
    def fits(self) -> bool:
        """Whether that is about the size that the network knows best."""
        px = self.diameter_px
        return px is not None and SMALLEST_FIT <= px / self.typical_px <= LARGEST_FIT

    @property
    def settled(self) -> bool:
        """Whether the images' own size is plainly a good one."""
        return self.fits and self.n >= self.needed and self.at(0).certain_share >= SETTLED

    def at(self, step: float, other: float = 0) -> Comparison:
        """How right a scale is, where it and another one were segmented."""
        return compared(self.scales, step, self.certain, other=other)

    def shown(self) -> tuple[ScaleAgreement, ...]:
        """Every scale in numbers."""
        return tuple(self._shown(step) for step in sorted(self.scales.seen))

    def _shown(self, step: float) -> ScaleAgreement:
        parts = self.scales.seen[step]
        px = [part.diameters_px for part in parts]
        least = least_support(self.scales)
        certain = [support >= least for support in self.scales.supports(step)]
        agreeing = np.concatenate([one[which] for one, which in zip(px, certain, strict=True)])
        return ScaleAgreement(
            rescale=round(STEP**step, 4),
            n_objects=sum(map(len, px)),
            n_agreeing=len(agreeing),
            agreement=round(self.at(step).certain_share, 3),
            diameter_px=round(float(np.median(agreeing)), 2) if len(agreeing) else None,
        )


def _gathered(segmenter: Segmenter, images: Sequence[NDArray[Any]], typical_px: float, *, of_movie: bool) -> _Evidence:
    """The images at as many scales as it takes; only the middle one if it is clear and the others look like it."""
    first, *others = sorted(range(len(images)), key=lambda n: abs(n - len(images) // 2))
    outlining = replace(segmenter, haze=rule_for(segmenter.intended_use), as_outlined=True)
    evidence = _Evidence(Scales(outlining, of_movie=of_movie), typical_px)

    def look_at(more: Sequence[NDArray[Any]]) -> None:
        evidence.scales.add(more)
        for step in range(0, FEWEST_STEPS - 1, -1):
            evidence.climb(step)

    look_at([images[first]])
    rest = [images[n] for n in others]
    if rest and not (evidence.n >= CLEAR_OBJECTS and evidence.settled and _look_alike(evidence, rest)):
        look_at(rest)
    if evidence.settled and not _overlooked(evidence):
        return evidence
    for step in range(1, MOST_STEPS + 1):
        evidence.climb(step)
        # an image's own size is compared with the next larger one in any case
        if step > 1 and evidence.n and np.mean(evidence.certain.steps >= step - 1) < GAINED:
            break
    return evidence


def _look_alike(evidence: _Evidence, others: Sequence[NDArray[Any]]) -> bool:
    """Whether other frames have about as many objects of about the same diameter, at their own size."""
    at_own_size = Scales(evidence.scales.segmenter, of_movie=True)
    at_own_size.add(others)
    at_own_size.climb(0)
    parts = [*evidence.scales.seen[0], *at_own_size.seen[0]]
    px = [part.diameters_px for part in parts]
    counts = [len(one) for one in px]
    if min(counts) * 2 < max(counts):
        return False
    medians = [float(np.median(one)) for one in px]
    return max(medians) <= ALIKE * min(medians)


def _overlooked(evidence: _Evidence) -> bool:
    """Whether there are many round spots, as bright as the objects that were found, where none was found."""
    scales = evidence.scales
    spots = [
        overlooked_spots(part.cut(image), part.labels_YX, inverted=bool(scales.segmenter.inverted))
        for image, part in zip(scales.images, scales.seen[0], strict=True)
    ]
    n_objects = sum(len(part.found.confidence) for part in scales.seen[0])
    return sum(spots) >= max(ENOUGH_OBJECTS, MANY_SPOTS * n_objects)


def _decide(evidence: _Evidence) -> SizeEstimate:
    px, doubt = evidence.diameter_px, _doubt(evidence)
    step, chosen = (0.0, evidence.at(0)) if doubt or px is None else _better(evidence, px)
    return SizeEstimate(
        rescale=round(STEP**step, 4),
        diameter_px=px,
        agreement=round(float(np.median(evidence.certain.support)), 3) if evidence.n else 0.0,
        n_objects=evidence.n,
        n_lost=len(chosen.lost_px),
        lost_px=round(float(np.median(chosen.lost_px)), 2) if len(chosen.lost_px) else None,
        n_found=chosen.same + chosen.alike + chosen.odd,
        n_uncertain=chosen.odd,
        doubt=doubt,
        scales=evidence.shown(),
    )


def _doubt(evidence: _Evidence) -> str:
    """Why the size cannot be told; empty if it can."""
    px, certain = evidence.diameter_px, evidence.certain
    contested = np.isfinite(certain.other_px)
    if evidence.n and contested.mean() > CONTESTED:
        pairs = np.sort(np.stack([certain.diameters_px[contested], certain.other_px[contested]]), axis=0)
        small_px, large_px = np.median(pairs, axis=1)
        return f"there are objects of {small_px:.0f} px within objects of {large_px:.0f} px"
    if evidence.fits:
        return ""
    if px is None or evidence.n < evidence.needed:
        return f"too few objects are alike at two scales ({evidence.n} of at least {evidence.needed})"
    return f"the objects that are alike at two scales are {px:.1f} px across, as specks are" if px < SMALLEST_PX else ""


def _better(evidence: _Evidence, diameter_px: float) -> tuple[float, Comparison]:
    """The step to rescale by, 0 unless the typical size is plainly better, and how right that scale is."""
    own = evidence.at(0)
    if evidence.fits:
        return 0.0, own
    step = math.log(evidence.typical_px / diameter_px, STEP)
    step = min(max(step, FEWEST_STEPS), MOST_STEPS)
    evidence.scales.climb(step)  # its objects are compared with the certain ones, and add none
    own, typical = evidence.at(0, step), evidence.at(step)
    fewer = own.wrong - typical.wrong
    more = typical.share - own.share >= MORE_OBJECTS and fewer >= FEWER_ERRORS
    tighter = fewer >= 0 and typical.area < TIGHTER * own.area
    return (step, typical) if more or tighter else (0.0, own)
