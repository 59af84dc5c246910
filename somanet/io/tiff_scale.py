"""The physical scale in a TIFF: OME-XML, ImageJ's description, or plain resolution tags."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import tifffile

from somanet.core.calibration import FileCalibration
from somanet.core.documents import parse_xml
from somanet.io.frame_times import frame_times
from somanet.io.micro_manager import ELAPSED, elapsed_min
from somanet.io.print_resolution import microscope_um
from somanet.io.scale import exact, interval_in_text, square_um, to_minutes, to_um
from somanet.io.tiff_vendors import vendor_scale

_PLAIN_UNITS = {2: "inch", 3: "cm"}


def tiff_calibration(tiff: tifffile.TiffFile, source: str, *, n_frames: int, image: int = 0) -> FileCalibration:
    """The scale in a TIFF's metadata.

    Args:
        tiff: the open file.
        source: its name, for messages.
        n_frames: length of the movie, for the times of its planes.
        image: which of the images in OME-XML, from 0.

    Returns:
        µm per pixel and minutes per frame; None for values that are missing, zero, infinite, in pixels, or a resolution
        for printing, which ``pixel_note`` names. Frame rates for playback (ImageJ's ``fps``) are not physical and are
        ignored.

    Raises:
        FileProblem: the pixels are not square, or the OME-XML is broken.
    """
    if tiff.ome_metadata:
        root = parse_xml(tiff.ome_metadata, source, "OME-XML")
        return ome_calibration(root, source, n_frames, image=image, elapsed_min=elapsed_min(tiff, n_frames))
    if (vendor := vendor_scale(tiff)) is not None:
        stated = {"the microscope's tag": vendor.interval_min}
        planes = dict(enumerate(vendor.times_min)) if len(vendor.times_min) == n_frames else {}
        times = frame_times(stated, planes, n_frames, by="the microscope's time stamps")
        return times.calibration(square_um(vendor.x_um, vendor.y_um, source))
    x, y = _resolution(tiff, "XResolution"), _resolution(tiff, "YResolution")
    if tiff.is_imagej and tiff.imagej_metadata is not None:
        header: dict[str, Any] = tiff.imagej_metadata
        unit = str(header.get("unit", ""))
        x_um, ignored = microscope_um(x, unit)
        y_um, _ = microscope_um(y, str(header.get("yunit", unit)))
        stated = {
            "finterval": to_minutes(header.get("finterval"), str(header.get("tunit", "sec"))),
            "ImageJ's Info": interval_in_text(str(header.get("Info", ""))),
        }
        times = frame_times(stated, elapsed_min(tiff, n_frames), n_frames, by=ELAPSED)
        return times.calibration(square_um(x_um, y_um, source), ignored)
    tag = tiff.pages.first.tags.get("ResolutionUnit")
    unit = _PLAIN_UNITS.get(int(tag.value), "") if tag is not None else ""
    (x_um, ignored), (y_um, _) = microscope_um(x, unit), microscope_um(y, unit)
    return FileCalibration(square_um(x_um, y_um, source), None, pixel_note=ignored)


def _resolution(tiff: tifffile.TiffFile, name: str) -> Fraction | None:
    """Pixels per unit from a resolution tag."""
    tag = tiff.pages.first.tags.get(name)
    if tag is None:
        return None
    try:
        numerator, denominator = tag.value
        return Fraction(int(numerator), int(denominator)) or None
    except (TypeError, ValueError, ZeroDivisionError):
        return None


def ome_calibration(
    root: ET.Element, source: str, n_frames: int, *, image: int = 0, elapsed_min: Mapping[int, float] | None = None
) -> FileCalibration:
    """The scale of one of the images in OME-XML; see :func:`tiff_calibration`.

    Where its planes have no times, those that Micro-Manager writes into the pages, ``elapsed_min``, are compared.
    """
    images = root.findall("./Image")
    pixels = images[image].find("./Pixels") if image < len(images) else None
    if pixels is None:
        return FileCalibration()
    x_um = to_um(pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeXUnit", "µm"))
    y_um = to_um(pixels.get("PhysicalSizeY"), pixels.get("PhysicalSizeYUnit", "µm"))
    stated = {"TimeIncrement": to_minutes(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))}
    planes = _plane_times_min(pixels)
    if any(planes.values()) or not elapsed_min:
        times = frame_times(stated, planes, n_frames)
    else:
        times = frame_times(stated, elapsed_min, n_frames, by=ELAPSED)
    return times.calibration(square_um(x_um, y_um, source))


def _plane_times_min(pixels: ET.Element) -> dict[int, float]:
    """DeltaT of the first channel's and focal plane's planes, by frame."""
    times: dict[int, float] = {}
    for plane in pixels.iter("Plane"):
        if plane.get("TheC", "0") == "0" and plane.get("TheZ", "0") == "0":
            value, unit = plane.get("DeltaT"), plane.get("DeltaTUnit", "s")
            # The first plane's time is 0, which `to_minutes` would take for unknown.
            if value is not None and exact(value) is None:
                times[int(plane.get("TheT", "0"))] = 0.0
            elif value is not None and (minutes := to_minutes(value, unit)) is not None:
                times[int(plane.get("TheT", "0"))] = minutes
    return times


def ome_channel_names(xml: str, source: str, *, image: int = 0) -> tuple[str, ...]:
    """Names of the channels of one of the images in OME-XML; an unnamed channel is named by its number."""
    channels = parse_xml(xml, source, "OME-XML").findall(f"./Image[{image + 1}]/Pixels/Channel")
    return tuple(channel.get("Name") or str(index) for index, channel in enumerate(channels))
