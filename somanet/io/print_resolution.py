"""Tell a microscope's pixel size in TIFF's resolution tags from a resolution for printing or of a scanner."""

from __future__ import annotations

from fractions import Fraction

from somanet.io.scale import to_um

PIXELS_UM = (0.02, 20.0)
"""Sizes of a microscope's pixels."""
UM_PER_INCH = 25_400.0
PRINTED_DPI = (1440, 1600, 1800, 2000, 2400, 2880, 3000, 3200, 3600, 4000, 4800, 5400, 5600, 5760, 6400, 7200, 9600)
"""Pixels per inch of printers and scanners that are as fine as a microscope's pixels may be."""
ROUNDED = 2e-4
"""Relative: 2400 dpi are 944.88 or 945 pixels per cm; the nearest common pixel of a camera, 5.3 µm, is 0.2 % off."""


def microscope_um(pixels_per_unit: Fraction | None, unit: str) -> tuple[float | None, str]:
    """µm per pixel by a resolution tag, and what is ignored.

    Args:
        pixels_per_unit: the tag's value; None without one.
        unit: `inch`, `cm`, or any other unit, which a printer does not count in.

    Returns:
        The size, None if it is unknown or not a microscope's; and why it was ignored as a sentence, else empty.
    """
    if pixels_per_unit is None or pixels_per_unit <= 0:
        return None, ""
    size = to_um(1 / pixels_per_unit, unit)
    if size is None or to_um(1, unit) not in (to_um(1, "inch"), to_um(1, "cm")):
        return size, ""
    dpi = UM_PER_INCH / size
    low, high = PIXELS_UM
    printed = any(abs(dpi - one) <= ROUNDED * one for one in PRINTED_DPI)
    if low <= size <= high and not printed:
        return size, ""
    if size > UM_PER_INCH / 25:  # 1 pixel per inch: a tag that nobody set
        return None, ""
    why = "as of a printer or scanner" if printed or size > high else "finer than any microscope's"
    return None, (
        f"The file's resolution tags say {dpi:.6g} pixels per inch ({size:.4g} µm per pixel), {why}: this "
        "was ignored as a scale."
    )
