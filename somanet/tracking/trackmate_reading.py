"""TrackMate's XML, versions 3 to 8: the spots of the tracks that pass its filters, and what it says of the movie."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd

from somanet.core.calibration import MINUTES_PER_HOUR, FileCalibration
from somanet.core.documents import parse_xml
from somanet.core.errors import SomaNetError
from somanet.core.foreign import file_bytes, parsing
from somanet.core.limits import XML_BYTES
from somanet.tracking.lineages import lineages, named, notes_on
from somanet.tracking.raw import ImageFacts, RawTracks, believed_interval, interval_of
from somanet.tracking.table_formats import HOURS, MICROMETRES, PIXELS

OWN_NAME = "track "
"""What the names of spots that SomaNet wrote begin with; the cell's id follows."""
_SAME = 1e-3
"""Relative difference up to which two intervals are one: programs round them."""
_OUTSIDE_PX = 1.0
"""How far the centre of a spot on the border may lie outside of the frame."""


def raw_trackmate(path: Path | str) -> RawTracks:
    """Read the tracks of a TrackMate file that passed its filters.

    Positions in the file are pixels times the pixel's width, whatever the unit is called; they are returned in pixels.
    Spots without a track are left out, except for single-frame cells that SomaNet wrote. Outlines of spots are not
    read.

    Raises:
        SomaNetError: not a TrackMate file; an unknown unit, or pixels that are not square; a missing or invalid spot;
            spots, but no track.
    """
    path = Path(path)
    expected = "a TrackMate XML file"
    root = parse_xml(file_bytes(path, expected, XML_BYTES), path, expected)
    model = root.find("Model")
    if root.tag != "TrackMate" or model is None or model.find("AllSpots") is None:
        raise SomaNetError(f"{path}: expected a TrackMate file with a Model and its spots, found <{root.tag}>.")
    image, width, um_per_unit = _image(root, model, path)
    try:
        spots = _spots(model)
        tracks = {
            int(track.attrib["TRACK_ID"]): [
                (int(edge.attrib["SPOT_SOURCE_ID"]), int(edge.attrib["SPOT_TARGET_ID"])) for edge in track.iter("Edge")
            ]
            for track in model.iterfind("AllTracks/Track")
        }
    except (KeyError, ValueError, OverflowError) as error:
        raise SomaNetError(f"{path}: a spot, track or edge lacks a number ({error}). Save it again.") from error
    if spots.index.has_duplicates:
        raise SomaNetError(f"{path}: two spots have the ID {spots.index[spots.index.duplicated()][0]}. Save it again.")
    linked = {spot for edges in tracks.values() for edge in edges for spot in edge}
    if model.find("FilteredTracks") is not None:
        kept = {track.get("TRACK_ID") for track in model.iterfind("FilteredTracks/TrackID")}
        tracks = {track: edges for track, edges in tracks.items() if str(track) in kept}
    names = _names(path, spots, tracks, linked)
    if len(spots) and not names:
        raise SomaNetError(
            f"{path}: found {len(spots)} spots in 0 tracks. Was the file saved before the linking step, or do the "
            "filters leave out every track? Run TrackMate to its end, and save again."
        )
    points = spots.loc[list(names)].assign(name=list(names.values()))
    _check_consistent(image, root, model, points, path)
    with parsing(path, expected):
        frames = points["frame"].to_numpy(np.int64)
        index = pd.Series(np.arange(len(points)), points.index)
        pairs = np.array([edge for edges in tracks.values() for edge in edges], np.int64).reshape(-1, 2)
        found = lineages(frames, index[pairs.ravel()].to_numpy(np.int64).reshape(-1, 2), str(path))
        shift = 1 if len(points) and points["name"].min() == 0 else 0
        ids, parents = named(found, points["name"].to_numpy(np.int64) + shift, frames)
    table = points.reset_index(drop=True).drop(columns=["label", "name", "time"])
    table = table.assign(y=table["y"] / width, x=table["x"] / width, track_id=ids, parent_id=parents)
    notes = notes_on(found)
    if loose := len(spots) - len(points):
        notes = (f"{loose} of {len(spots)} spots are in no track that passes the filters, and were left out.", *notes)
    return RawTracks(table, um_per_unit, math.nan, image, notes)


def _spots(model: ET.Element) -> pd.DataFrame:
    """Frame, position in the file's unit and name of each spot, by its id."""
    rows = [
        (
            int(spot.attrib["ID"]),
            int(float(spot.attrib["FRAME"])),
            float(spot.attrib["POSITION_Y"]),
            float(spot.attrib["POSITION_X"]),
            float(spot.get("POSITION_Z", "0")),
            float(spot.get("POSITION_T", "nan")),
            spot.get("name", ""),
        )
        for spot in model.iter("Spot")
    ]
    return pd.DataFrame(rows, columns=["id", "frame", "y", "x", "z", "time", "label"]).set_index("id")


