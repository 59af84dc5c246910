"""GEFF, the Graph Exchange File Format: a zarr folder of points and of the edges between them."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from somanet.core.calibration import MINUTES_PER_HOUR, Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.extras import SERVES, require
from somanet.core.files import atomic_path
from somanet.core.foreign import parsing
from somanet.core.limits import TABLE_ROWS
from somanet.core.schema import PARENT, check_tracks
from somanet.io.zarr_decoding import check_chunks
from somanet.io.zarr_metadata import check_zarr
from somanet.tracking.lineages import Lineages, lineages, named, notes_on
from somanet.tracking.points import edges_of
from somanet.tracking.raw import ImageFacts, RawTracks

_HOURS = {"second": 1 / 3600, "minute": 1 / 60, "hour": 1.0}
_MICROMETRES = {"nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3}
_DERIVED = ("frame", "t_h", "y_px", "x_px", "y_um", "x_um")


def write_geff(path: Path | str, tracks: pd.DataFrame, calibration: Calibration) -> None:
    """Write tracks as a GEFF folder.

    Nodes have ``t`` (frame), ``y`` and ``x`` (pixels), ``track_id`` and every further numeric column; the axes have the
    scale to minutes and micrometres; of frames that are uneven in time the property ``t_h`` has the hours instead. A
    displacement over missed frames is one edge.

    Args:
        path: the folder, replaced if it exists.
        tracks: ``schema.TRACKS`` columns at least.
        calibration: the physical scale.

    Raises:
        SomaNetError: the extra ``geff`` is not installed, the tracks are invalid, or the folder cannot be written.
    """
    geff = _library()
    rows = check_tracks(tracks, "The tracks")
    extra = [str(name) for name in rows.select_dtypes("number") if name not in (*_DERIVED, PARENT.name)]
    columns: dict[str, pd.Series] = {"t": rows["frame"], "y": rows["y_px"], "x": rows["x_px"]}
    columns |= {name: rows[name] for name in extra}
    properties: dict[str, Any] = {
        name: {"values": values.to_numpy(), "missing": None} for name, values in columns.items()
    }
    space = {"type": "space", "unit": "pixel", "scale": calibration.pixel_size_um, "scaled_unit": "micrometer"}
    time: dict[str, Any] = {"type": "time", "unit": "frame"}
    if calibration.times_h is None:
        time |= {"scale": calibration.frame_interval_min, "scaled_unit": "minute"}
    else:  # an axis has one interval or none
        properties["t_h"] = {"values": rows["t_h"].to_numpy(), "missing": None}
    metadata = geff.GeffMetadata(
        directed=True,
        axes=[{"name": "t", **time}, {"name": "y", **space}, {"name": "x", **space}],
        node_props_metadata={},
        edge_props_metadata={},
    )
    edges = np.array(edges_of(rows), np.uint64).reshape(-1, 2)
    with atomic_path(path) as temporary:
        geff.core_io.write_arrays(
            temporary, np.arange(len(rows), dtype=np.uint64), properties, edges, {}, metadata, zarr_format=3
        )


def raw_geff(path: Path | str) -> RawTracks:
    """Read tracks from a GEFF folder; further numeric properties of the nodes are kept.

    A cell keeps its ``track_id`` if all its nodes agree on one and no other cell has it; otherwise cells are numbered
    in the order of their first frame.

    Raises:
        SomaNetError: the extra ``geff`` is not installed; not a GEFF; it lacks one of the axes t, y and x, or has
            them in unknown units.
    """
    geff = _library()
    check_zarr(Path(path), longest_axis=TABLE_ROWS)
    with parsing(path, "a GEFF folder", remedy="Check the path, or write it again."):
        check_chunks(Path(path))
        return _read(geff.core_io.read_to_memory(str(path)), str(path))


def _read(graph: Any, path: str) -> RawTracks:
    columns = {
        name: values["values"]
        for name, values in graph["node_props"].items()
        if values["values"].ndim == 1 and values["values"].dtype.kind in "iuf" and values.get("missing") is None
    }
    axes = {axis.name: axis for axis in graph["metadata"].axes or ()}
    if not {"t", "y", "x"} <= set(axes) & set(columns):
        raise SomaNetError(f"{path}: expected a GEFF with the axes t, y, x, found {list(axes)}.")
    points = pd.DataFrame(columns)
    units = {name: str(axes[name].unit) for name in "tyx"}
    um = {_MICROMETRES.get(units[name]) for name in "yx"}
    if len(um) > 1:
        raise SomaNetError(f"{path}: expected y and x in one unit, found {units['y']} and {units['x']}.")
    hours = _HOURS.get(units["t"])
    frames = points["t"].round()
    if hours is None and not np.allclose(points["t"], frames, atol=1e-3):
        raise SomaNetError(f"{path}: its times are no whole frames, and their unit is {units['t']!r}. Write the unit.")
    order = frames if hours is None else points["t"].rank(method="dense")
    index = pd.Index(graph["node_ids"])
    edges = index.get_indexer(np.asarray(graph["edge_ids"]).ravel()).reshape(-1, 2)
    if (edges < 0).any():
        raise SomaNetError(f"{path}: an edge refers to a node that is not there. Write it again.")
    at = np.asarray(order, np.int64)
    found = lineages(at, edges, path)
    own = points.get("track_id")
    ids, parents = named(found, _names(own, found), at)
    points = points.assign(track_id=ids, parent_id=parents)
    points = points.rename(columns={"t": "frame"} if hours is None else {"t": "time"})
    if hours is None:
        points["frame"] = frames.astype("int64")
    return RawTracks(
        points.drop(columns=[name for name in _DERIVED if name in points and name != "frame"]),
        um.pop(),
        math.nan if hours is None else hours,
        ImageFacts(scale=_scale(axes)),
        notes_on(found),
    )


def _library() -> ModuleType:
    require("geff", purpose=SERVES["geff"])
    import geff
    import geff.core_io

    return geff


def _scale(axes: dict[str, Any]) -> FileCalibration:
    """The physical scale of axes in pixels and frames."""
    found = {}
    for name, units in (("y", _MICROMETRES), ("t", _HOURS)):
        axis = axes[name]
        factor = units.get(str(axis.scaled_unit))
        found[name] = None if str(axis.unit) in units or not axis.scale or factor is None else axis.scale * factor
    minutes = None if found["t"] is None else found["t"] * MINUTES_PER_HOUR
    return FileCalibration(found["y"], minutes)


def _names(own: pd.Series | None, found: Lineages) -> np.ndarray:
    """The name of every node's cell: its own, if the cells are told apart by it, or else its number."""
    if own is None:
        return found.cells + 1
    names = own.groupby(found.cells).agg(["min", "max"])
    apart = (names["min"] == names["max"]).all() and not names["min"].duplicated().any()
    return own.to_numpy(np.int64) if apart else found.cells + 1
