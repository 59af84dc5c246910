"""The size of the somas in words: what was done about it, and whether it is within the network's intended use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from somanet.segmentation.network.intended_use import IntendedUse

if TYPE_CHECKING:
    from somanet.segmentation.inference.soma_size import SizeEstimate

UNLIKE = 1.5
"""All objects and those that told the somas' size differ by less than this factor in median diameter, where both are
the same somas."""
MANY_LOST, SHARE_LOST = 3, 0.2
"""From so many objects, and this share, on it is said that no scale shows all."""
MANY_UNCERTAIN, SHARE_UNCERTAIN = 5, 0.4
"""From so many objects of another size, and this share, on it is said that they are not found again at any other scale
(``python -m benchmarks.certain``)."""


def diameters_px(labels_YX: NDArray[np.integer]) -> NDArray[np.float64]:
    """Equivalent diameters of the objects in a label image, in pixels: those of circles of the same area."""
    areas = np.bincount(labels_YX.ravel())[1:]
    return np.asarray(2 * np.sqrt(areas[areas > 0] / np.pi))


def median_or_nan(diameters: NDArray[np.float64]) -> float:
    """The median; NaN if there are none."""
    return float(np.median(diameters)) if diameters.size else float("nan")


def size_warning(
    median_px: float, intended_use: IntendedUse, *, factor: float, estimate: SizeEstimate | None = None
) -> str | None:
    """A message about the size of the detected somas, or that there are none; None if all is well.

    A size that was told is compared with that of all objects; otherwise that of all objects with those that the network
    knows. For where the size was told, what the network does at that size was seen, too.

    Args:
        median_px: their median diameter in the image's own pixels; NaN if none was detected.
        intended_use: intended use of the network.
        factor: the factor by which the image was rescaled.
        estimate: of the somas' size; None if the factor was given.
    """
    if intended_use.diameter_px is None:
        return None
    low, high = intended_use.diameter_px
    known, at = f"the {low:g} to {high:g} px that this network was trained for", _at(factor)
    if np.isnan(median_px):
        return (
            f"No soma was detected{at}. If somas are larger or smaller than {known}, give the diameter of one in "
            "pixels, --diameter PX, or the factor to rescale by, --rescale FACTOR."
        )
    if estimate is not None and estimate.diameter_px is not None and not estimate.doubt:
        if 1 / UNLIKE < median_px / estimate.diameter_px < UNLIKE:
            return None
        return (
            f"Half of the objects are {'under' if median_px < estimate.diameter_px else 'over'} {_px(median_px)} px "
            f"across, while those from which the somas' size was told have {_px(estimate.diameter_px)} px (median). If "
            "these are not typical, as frames out of focus are not, give the diameter of a soma in pixels: --diameter "
            "PX. If they are, look for objects that are no somas."
        )
    if low <= median_px * factor <= high:
        return None
    scaled = f", {_px(median_px * factor)} px{at}" if factor != 1 else ""
    return (
        f"The detected somas are {_px(median_px)} px across (median){scaled}, outside {known}: many may be missed, "
        "merged or split. " + _way_out(median_px, intended_use)
    )


def size_note(estimate: SizeEstimate | None, intended_use: IntendedUse) -> str | None:
    """What was done about the somas' size, or why nothing was; None if they have the size that the network knows.

    Args:
        estimate: of the image or movie; None if it was not rescaled by an estimate.
        intended_use: intended use of the network.
    """
    if estimate is None or intended_use.diameter_px is None or (estimate.diameter_px is None and not estimate.doubt):
        return None
    low, high = intended_use.diameter_px
    if estimate.doubt:
        return (
            f"The somas' size could not be estimated: {estimate.doubt}. So nothing was rescaled. If somas are not "
            f"{low:g} to {high:g} px across, give the diameter of one in pixels, --diameter PX."
        )
    if estimate.diameter_px is None:
        return None
    if estimate.lost_px is not None and estimate.n_lost >= max(MANY_LOST, SHARE_LOST * estimate.n_objects):
        at = "in images as stored" if estimate.rescale == 1 else f"in images rescaled by {estimate.rescale:.3g}"
        return (
            f"{estimate.n_lost} of {estimate.n_objects} objects that other scales show, {_px(estimate.lost_px)} px "
            f"across (median), are not found {at}: somas have several sizes. --diameter {_px(estimate.lost_px)} finds "
            "these, and may lose others."
        )
    if estimate.n_uncertain >= max(MANY_UNCERTAIN, SHARE_UNCERTAIN * estimate.n_found):
        return (
            f"{estimate.n_uncertain} of {estimate.n_found} objects in the images that told the somas' size are not "
            "found again at any other scale, as haze, texture and debris are not. Check the outlines before using a "
            "number; --diameter PX looks for somas of that size."
        )
    if estimate.rescale == 1:
        return None
    return (
        f"Somas are {_px(estimate.diameter_px)} px across, as {estimate.n_objects} objects that are alike at two "
        f"scales show (agreement {estimate.agreement:.2f}), so images were rescaled by {estimate.rescale:.3g} to the "
        f"{_px(intended_use.typical_px or estimate.diameter_px)} px that this network knows. --rescale 1 leaves them "
        "as they are, --diameter PX sets another size."
    )


def _at(factor: float) -> str:
    return f" at --rescale {factor:.3g}" if factor != 1 else ""


def _way_out(diameter_px: float, intended_use: IntendedUse) -> str:
    typical = intended_use.typical_px or diameter_px
    return f"--rescale {typical / diameter_px:.2g} (or --diameter {_px(diameter_px)}) brings them to {_px(typical)} px."


def _px(px: float) -> str:
    return f"{px:.0f}" if px >= 10 else f"{px:.1f}"