def _names(
    path: Path, spots: pd.DataFrame, tracks: dict[int, list[tuple[int, int]]], linked: set[int]
) -> dict[int, int]:
    """Track of each spot that is in one, in the order of the tracks."""
    names: dict[int, int] = {}
    known = set(spots.index)
    for track, edges in tracks.items():
        members = {spot for edge in edges for spot in edge}
        if lost := sorted(members - known):
            raise SomaNetError(
                f"{path}: track {track} refers to the spots {lost[:5]}, which the file lacks. Save it again."
            )
        names |= dict.fromkeys(sorted(members), track)
    used = set(names.values())
    for spot, label in spots["label"].items():
        own = str(label).removeprefix(OWN_NAME)
        if own != label and own.isdecimal() and spot not in linked and int(own) not in used:
            names[int(str(spot))] = int(own)
    return names


def _hours(model: ET.Element) -> float:
    """Hours in the unit of the times; NaN for frames and unknown ones."""
    return HOURS.get(model.get("timeunits", "frame").strip().casefold(), math.nan)


def _check_consistent(image: ImageFacts, root: ET.Element, model: ET.Element, points: pd.DataFrame, path: Path) -> None:
    """Check what the file says of the movie against its spots.

    Raises:
        SomaNetError: spots after the last frame, outside of the frame, or at other times than the frame interval.
    """
    differs = []
    stated = image.scale.frame_interval_min
    times = points["time"] * _hours(model)
    spots = believed_interval(None if times.isna().any() else interval_of(points["frame"], times))
    if stated is not None and spots is not None and not math.isclose(stated, spots, rel_tol=_SAME):
        differs.append(
            f"its frames are {stated:g} min apart (timeinterval), its spots' times {spots:g} min (POSITION_T)"
        )
    if image.n_frames is not None and len(points) and (last := int(points["frame"].max())) >= image.n_frames:
        differs.append(f"it is of {image.n_frames} frames (nframes), and has spots in frame {last}, counted from 0")
    element = root.find("Settings/ImageData")
    for axis, size, pixel in (("x", "width", "pixelwidth"), ("y", "height", "pixelheight")):
        if image.shape_YX is None or element is None or not len(points):
            continue
        scale = float(element.get(pixel, "nan"))
        length = float(element.get(size, "nan"))
        furthest = float(points[axis].max()) / (scale if math.isfinite(scale) and scale > 0 else 1.0)
        if furthest > length + _OUTSIDE_PX:
            differs.append(f"its frames have a {size} of {length:g} px, and a spot is at {axis} = {furthest:.5g} px")
    if differs:
        raise SomaNetError(
            f"{path}: the file contradicts itself: {'; '.join(differs)}. Was the movie cut or its scale set after the "
            "tracks were made? Track the movie again in TrackMate, or correct the ImageData of the file."
        )


def _image(root: ET.Element, model: ET.Element, path: Path) -> tuple[ImageFacts, float, float | None]:
    """What the file says of the movie, units of its positions per unit of the result, and µm in the latter."""
    unit = model.get("spatialunits", "pixel").strip().casefold().replace("μ", "µ")
    if unit not in PIXELS and unit not in MICROMETRES:
        raise SomaNetError(f"{path}: expected positions in µm or pixels, found '{unit}'. Set the unit in Fiji.")
    element = root.find("Settings/ImageData")
    image: dict[str, str] = {} if element is None else dict(element.attrib)
    with parsing(path, "the size of the movie and of its pixels in TrackMate's ImageData"):
        width, height = (float(image.get(name, "nan")) for name in ("pixelwidth", "pixelheight"))
        interval = float(image.get("timeinterval", "nan"))
        n_frames, shape = int(image.get("nframes", "0")), (int(image.get("height", "0")), int(image.get("width", "0")))
    known = math.isfinite(width) and width > 0
    if known and math.isfinite(height) and not math.isclose(width, height, rel_tol=1e-3):
        raise SomaNetError(
            f"{path}: expected square pixels, found {width:g} × {height:g} {unit}. Set the scale in Fiji, and track "
            "again."
        )
    hours = _hours(model)
    minutes = believed_interval(interval * hours * MINUTES_PER_HOUR)
    scale = FileCalibration(
        width * MICROMETRES[unit] if known and unit not in PIXELS else None,
        None if minutes is None else float(f"{minutes:.7g}"),
    )
    has_movie = bool(image.get("filename")) and n_frames > 0 and min(shape) > 0
    um_per_unit = None if known or unit in PIXELS else MICROMETRES[unit]
    facts = ImageFacts(n_frames if has_movie else None, shape if has_movie else None, scale)
    return facts, width if known else 1.0, um_per_unit
