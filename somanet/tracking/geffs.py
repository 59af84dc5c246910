"""GEFF, the Graph Exchange File Format: a zarr folder of points and of the edges between them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.core.foreign import parsing
from somanet.core.limits import TABLE_ROWS
from somanet.core.schema import check_tracks
from somanet.io.zarr_metadata import check_zarr
from somanet.tracking.points import chains, edges_of, tracks_from_points

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
    extra = [str(name) for name in rows.select_dtypes("number") if name not in _DERIVED]
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


def read_geff(path: Path | str, calibration: Calibration) -> pd.DataFrame:
    """Read tracks from a GEFF folder; further numeric properties of the nodes are kept.

    Each chain of edges is a cell. It keeps its ``track_id`` if all its nodes agree on one and no other chain has it;
    otherwise cells are numbered in the order of their first frame.

    Args:
        path: the folder.
        calibration: the physical scale, for axes that are not in pixels and frames, and for the table.

    Raises:
        SomaNetError: the extra ``geff`` is not installed; not a GEFF; axes other than t, y, x; a cell that divides.
    """
    geff = _library()
    check_zarr(Path(path), longest_axis=TABLE_ROWS)
    with parsing(path, "a GEFF folder", remedy="Check the path, or write it again."):
        return _read(geff.core_io.read_to_memory(str(path)), calibration, str(path))


def _read(graph: Any, calibration: Calibration, path: str) -> pd.DataFrame:
    columns = {
        name: values["values"]
        for name, values in graph["node_props"].items()
        if values["values"].ndim == 1 and values["values"].dtype.kind in "iuf" and values.get("missing") is None
    }
    points = pd.DataFrame(columns)
    for column, name, scale, unit in _axes(graph["metadata"], columns, calibration, path):
        points[column] = points.pop(name) * scale / unit
    frames = points["frame"].round()
    if not np.allclose(points["frame"], frames, atol=1e-3):
        raise SomaNetError(
            f"{path}: its times are not multiples of the frame interval of {calibration.frame_interval_min} min. Check "
            "the interval."
        )
    points["frame"] = frames.astype("int64")
    index = {node: i for i, node in enumerate(graph["node_ids"].tolist())}
    edges = [(index[a], index[b]) for a, b in graph["edge_ids"].tolist()]
    cells = chains(len(points), edges, points["frame"].tolist(), path)
    points["track_id"] = _names(points, cells)
    return tracks_from_points(points, calibration, path)


def _library() -> ModuleType:
    try:
        import geff
        import geff.core_io
    except ImportError as error:
        raise SomaNetError("GEFF needs the library geff, which is missing: pip install 'somanet[geff]'.") from error
    return geff


def _axes(
    metadata: Any, columns: dict[str, Any], calibration: Calibration, source: str
) -> list[tuple[str, str, float, float]]:
    """(our column, its property, unit in h or µm, h or µm per frame or pixel) of time, row and column."""
    axes = {axis.name: axis.unit for axis in metadata.axes or ()}
    if not {"t", "y", "x"} <= set(axes) & set(columns) or "z" in axes:
        raise SomaNetError(f"{source}: expected a GEFF with the axes t, y, x, found {list(axes)}.")
    found = []
    wanted = (
        ("frame", "t", _HOURS, calibration.frame_interval_h),
        ("y_px", "y", _MICROMETRES, calibration.pixel_size_um),
        ("x_px", "x", _MICROMETRES, calibration.pixel_size_um),
    )
    for column, name, units, per in wanted:
        physical = units.get(str(axes[name]))
        found.append((column, name, 1.0, 1.0) if physical is None else (column, name, physical, per))
    return found


def _names(points: pd.DataFrame, cells: list[list[int]]) -> np.ndarray:
    """The identity of every node."""
    ids = np.empty(len(points), np.int64)
    own = [set(points["track_id"].iloc[cell]) if "track_id" in points else set() for cell in cells]
    names = [next(iter(name)) for name in own if len(name) == 1]
    if len(set(names)) < len(cells):
        order = sorted(range(len(cells)), key=lambda k: (points["frame"].iloc[cells[k][0]], cells[k][0]))
        names = [order.index(k) + 1 for k in range(len(cells))]
    for cell, name in zip(cells, names, strict=True):
        ids[cell] = name
    return ids
