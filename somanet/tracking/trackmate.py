"""TrackMate's XML: the spots of every frame, and the edges of every track (Fiji, TrackMate 7)."""

from __future__ import annotations

import math
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd

from somanet.core.calibration import Calibration
from somanet.core.documents import parse_xml
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.core.foreign import file_bytes, parsing
from somanet.core.limits import XML_BYTES
from somanet.core.schema import check_tracks
from somanet.tracking.points import chains, edges_of, tracks_from_points

VERSION = "7.11.1"
DEFAULT_RADIUS_UM = 10.0
_AT_ONCE = 10_000
"""Spots that are numbers of Python at the same time."""
_COMMENT = re.compile(r"(?P<indent> *)<!--(?P<name>spots|tracks|kept)-->\n")
_LEVELS = 2
"""Up to which a movie is named by a relative path, in a folder that lies deeper: that of a user, say."""
_MICRONS = {"µm", "μm", "um", "micron", "microns", "micrometer", "\\u00b5m"}
_PIXELS = {"pixel", "pixels", "px"}
_SPOT_FEATURES = {
    "POSITION_X": "LENGTH",
    "POSITION_Y": "LENGTH",
    "POSITION_Z": "LENGTH",
    "POSITION_T": "TIME",
    "FRAME": "NONE",
    "RADIUS": "LENGTH",
    "QUALITY": "QUALITY",
    "VISIBILITY": "NONE",
}
_WHOLE = {"FRAME", "VISIBILITY", "SPOT_SOURCE_ID", "SPOT_TARGET_ID", "TRACK_ID", "TRACK_INDEX"}


def write_trackmate(
    path: Path | str,
    tracks: pd.DataFrame,
    calibration: Calibration,
    *,
    shape_YX: tuple[int, int] | None = None,
    movie: Path | str | None = None,
) -> None:
    """Write tracks as a TrackMate file, in µm and h.

    A cell detected in a single frame is a spot without a track there; its id is kept in its name.

    Args:
        path: the XML file.
        tracks: ``schema.TRACKS`` columns at least; spots get the radius of ``area_um2`` if it is there.
        calibration: the physical scale.
        shape_YX: size of a frame; the smallest that contains all points if None.
        movie: the movie that TrackMate opens behind the tracks; a black background if None. It is named as seen from
            the XML file if it lies near, else by its name alone, for which TrackMate looks beside the XML file. A full
            path would tell others the names of the user and the folders, and help nobody on another computer.

    Raises:
        SomaNetError: the tracks are invalid, or the file cannot be written.
    """
    rows = check_tracks(tracks, "The tracks")
    root = ET.Element("TrackMate", version=VERSION)
    model = _add(root, "Model", {"spatialunits": "µm", "timeunits": "h"})
    features = _add(model, "FeatureDeclarations")
    edge_features = dict.fromkeys(("SPOT_SOURCE_ID", "SPOT_TARGET_ID"), "NONE")
    track_features = dict.fromkeys(("TRACK_INDEX", "TRACK_ID"), "NONE")
    for kind, names in (("Spot", _SPOT_FEATURES), ("Edge", edge_features), ("Track", track_features)):
        group = _add(features, f"{kind}Features")
        for name, dimension in names.items():
            whole = str(name in _WHOLE).lower()
            words = {"feature": name, "name": name, "shortname": name, "dimension": dimension, "isint": whole}
            _add(group, "Feature", words)
    families = _families(rows)
    _add(model, "AllSpots", {"nspots": len(rows)}).extend([ET.Comment("spots")] if len(rows) else [])
    for tag, name in (("AllTracks", "tracks"), ("FilteredTracks", "kept")):
        _add(model, tag).extend([ET.Comment(name)] if families else [])
    height, width = shape_YX or (math.ceil(rows[name].max() + 1) if len(rows) else 1 for name in ("y_px", "x_px"))
    name = "" if movie is None else _seen_from(Path(path), Path(movie))
    image = {"filename": name, "folder": "", "width": width, "height": height, "nslices": 1}
    image |= {"nframes": int(rows["frame"].max()) + 1 if len(rows) else 1}
    image |= {"pixelwidth": calibration.pixel_size_um, "pixelheight": calibration.pixel_size_um, "voxeldepth": 1.0}
    image |= {"timeinterval": calibration.frame_interval_h}
    settings = _add(root, "Settings")
    _add(settings, "ImageData", image)
    # TrackMate does not open a file without these elements, although they are empty.
    _add(settings, "InitialSpotFilter", {"feature": "QUALITY", "value": 0.0, "isabove": "true"})
    _add(settings, "SpotFilterCollection")
    _add(settings, "TrackFilterCollection")
    ET.indent(root)
    # A tree of all spots would take 2 kB for each, so that they are written one by one in place of the comments.
    parts = {"spots": _spots(rows), "tracks": _tracks(families), "kept": _kept(families)}
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write("<?xml version='1.0' encoding='UTF-8'?>\n")
        for line in ET.tostring(root, encoding="unicode").splitlines(keepends=True):
            mark = _COMMENT.fullmatch(line)
            if mark is None:
                file.write(line)
            else:
                file.writelines(f"{mark['indent']}{element}\n" for element in parts[mark["name"]])


