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

DIMMER = 5.0
"""Times smaller, the range of intensities outside the outlines from which on it may hide objects."""
AROUND = 1.0
"""Diameters around an object, :data:`AROUND_PX` at least, that are not outside: its glow and processes."""
AROUND_PX = 8
LEAST_OUTSIDE = 0.05
"""Share of the image that must be outside."""
APART_PX = 3
"""From other objects of one that is added, at least."""
CONTRAST, CONFIDENCE = 6.0, 0.88
"""Least contrast, and mean calibrated probability of soma, of an object that is added (``python -m
benchmarks.bright_cells``)."""
BRIGHTER = 1.25
"""Times the range of intensities that was shown, that of an object from which on it is outlined anew, with more shown:
what is saturated is outlined with its glow, and specks too small for a soma are taken for somas."""


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
    """The objects of a first look, and those that bright ones among them hide: these last, with the next numbers.

    Args:
        first: what was found in the image; of fluorescence.
        image: YX, or YXC, of which the strongest channel counts.
        look: finds objects in an image, with a network for fluorescence.
        missing: pixels without data.
    """
    exposed = _exposed_without(image, first.labels_YX, missing)
    if exposed is None:
        return first
    dark, top = exposed
    second = look(_up_to(image, top))
    sure = _sure(first, second, image, missing)
    if not sure.any():
        return first
    brightness = _brightness(image, second.labels_YX)
    saturated = sure & (brightness - dark > BRIGHTER * (top - dark))
    found = _with(first, second, sure & ~saturated, image, missing)
    if saturated.any():
        third = look(_up_to(image, float(np.median(brightness[saturated]))))
        found = _with(found, third, _sure(found, third, image, missing), image, missing)
    return found


def _exposed_without(
    image: NDArray[Any], labels_YX: NDArray[np.integer], missing: NDArray[np.bool_] | None
) -> tuple[float, float] | None:
    """The middle and the largest of the intensities outside the outlines; None if the image is exposed for these."""
    areas = np.bincount(labels_YX.ravel())[1:]
    if not len(areas):
        return None
    diameter_px = 2 * float(np.sqrt(np.median(areas) / np.pi))
    outside = _distance(labels_YX) > max(AROUND_PX, AROUND * diameter_px)
    intensity = intensity_of(image)
    if missing is not None:
        outside &= ~missing
    if np.count_nonzero(outside) < LEAST_OUTSIDE * outside.size:
        return None
    dark, top = (float(q) for q in np.percentile(intensity[outside], (50, 99.9)))
    bright = float(np.percentile(intensity if missing is None else intensity[~missing], 99.9))
    return (dark, top) if dark < top < dark + (bright - dark) / DIMMER else None


def _up_to(image: NDArray[Any], top: float) -> NDArray[Any]:
    shown: NDArray[Any] = np.minimum(image, np.asarray(top).astype(image.dtype))
    return shown


def _brightness(image: NDArray[Any], labels_YX: NDArray[np.integer]) -> NDArray[np.float64]:
    """Each object's largest intensity."""
    brightest = np.zeros(int(labels_YX.max(initial=0)) + 1)
    np.maximum.at(brightest, labels_YX.ravel(), intensity_of(image).ravel())
    return brightest[1:]


def _sure(found: Look, more: Look, image: NDArray[Any], missing: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Which objects of another look are apart from those that were found, and surely objects."""
    n = len(more.probability)
    taken = _distance(found.labels_YX) <= APART_PX
    apart = np.bincount(more.labels_YX[taken], minlength=n + 1)[1:] == 0
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


def _distance(labels_YX: NDArray[np.integer]) -> NDArray[np.float32]:
    """Of every pixel from the nearest object, in px."""
    outside = (labels_YX == 0).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
