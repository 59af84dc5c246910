"""A second look at what bright cells hide: a network is shown intensities up to those that are left without them.

A network is shown intensities up to the 99.9 percentile of an image (:class:`somanet.segmentation.network.inputs.
Exposure`). Where that is the brightness of some cells, others that are ten or a hundred times dimmer are black.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from somanet.segmentation.inference.contrast import contrast_of, intensity_of
from somanet.segmentation.inference.looks import looks_like_noise

DIMMER = 5.0
"""Times smaller than the range that was shown, the range of intensities away from bright objects from which on it is
looked at; objects are bright if they stand out by more than that share of the range."""
MOST_LEVELS = 6
"""So often bright objects are left out, of what is left at the last level."""
AROUND = 1.0
"""Diameters around a bright object, :data:`AROUND_PX` at least, that are not away from it: its glow and processes."""
AROUND_PX = 8
LEAST_OUTSIDE = 0.05
"""Share of the image that must be away from bright objects."""
APART_PX = 3
"""From other objects of one that is added, at least."""
CONTRAST, CONFIDENCE = 6.0, 0.88
"""Least contrast, and mean calibrated probability of soma, of an object that is added (``python -m
benchmarks.bright_cells``)."""
BRIGHTER = 1.25
"""Times a range of intensities, one that is larger. An object that is brighter than what was shown by that is outlined
anew, with more shown: what is saturated is outlined with its glow, and specks are taken for somas."""
SAME_SHARE = 0.5
"""Of the smaller of an object of the first look and one of the second that share it, if both are the same."""


class Look(NamedTuple):
    """The objects of an image at one exposure: labels 1…n without gaps, and numbers of each.

    Attributes:
        labels_YX: int32, 0 = background.
        confidence: as of :class:`somanet.segmentation.inference.segmenter.Segmented`.
        contrast: see :func:`somanet.segmentation.inference.contrast.contrast_of`.
        probability: mean calibrated probability of soma.
        n_haze: number of objects that were left out as haze.
    """

    labels_YX: NDArray[np.int32]
    confidence: NDArray[np.float64]
    contrast: NDArray[np.float64]
    probability: NDArray[np.float64]
    n_haze: int = 0


def looked_again(
    first: Look,
    image: NDArray[Any],
    look: Callable[[NDArray[Any]], Look],
    missing: NDArray[np.bool_] | None = None,
) -> Look:
    """The objects of a first look, dim ones outlined anew, and those that bright ones hide, with the next numbers.

    Nothing is added where what the second look shows looks as what a network draws on noise, clouds and texture (as
    :class:`somanet.segmentation.inference.looks.Appearance` judges whole images).

    Args:
        first: what was found in the image; of fluorescence.
        image: YX, or YXC, of which the strongest channel counts.
        look: finds objects in an image, with a network for fluorescence.
        missing: pixels without data.
    """
    if not len(first.confidence):
        return first
    intensity = intensity_of(image)
    ceiling = float(np.percentile(intensity if missing is None else intensity[~missing], 99.9))
    found, level = first, ceiling
    for _ in range(MOST_LEVELS):
        exposed = _away_from_bright(found, intensity, level, missing)
        if exposed is None:
            break
        level = exposed.top
        if level - exposed.dark > (ceiling - exposed.dark) / DIMMER:
            continue  # some are less bright: away from these, too
        more = look(_up_to(image, exposed.top))
        others = ~_touching(more, exposed.bright_YX)
        if looks_like_noise(more.probability[others], more.contrast[others]):
            break
        saturated = _brightness(intensity, more.labels_YX) - exposed.dark > BRIGHTER * (exposed.top - exposed.dark)
        found = _outlined_anew(found, more, others & ~saturated, image, missing)
        sure = others & _sure(found, more, image, missing)
        found = _with(found, more, sure & ~saturated, image, missing)
        if (sure & saturated).any():
            brightness = float(np.median(_brightness(intensity, more.labels_YX)[sure & saturated]))
            again = look(_up_to(image, brightness))
            found = _with(found, again, _sure(found, again, image, missing), image, missing)
        ceiling = level
    return found


class _Exposed(NamedTuple):
    """The middle and the largest of the intensities away from bright objects, and these with what is too near them."""

    dark: float
    top: float
    bright_YX: NDArray[np.bool_]


def _away_from_bright(
    found: Look, intensity: NDArray[np.float64], level: float, missing: NDArray[np.bool_] | None
) -> _Exposed | None:
    """The range of intensities away from bright objects; None if it is hardly smaller, or unknown.

    Args:
        found: the image's objects.
        intensity: of the image, YX.
        level: the largest intensity of those that count; objects are bright from a share of it on.
        missing: pixels without data.
    """
    n = len(found.confidence)
    ground = found.labels_YX == 0 if missing is None else (found.labels_YX == 0) & ~missing
    if not ground.any():
        return None
    dark = float(np.median(intensity[ground]))
    areas = np.bincount(found.labels_YX.ravel(), minlength=n + 1)[1:]
    means = np.bincount(found.labels_YX.ravel(), intensity.ravel(), minlength=n + 1)[1:] / np.maximum(areas, 1)
    is_bright = means - dark > (level - dark) / DIMMER
    if not is_bright.any():
        return None
    distance_YX = _distance(np.concatenate([[False], is_bright])[found.labels_YX])
    diameter_px = 2 * float(np.sqrt(np.median(areas[is_bright]) / np.pi))
    outside = distance_YX > max(AROUND_PX, AROUND * diameter_px)
    if missing is not None:
        outside &= ~missing
    if np.count_nonzero(outside) < LEAST_OUTSIDE * outside.size:
        return None
    top = float(np.percentile(intensity[outside], 99.9))
    if not dark < top < dark + (level - dark) / BRIGHTER:
        return None
    return _Exposed(dark, top, distance_YX <= APART_PX)


def _touching(look: Look, mask_YX: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which objects have pixels in a mask."""
    return np.bincount(look.labels_YX[mask_YX], minlength=len(look.probability) + 1)[1:] > 0


