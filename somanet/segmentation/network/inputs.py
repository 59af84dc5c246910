"""Inputs and targets of a network: preprocessing of images, and target maps from labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from somanet.core.errors import SomaNetError
from somanet.segmentation.network.missing import fill_missing
from somanet.segmentation.network.settings import ModelSpec

Float32 = NDArray[np.float32]

_BELOW_BACKGROUND = 0.02  # shadows darker than the background keep a little of their depth
_TAIL_RATIO = 1.25
_BAND_PX = 256
_LOG_CONTRAST = 50.0  # asinh(50 x): lifts a soma at 2 % of the brightest pixel to 30 % of the range


def to_unit(image: NDArray[np.generic]) -> NDArray[np.generic]:
    """An image as three channels on a known range: uint8 as stored, other types as float32 from 0 to 1.

    Types other than uint8 are scaled by the image's own 0.1 and 99.95 percentiles, so this must see the whole image,
    not a crop of it. Pixels without data are filled first (:mod:`somanet.segmentation.network.missing`).

    Args:
        image: YX or YXC with C = 1, 3 or 4 (alpha is dropped), any real dtype.

    Returns:
        YXC with C = 3.

    Raises:
        SomaNetError: not a 2-D image with 1, 3 or 4 channels, or an empty one.
    """
    if image.size == 0 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[-1] not in (1, 3, 4)):
        raise SomaNetError(
            f"Expected a 2-D image (Y, X) or (Y, X, C) with 1, 3 or 4 channels, found shape {image.shape}. "
            "Pick a channel, frame or plane first."
        )
    if image.ndim == 2:
        image = image[..., None]
    image = fill_missing(image[..., :3]).image
    if image.shape[-1] == 1:
        image = np.repeat(image, 3, axis=-1)
    if image.dtype == np.uint8:
        return image
    values = image.astype(np.float32)  # a copy in any case
    low, high = np.percentile(values, (0.1, 99.95))
    for rows in _bands(len(values)):
        values[rows] = np.clip((values[rows] - low) / max(float(high - low), 1e-6), 0, 1)
    return values


@dataclass(frozen=True)
class Exposure:
    """Intensity statistics of a whole image; training measures them before cutting patches and augmenting.

    Attributes:
        inverted: bright background, dark objects.
        low, high: the relevant range of intensities, the 1 and 99.9 percentiles.
        background: the most frequent intensity of the darker half.
    """

    inverted: bool
    low: float
    high: float
    background: float


def measure_exposure(image_YXC: NDArray[np.generic], *, inverted: bool | None = None) -> Exposure:
    """Measure an image from :func:`to_unit`.

    Args:
        image_YXC: the image.
        inverted: whether objects are dark on a bright background, where that is known; None judges by the image.
    """
    if inverted is None:
        inverted = looks_inverted(image_YXC)
    intensity_YX = np.empty(image_YXC.shape[:2], np.float32)
    for rows in _bands(len(image_YXC)):
        intensity_YX[rows] = _intensity(image_YXC[rows], inverted=inverted)
    darkest, low, middle, high = (float(q) for q in np.percentile(intensity_YX, (0.5, 1.0, 50, 99.9)))
    return Exposure(inverted, low, high, _background(intensity_YX, darkest, middle))


def looks_inverted(image_YXC: NDArray[np.generic]) -> bool:
    """Whether an image from :func:`to_unit` has a long dark tail on a bright background: stained tissue, bright field.

    Vignetting and fading give fluorescence such a tail too.
    """
    p5, p50, p95 = np.percentile(_scaled(image_YXC[::2, ::2]).mean(axis=-1), (5, 50, 95))
    return bool(p50 > 0.3 and p50 - p5 > _TAIL_RATIO * (p95 - p50))


def unit_to_input(image_YXC: NDArray[np.generic], spec: ModelSpec, exposure: Exposure | None = None) -> Float32:
    """The network's input CYX float32 from an image of :func:`to_unit`.

    Args:
        image_YXC: an image or a part of one.
        spec: defines the channels.
        exposure: statistics of the whole image; None measures ``image_YXC`` itself.
    """
    if spec.input != "rgb":
        exposure = exposure or measure_exposure(image_YXC)
        return _contrasts(image_YXC, exposure, from_background=spec.input == "background")
    unit = _scaled(image_YXC)
    if spec.in_channels == 1:
        unit = unit.mean(axis=-1, keepdims=True)
    return np.ascontiguousarray(unit.transpose(2, 0, 1))


def to_input(image: NDArray[np.generic], spec: ModelSpec, *, inverted: bool | None = None) -> Float32:
    """Turn an image as stored into the network's input CYX float32, about 0 to 1; errors as :func:`to_unit`.

    Args:
        image: as :func:`to_unit` takes it.
        spec: defines the channels.
        inverted: see :func:`measure_exposure`.
    """
    unit = to_unit(image)
    exposure = None if spec.input == "rgb" else measure_exposure(unit, inverted=inverted)
    return unit_to_input(unit, spec, exposure)


def _scaled(image: NDArray[np.generic]) -> Float32:
    unit = image.astype(np.float32)
    return unit / np.float32(255) if image.dtype == np.uint8 else unit


def _intensity(image_YXC: NDArray[np.generic], *, inverted: bool) -> Float32:
    """One intensity per pixel, objects bright: the strongest channel, or the inverted mean on a bright background."""
    intensity: Float32 = -_scaled(image_YXC).mean(axis=-1) if inverted else _scaled(_strongest(image_YXC))
    return intensity


def _strongest(image_YXC: NDArray[Any]) -> NDArray[Any]:
    """The largest channel, plane by plane: a maximum along a last axis of three is slow."""
    return reduce(np.maximum, np.moveaxis(image_YXC, -1, 0))


def _contrasts(image_YXC: NDArray[np.generic], exposure: Exposure, *, from_background: bool) -> Float32:
    """The same intensity linear, square-rooted and on a near-logarithmic scale: 3 x Y x X, each about 0 to 1."""
    contrasts = np.empty((3, *image_YXC.shape[:2]), np.float32)
    for rows in _bands(len(image_YXC)):
        intensity = _intensity(image_YXC[rows], inverted=exposure.inverted)
        linear = np.clip((intensity - exposure.low) / max(exposure.high - exposure.low, 1e-6), 0, 1)
        above = linear
        if from_background:
            span = max(exposure.high - exposure.background, 1e-6)
            above = np.clip((intensity - exposure.background) / span, -_BELOW_BACKGROUND, 1)
        contrasts[0, rows] = linear
        contrasts[1, rows] = np.sqrt(linear)
        contrasts[2, rows] = np.arcsinh(_LOG_CONTRAST * above) / np.arcsinh(_LOG_CONTRAST)
    return contrasts


def _bands(height: int) -> Iterator[slice]:
    """Rows of an image, some at a time, so that what is computed of them in between takes little memory."""
    return (slice(first, first + _BAND_PX) for first in range(0, height, _BAND_PX))


def _background(intensity_YX: Float32, low: float, middle: float) -> float:
    """The most frequent intensity of the darker half, from `low` to the median: the mode of its smoothed histogram."""
    if middle <= low:
        return middle
    # a little beyond the median, so that a mode at the median has two sides
    counts, edges = np.histogram(intensity_YX, bins=64, range=(low, middle + (middle - low) / 8))
    mode = int(np.argmax(ndimage.gaussian_filter1d(counts.astype(float), 2)))
    return float(edges[mode] + edges[mode + 1]) / 2


IGNORED = -1.0
"""Target of a pixel that is neither soma nor background, in every output."""


def make_targets(
    labels_YX: NDArray[np.integer], outputs: Sequence[str], ignored_YX: NDArray[np.bool_] | None = None
) -> Float32:
    """The target maps for a label image.

    `soma` is the foreground. `boundary` is the rim of every object, inside it and one or two pixels wide, so that
    touching somas keep separate cores. `distance` is each pixel's distance from its own object's rim, as a share of the
    object's largest, so that somas of every size peak at 1.

    Returns:
        CYX float32 from 0 to 1, C in the order of ``outputs``; `soma` and `boundary` are 0 or 1. Ignored pixels are
        :data:`IGNORED`; the maps around them are those of the whole objects.
    """
    maps: dict[str, Callable[[NDArray[np.integer]], NDArray[Any]]] = {
        "soma": lambda labels: labels > 0,
        "boundary": _rim,
        "distance": _relative_distance,
    }
    targets: Float32 = np.stack([maps[name](labels_YX) for name in outputs]).astype(np.float32)
    if ignored_YX is not None:
        targets[:, ignored_YX] = IGNORED
    return targets


def contour(labels_YX: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Pixels of an object with a neighbour above, below, left or right outside it: scikit-image's inner boundaries."""
    edge = np.zeros(labels_YX.shape, bool)
    changes_Y, changes_X = labels_YX[1:] != labels_YX[:-1], labels_YX[:, 1:] != labels_YX[:, :-1]
    edge[1:] |= changes_Y
    edge[:-1] |= changes_Y
    edge[:, 1:] |= changes_X
    edge[:, :-1] |= changes_X
    return edge & (labels_YX > 0)


def _rim(labels_YX: NDArray[np.integer]) -> NDArray[np.bool_]:
    """The inner contour of every object, one pixel wider where that leaves a core."""
    inner = contour(labels_YX)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    wide: NDArray[np.bool_] = (cv2.dilate(inner.astype(np.uint8), cross) > 0) & (labels_YX > 0)
    core = np.bincount(labels_YX[~wide].ravel(), minlength=int(labels_YX.max()) + 1) > 0
    thin = (~core)[labels_YX] & (labels_YX > 0)  # objects too small for a wide rim keep the thin one
    return np.where(thin, inner, wide)


def _relative_distance(labels_YX: NDArray[np.integer]) -> Float32:
    """Distance from the rim over the object's largest; not 0 at the rim, so that thin objects have a map too."""
    distance = np.where(labels_YX > 0, ndimage.distance_transform_edt(~contour(labels_YX)) + 1, 0)
    largest = np.ones(int(labels_YX.max(initial=0)) + 1)
    np.maximum.at(largest, labels_YX.ravel(), distance.ravel())
    relative: Float32 = (distance / largest[labels_YX]).astype(np.float32)
    return relative
