"""Which values of a TIFF are bright: its tags may say that 0 is white, or that pixels are numbers of colours.

ImageJ writes such tags for the look-up table of the display, and the values stay what was measured; so do OME-TIFF and
microscopes' own files, whose metadata say that pixels are intensities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tifffile

from somanet.core.problems import FileProblem

_WHITE_IS_ZERO, _PALETTE = 0, 3
_INVERTED = (
    "The file says that 0 is white (TIFF's photometric tag), so its values were inverted: {top} is now 0. If bright is "
    "large in it already, save it anew (Fiji: Image > Lookup Tables > Grays, then File > Save As > Tiff)."
)
_DISPLAY = (
    "The file is displayed inverted (ImageJ's inverting look-up table); its values were read as they are, large as "
    "bright."
)
_UNKNOWN = (
    "The file says that 0 is white (TIFF's photometric tag), but its {dtype} pixels have no largest value to invert "
    "them by; they were read as they are."
)


@dataclass(frozen=True)
class Light:
    """How a TIFF's values become intensities.

    Attributes:
        top: the value that is black, from which others are subtracted; None where values are intensities.
        note: what a reader has to know; empty if nothing.
    """

    top: int | None = None
    note: str = ""

    def of(self, stored: np.ndarray) -> np.ndarray:
        """Intensities, larger ones brighter, of the same type."""
        return stored if self.top is None else (self.top - stored).astype(stored.dtype)


def light_of(tiff: tifffile.TiffFile, source: str) -> Light:
    """How the values of an open TIFF become intensities, by its first page.

    Raises:
        FileProblem: its pixels are numbers of colours without an order.
    """
    page = tiff.pages.first
    described = tiff.is_imagej or tiff.is_ome or tiff.is_lsm or tiff.is_stk or tiff.is_sis
    if page.photometric == _WHITE_IS_ZERO:
        if described:
            return Light(note=_DISPLAY if tiff.is_imagej else "")
        if page.dtype is None or page.dtype.kind != "u":
            return Light(note=_UNKNOWN.format(dtype=page.dtype))
        top = (1 << int(page.bitspersample)) - 1
        return Light(top, _INVERTED.format(top=top))
    if page.photometric == _PALETTE and not described and page.colormap is not None:
        brightness = page.colormap.astype(np.int64).sum(axis=0)
        steps = np.diff(brightness)
        if (steps >= 0).all():
            return Light()
        if (steps <= 0).all():
            return Light(len(brightness) - 1, _INVERTED.format(top=len(brightness) - 1))
        raise FileProblem(
            f"{source}: expected grey levels, found numbers of a palette's colours, whose order is not that of "
            "brightness. Save it as grey or RGB (Fiji: Image > Type > RGB Color, then File > Save As > Tiff).",
            "wrong type",
        )
    return Light()
