"""The size of the detected somas, and whether it is within the network's intended use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from somanet.segmentation.network.intended_use import IntendedUse

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter

Labels = NDArray[np.integer]

SMALLER_FACTORS = (0.5, 0.25)
"""Factors by which images are downscaled again, to detect somas that are too large for the network at full size."""

LEAST_SHARED_AREA = 0.5
"""Share of the first detections that the downscaled ones cover if these are the same somas, but whole."""


def diameters_px(labels_YX: NDArray[np.integer]) -> NDArray[np.float64]:
    """Equivalent diameters of the objects in a label image, in pixels: those of circles of the same area."""
    areas = np.bincount(labels_YX.ravel())[1:]
    return np.asarray(2 * np.sqrt(areas[areas > 0] / np.pi))


def median_or_nan(diameters: NDArray[np.float64]) -> float:
    """The median; NaN if there are none."""
    return float(np.median(diameters)) if diameters.size else float("nan")


def diameter_when_downscaled(segmenter: Segmenter, labelled: Sequence[tuple[NDArray[Any], Labels]]) -> float:
    """The diameter of somas that a network detects better in downscaled images; NaN if there are none.

    In somas far larger than those of its training, a network detects fragments of a plausible size. In a downscaled
    image it detects the whole: as much area or more, in larger objects that contain the fragments. Half and quarter
    size are tried in turn, as long as the area does not shrink. Networks without a known size range are not tested.

    Args:
        segmenter: the network or networks.
        labelled: a few images, each with its predicted labels.

    Returns:
        The median, in the images' own pixels.
    """
    found_px = float("nan")
    if segmenter.intended_use.diameter_px is None:
        return found_px
    first = [labels > 0 for _, labels in labelled]
    area = _area(first)
    for smaller in SMALLER_FACTORS:
        resized = segmenter.at(segmenter.rescale * smaller)
        found = [resized.labels(image) for image, _ in labelled]
        now = [labels > 0 for labels in found]
        kept = _area([one & other for one, other in zip(first, now, strict=True)])
        if _area(now) < area or kept < LEAST_SHARED_AREA * _area(first):
            break
        area = _area(now)
        found_px = median_or_nan(np.concatenate([diameters_px(labels) for labels in found])) if found else found_px
    return found_px


def _area(foregrounds: Sequence[NDArray[np.bool_]]) -> float:
    return float(sum(np.count_nonzero(foreground) for foreground in foregrounds))


def size_warning(
    median_px: float, intended_use: IntendedUse, *, factor: float, downscaled_px: float = float("nan")
) -> str | None:
    """A message about the size of the detected somas, or that there are none; None if all is well.

    Args:
        median_px: their median diameter in the image's own pixels; NaN if none was detected.
        intended_use: intended use of the network.
        factor: the factor by which the image was rescaled.
        downscaled_px: result of :func:`diameter_when_downscaled`.
    """
    if intended_use.diameter_px is None:
        return None
    low, high = intended_use.diameter_px
    known, at = f"the {low:g} to {high:g} px that this network was trained for", _at(factor)
    if downscaled_px * factor > high:
        return (
            f"In downscaled images the network detects more: somas of {_px(downscaled_px)} px, beyond {known}{at}. "
            + _way_out(downscaled_px, intended_use)
        )
    if np.isnan(median_px):
        return (
            f"No soma was detected{at}. If somas are larger or smaller than {known}, give the diameter of one in "
            "pixels, --diameter PX, or the factor to rescale by, --rescale FACTOR."
        )
    if low <= median_px * factor <= high:
        return None
    scaled = f", {_px(median_px * factor)} px{at}" if factor != 1 else ""
    return (
        f"The detected somas are {_px(median_px)} px across (median){scaled}, outside {known}: many may be missed, "
        "merged or split. " + _way_out(median_px, intended_use)
    )


def _at(factor: float) -> str:
    return f" at --rescale {factor:.3g}" if factor != 1 else ""


def _way_out(diameter_px: float, intended_use: IntendedUse) -> str:
    typical = intended_use.typical_px or diameter_px
    return f"--rescale {typical / diameter_px:.2g} (or --diameter {_px(diameter_px)}) brings them to {_px(typical)} px."


def _px(px: float) -> str:
    return f"{px:.0f}" if px >= 10 else f"{px:.1f}"