def _seen_from(file: Path, movie: Path) -> str:
    """The movie's path relative to the file's folder, if both lie in one folder of a user at most two levels up."""
    relative = Path(os.path.relpath(movie.resolve(), file.resolve().parent))
    up = relative.parts.count("..")
    shared = file.resolve().parents[up] if up < len(file.resolve().parents) else Path("/")
    return relative.as_posix() if up <= _LEVELS and len(shared.parts) > _LEVELS else movie.name


def _add(parent: ET.Element, tag: str, words: Mapping[str, object] | None = None) -> ET.Element:
    return ET.SubElement(parent, tag, {name: str(value) for name, value in (words or {}).items()})


def _spots(rows: pd.DataFrame) -> Iterator[str]:
    """The elements of all spots, by frame; a spot's id is the position of its row."""
    radii = (rows["area_um2"] / math.pi) ** 0.5 if "area_um2" in rows else pd.Series(DEFAULT_RADIUS_UM, rows.index)
    columns = [series.to_numpy() for series in (rows["track_id"], rows["t_h"], rows["y_um"], rows["x_um"], radii)]
    frames = rows["frame"].to_numpy()
    order = np.argsort(frames, kind="stable")
    starts = np.flatnonzero(np.diff(frames[order], prepend=-1))
    for spots in np.split(order, starts[1:]) if len(order) else ():
        t = int(frames[spots[0]])
        yield f'<SpotsInFrame frame="{t}">'
        for first in range(0, len(spots), _AT_ONCE):
            some = spots[first : first + _AT_ONCE]
            values = (column[some].tolist() for column in columns)
            for spot, track, t_h, y, x, radius in zip(some.tolist(), *values, strict=True):
                yield (
                    f'  <Spot ID="{spot}" name="track {track}" QUALITY="1.0" POSITION_T="{t_h}" FRAME="{t}" '
                    f'POSITION_X="{x}" POSITION_Y="{y}" POSITION_Z="0.0" RADIUS="{radius}" VISIBILITY="1" />'
                )
        yield "</SpotsInFrame>"


def _families(rows: pd.DataFrame) -> dict[int, list[tuple[int, int]]]:
    """The edges of each track that has any."""
    ids = rows["track_id"].tolist()
    of_track: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for edge in edges_of(rows):
        of_track[ids[edge[0]]].append(edge)
    return of_track


def _tracks(families: Mapping[int, list[tuple[int, int]]]) -> Iterator[str]:
    for index, (track, edges) in enumerate(families.items()):
        yield f'<Track name="track {track}" TRACK_INDEX="{index}" TRACK_ID="{track}">'
        for source, target in edges:
            yield f'  <Edge SPOT_SOURCE_ID="{source}" SPOT_TARGET_ID="{target}" />'
        yield "</Track>"


def _kept(families: Mapping[int, list[tuple[int, int]]]) -> Iterator[str]:
    return (f'<TrackID TRACK_ID="{track}" />' for track in families)


