"""The scale in the private tags of microscopes that write TIFF: Zeiss LSM, MetaMorph STK and Olympus SIS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tifffile

from somanet.io.scale import to_minutes, to_um


@dataclass(frozen=True)
class VendorScale:
    """What a microscope wrote: µm per pixel in x and y, minutes per frame, and the time of each frame, in minutes.

    None, or no times, where it wrote nothing.
    """

    x_um: float | None
    y_um: float | None
    interval_min: float | None = None
    times_min: tuple[float, ...] = ()


def vendor_scale(tiff: tifffile.TiffFile) -> VendorScale | None:
    """The scale in a microscope's own tags; None for a TIFF without them."""
    if tiff.is_lsm:
        about: dict[str, Any] = tiff.lsm_metadata or {}
        times = tuple(float(time) / 60 for time in about.get("TimeStamps", ()))
        minutes = to_minutes(about.get("TimeIntervall"), "s")
        return VendorScale(to_um(about.get("VoxelSizeX"), "m"), to_um(about.get("VoxelSizeY"), "m"), minutes, times)
    if tiff.is_stk:
        about = tiff.stk_metadata or {}
        unit = str(about.get("CalibrationUnits", ""))
        created = about.get("DatetimeCreated")
        times = () if created is None else tuple(map(float, (created - created[0]) / np.timedelta64(1, "m")))
        x_um, y_um = (to_um(_number(about.get(f"{axis}Calibration")), unit) for axis in "XY")
        return VendorScale(x_um, y_um, None, times)
    if tiff.is_sis:
        about = tiff.sis_metadata or {}
        return VendorScale(to_um(about.get("pixelsizex"), "m"), to_um(about.get("pixelsizey"), "m"))
    return None


def _number(value: object) -> float | None:
    """A rational of two whole numbers, or a number, as a float."""
    if isinstance(value, (tuple, list, np.ndarray)) and len(value) == 2:
        return float(value[0]) / float(value[1]) if float(value[1]) else None
    return None if value is None else float(str(value))