def _outlined_anew(
    found: Look, more: Look, which: NDArray[np.bool_], image: NDArray[Any], missing: NDArray[np.bool_] | None
) -> Look:
    """The objects that were found, with the outlines of another look's where some of these are the same objects.

    At the exposure of a bright object dim ones are outlined too small.
    """
    own, other = _same(found.labels_YX, more.labels_YX)
    wanted = which[other]
    own, other = own[wanted], other[wanted]
    if not len(own):
        return found
    numbers = np.zeros(len(more.probability) + 1, np.int32)
    numbers[other + 1] = own + 1
    kept_YX = np.where(np.isin(found.labels_YX, own + 1), 0, found.labels_YX)
    labels_YX = np.where(kept_YX > 0, kept_YX, numbers[more.labels_YX]).astype(np.int32)
    confidence, probability = found.confidence.copy(), found.probability.copy()
    confidence[own], probability[own] = more.confidence[other], more.probability[other]
    contrast = contrast_of(image, labels_YX, missing=missing)
    return Look(labels_YX, confidence, contrast, probability, found.n_haze)


def _same(labels_YX: NDArray[np.int32], others_YX: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which labels and others, as places in a list from 1 on, are the same objects: none that joins or divides others.

    Memory grows with the pairs that overlap, not with all pairs.
    """
    n_other = int(others_YX.max(initial=0))
    both = (labels_YX > 0) & (others_YX > 0)
    pairs, shared = np.unique(labels_YX[both].astype(np.int64) * (n_other + 1) + others_YX[both], return_counts=True)
    own, other = np.divmod(pairs, n_other + 1)
    smaller = np.minimum(np.bincount(labels_YX.ravel())[own], np.bincount(others_YX.ravel())[other])
    large = shared >= SAME_SHARE * smaller
    own, other = own[large] - 1, other[large] - 1
    alone = (np.bincount(own)[own] == 1) & (np.bincount(other)[other] == 1)
    return own[alone], other[alone]


def _up_to(image: NDArray[Any], top: float) -> NDArray[Any]:
    shown: NDArray[Any] = np.minimum(image, np.asarray(top).astype(image.dtype))
    return shown


def _brightness(intensity: NDArray[np.float64], labels_YX: NDArray[np.integer]) -> NDArray[np.float64]:
    """Each object's largest intensity."""
    brightest = np.zeros(int(labels_YX.max(initial=0)) + 1)
    np.maximum.at(brightest, labels_YX.ravel(), intensity.ravel())
    return brightest[1:]


def _sure(found: Look, more: Look, image: NDArray[Any], missing: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Which objects of another look are apart from those that were found, and surely objects."""
    apart = ~_touching(more, _distance(found.labels_YX) <= APART_PX)
    sure = np.asarray(apart & (more.probability >= CONFIDENCE))
    if sure.any():  # one whose contrast is unknown is not sure
        sure[sure] = _with(found, more, sure, image, missing).contrast[len(found.contrast) :] >= CONTRAST
    return sure


def _with(
    found: Look, more: Look, which: NDArray[np.bool_], image: NDArray[Any], missing: NDArray[np.bool_] | None
) -> Look:
    """Some objects of another look with those that were found, and the contrast of all."""
    if not which.any():
        return found
    others_YX = _numbered(more.labels_YX, which)
    labels_YX = np.where(others_YX > 0, others_YX + len(found.confidence), found.labels_YX).astype(np.int32)
    return Look(
        labels_YX,
        np.concatenate([found.confidence, more.confidence[which]]),
        contrast_of(image, labels_YX, missing=missing),
        np.concatenate([found.probability, more.probability[which]]),
        found.n_haze,
    )


def _numbered(labels_YX: NDArray[np.int32], which: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Only some of the labels, numbered from 1 without gaps."""
    return np.concatenate([[0], np.where(which, np.cumsum(which), 0)])[labels_YX].astype(np.int32)


def _distance(labels_YX: NDArray[Any]) -> NDArray[np.float32]:
    """Of every pixel from the nearest object, in px."""
    outside = (labels_YX == 0).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