def read_trackmate(path: Path | str, calibration: Calibration) -> pd.DataFrame:
    """Read the tracks of a TrackMate file that passed its filters.

    Spots without a track are dropped, except for single-frame cells written by :func:`write_trackmate`.

    Args:
        path: the XML file, with positions in µm or pixels.
        calibration: the physical scale.

    Raises:
        SomaNetError: not a TrackMate file; another unit or pixel size; a missing or invalid spot; a cell that divides.
    """
    path = Path(path)
    expected = "a TrackMate XML file"
    root = parse_xml(file_bytes(path, expected, XML_BYTES), path, expected)
    model = root.find("Model")
    if root.tag != "TrackMate" or model is None or model.find("AllSpots") is None:
        raise SomaNetError(f"{path}: expected a TrackMate file with a Model and its spots, found <{root.tag}>.")
    scale = _um_per_unit(root, model, calibration, path)
    try:
        spots = {
            int(spot.attrib["ID"]): (
                int(float(spot.attrib["FRAME"])),
                float(spot.attrib["POSITION_Y"]) / scale,
                float(spot.attrib["POSITION_X"]) / scale,
                spot.get("name", ""),
            )
            for spot in model.iter("Spot")
        }
        tracks = {
            int(track.attrib["TRACK_ID"]): [
                (int(edge.attrib["SPOT_SOURCE_ID"]), int(edge.attrib["SPOT_TARGET_ID"])) for edge in track.iter("Edge")
            ]
            for track in model.iterfind("AllTracks/Track")
        }
    except (KeyError, ValueError, OverflowError) as error:
        raise SomaNetError(f"{path}: a spot, track or edge lacks a number ({error}). Save it again.") from error
    if model.find("FilteredTracks") is not None:
        kept = {track.get("TRACK_ID") for track in model.iterfind("FilteredTracks/TrackID")}
        tracks = {track: edges for track, edges in tracks.items() if str(track) in kept}
    points = [
        (track, *spots[spot][:3]) for track, edges in tracks.items() for spot in _chain(track, edges, spots, path)
    ]
    used = {track for track, *_ in points}
    linked = {spot for track in model.iterfind("AllTracks/Track") for edge in track for spot in edge.attrib.values()}
    for spot, (frame, y, x, name) in spots.items():
        own = name.removeprefix("track ")
        if own != name and own.isdecimal() and str(spot) not in linked and int(own) not in used:
            points.append((int(own), frame, y, x))
    table = pd.DataFrame(points, columns=["track_id", "frame", "y_px", "x_px"])
    return tracks_from_points(table, calibration, str(path))


def _chain(
    track: int, edges: list[tuple[int, int]], spots: dict[int, tuple[int, float, float, str]], path: Path
) -> list[int]:
    ids = sorted({spot for edge in edges for spot in edge})
    if lost := [spot for spot in ids if spot not in spots]:
        raise SomaNetError(
            f"{path}: track {track} refers to the spots {lost[:5]}, which the file lacks. Save it again."
        )
    index = {spot: i for i, spot in enumerate(ids)}
    pairs = [(index[a], index[b]) for a, b in edges]
    found = chains(len(ids), pairs, [spots[spot][0] for spot in ids], f"{path}, track {track}")
    return [ids[i] for chain in found for i in chain]


def _um_per_unit(root: ET.Element, model: ET.Element, calibration: Calibration, path: Path) -> float:
    """Units of the file's positions per pixel."""
    unit = model.get("spatialunits", "pixel").lower()
    if unit in _PIXELS:
        return 1.0
    image = root.find("Settings/ImageData")
    with parsing(path, "the width of a pixel in TrackMate's ImageData"):
        width = float(image.get("pixelwidth", "nan")) if image is not None else math.nan
    if unit not in _MICRONS:
        raise SomaNetError(f"{path}: expected positions in µm or pixels, found '{unit}'. Set the unit in Fiji.")
    if math.isfinite(width) and not math.isclose(width, calibration.pixel_size_um, rel_tol=1e-4):
        raise SomaNetError(
            f"{path}: its pixels are {width} µm wide, the movie's {calibration.pixel_size_um}. Is it for another movie?"
        )
    return calibration.pixel_size_um
