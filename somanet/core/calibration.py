"""Conversion of pixels to micrometres and frames to hours: only here, and without defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass

from somanet.core.errors import SomaNetError

MINUTES_PER_HOUR = 60.0


def _check(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise SomaNetError(f"{name} must be a positive number, found {value}. Check the unit and the value you gave.")


@dataclass(frozen=True)
class Calibration:
    """The physical scale of a movie.

    Attributes:
        pixel_size_um: width of one (square) pixel in micrometres.
        frame_interval_min: time from one frame to the next in minutes.
    """

    pixel_size_um: float
    frame_interval_min: float

    def __post_init__(self) -> None:
        _check("Pixel size (µm)", self.pixel_size_um)
        _check("Frame interval (min)", self.frame_interval_min)

    @property
    def frame_interval_h(self) -> float:
        """Time from one frame to the next in hours."""
        return self.frame_interval_min / MINUTES_PER_HOUR

    @property
    def pixel_area_um2(self) -> float:
        """Area of one pixel in square micrometres."""
        return self.pixel_size_um**2


@dataclass(frozen=True)
class FileCalibration:
    """The scale in a file's metadata; ``None`` where it is missing."""

    pixel_size_um: float | None = None
    frame_interval_min: float | None = None

    def complete(self, *, pixel_size_um: float | None = None, frame_interval_min: float | None = None) -> Calibration:
        """The full scale; a value given here overrides the file's own.

        Raises:
            SomaNetError: neither the file nor the caller gives a value, or a value is not positive.
        """
        pixel = pixel_size_um if pixel_size_um is not None else self.pixel_size_um
        interval = frame_interval_min if frame_interval_min is not None else self.frame_interval_min
        missing = [
            option
            for option, value in (("--pixel-size-um", pixel), ("--frame-interval-min", interval))
            if value is None
        ]
        if missing or pixel is None or interval is None:
            raise SomaNetError(
                f"The physical scale is unknown: the file's metadata lacks it and {' and '.join(missing)} "
                "was not given. Look it up in the microscope's settings and pass it."
            )
        return Calibration(pixel, interval)
