"""TrackMate's XML, written: the spots of every frame, and the edges of every track (Fiji, TrackMate 7)."""

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
from somanet.core.files import atomic_path
from somanet.core.schema import check_tracks
from somanet.tracking.points import edges_of
from somanet.tracking.trackmate_reading import OWN_NAME

VERSION = "7.11.1"
DEFAULT_RADIUS_UM = 10.0
_AT_ONCE = 10_000
"""Spots that are numbers of Python at the same time."""
_COMMENT = re.compile(r"(?P<indent> *)<!--(?P<name>spots|tracks|kept)-->\n")
_LEVELS = 2
"""Up to which a movie is named by a relative path, in a folder that lies deeper: that of a user, say."""
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
    n_frames: int | None = None,
    movie: Path | str | None = None,
) -> None:
    """Write tracks as a TrackMate file, in µm and h.

    A cell detected in a single frame is a spot without a track there; its id is kept in its name.

    Args:
        path: the XML file.
        tracks: ``schema.TRACKS`` columns at least; spots get the radius of ``area_um2`` if it is there.
        calibration: the physical scale.
        shape_YX: size of a frame; the smallest that contains all points if None.
        n_frames: of the movie; up to the last point if None.
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
    image |= {"nframes": n_frames or (int(rows["frame"].max()) + 1 if len(rows) else 1)}
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
                    f'  <Spot ID="{spot}" name="{OWN_NAME}{track}" QUALITY="1.0" POSITION_T="{t_h}" FRAME="{t}" '
                    f'POSITION_X="{x}" POSITION_Y="{y}" POSITION_Z="0.0" RADIUS="{radius}" VISIBILITY="1" />'
                )
        yield "</SpotsInFrame>"


def _families(rows: pd.DataFrame) -> dict[int, list[tuple[int, int]]]:
    """The edges of each track of TrackMate that has any: it is a family, whose cells are linked where they divide."""
    ids = rows["track_id"].tolist()
    edges = edges_of(rows)
    ancestor = {ids[b]: ids[a] for a, b in edges if ids[a] != ids[b]}
    of_track: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for edge in edges:
        track, passed = ids[edge[0]], []
        while track in ancestor:
            passed.append(track)
            track = ancestor[track]
        ancestor.update(dict.fromkeys(passed, track))  # else a long line of ancestors is walked for each edge
        of_track[track].append(edge)
    return of_track


def _tracks(families: Mapping[int, list[tuple[int, int]]]) -> Iterator[str]:
    for index, (track, edges) in enumerate(families.items()):
        yield f'<Track name="track {track}" TRACK_INDEX="{index}" TRACK_ID="{track}">'
        for source, target in edges:
            yield f'  <Edge SPOT_SOURCE_ID="{source}" SPOT_TARGET_ID="{target}" />'
        yield "</Track>"


def _kept(families: Mapping[int, list[tuple[int, int]]]) -> Iterator[str]:
    return (f'<TrackID TRACK_ID="{track}" />' for track in families)
