"""From a table of a known format to tracks: numbers, units, points without a track, and lineages."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import MINUTES_PER_HOUR, FileCalibration
from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.core.schema import LARGEST_ID, PARENT
from somanet.io.sheets import Head, Sheet, text_sheet
from somanet.tracking.lineages import Lineages, lineages, named, notes_on
from somanet.tracking.raw import (
    ImageFacts,
    RawTracks,
    believed_interval,
    interval_of,
    is_default_time,
    notes_on_first_frame,
)
from somanet.tracking.real_times import frame_clock
from somanet.tracking.table_cells import TableCells, note_on_names, number_names, table_cells
from somanet.tracking.table_checks import check_one_movie, length_unit, time_unit_h
from somanet.tracking.table_formats import CMSO, CMSO_LINKS, TableFormat
from somanet.tracking.table_matching import find_format

_SURE = 0.5
"""Probability from which on an identity is rather right than wrong."""
NO_PLACES = (
    "The file has displacements, and no positions: each family of cells begins at 0. Speeds and directions are right; "
    "distances between cells, and where they are, mean nothing."
)


def raw_tracks(
    sheet: Sheet, head: Head, one: TableFormat, position_unit: str | None = None, time_unit: str | None = None
) -> RawTracks:
    """The tracks of a table.

    Args:
        sheet, head, one: the table, its header and its format, from
            :func:`somanet.tracking.table_matching.find_format`.
        position_unit, time_unit: what the user says of them: as in :class:`somanet.tracking.raw.Given`. They count
            before the program's usual units.

    Raises:
        SomaNetError: a cell that is no number, named with its line; points, but none in a track; several units, or
            others than the user says; several movies.
    """
    reader = table_cells(sheet, head, one, time_unit)
    _with_other_tracks(reader)
    check_one_movie(reader, one)
    notes: list[str] = []
    um_per_unit, hours = length_unit(reader, one, position_unit), time_unit_h(reader, one, time_unit)
    _without_empty_links(reader)
    points, names = _points(reader, one, notes)
    if "time" in points and "frame" in points and is_default_time(points["frame"], points["time"] * hours):
        points = points.drop(columns="time")
    points, found = _with_lineages(points, reader, sheet.where)
    if found is not None:
        notes += notes_on(found)
    if "step_y" in reader:
        notes.insert(0, NO_PLACES)
    if names is not None and len(names):
        notes.append(note_on_names(names))
    notes += _notes_on_probability(reader, one, points)
    if "frame" in points and one.first_frame == 0:
        notes += notes_on_first_frame(points["frame"])
    return RawTracks(
        points.drop(columns=["x_um", "y_um", "node"], errors="ignore").reset_index(drop=True),
        um_per_unit,
        hours,
        ImageFacts(scale=_scale(points, hours)),
        tuple(notes),
        relative="step_y" in reader,
    )


def _notes_on_probability(reader: TableCells, one: TableFormat, points: pd.DataFrame) -> list[str]:
    """What the table says of how sure its program is of the identities, if it is one that says so."""
    program = one.program.split(",")[0]
    if "probability" not in one.optional:
        return []
    if "probability" not in reader:
        return [f"The table has no column probability: how sure {program} is of each identity is not known."]
    sure = reader.loose_numbers(reader.texts("probability").astype(str).str.strip())[points.index]
    if n_unsure := int((~(sure >= _SURE)).sum()):
        return [
            f"{program} is unsure whose {n_unsure} of {len(points)} points are (probability below {_SURE:g}, or none)."
        ]
    return []


def _with_other_tracks(reader: TableCells) -> None:
    """Go by the program's other ids of tracks, if no point has one of the first kind: no lineages were made."""
    if "other_track" in reader and not (reader.loose_numbers(reader.texts("track").str.strip()) >= 0).any():
        reader.columns["track"] = reader.columns["other_track"]
        reader.columns.pop("parent_track", None)


def _without_empty_links(reader: TableCells) -> None:
    """Go by the ids of tracks, if no point of a table names another one of it as its parent."""
    if {"node", "parent_node", "track"} <= set(reader.columns) and "step_y" not in reader:
        nodes, parents = reader.keys("node"), reader.keys("parent_node")
        if not nodes.duplicated().any() and not (parents.isin(nodes) & (parents != nodes)).any():
            del reader.columns["node"], reader.columns["parent_node"]


def raw_package(objects: Sheet, head: Head, time_unit: str | None = None) -> RawTracks:
    """The tracks of a CMSO package: points in one file, and in `links.csv` beside it the points of each link in turn.

    Raises:
        SomaNetError: as for :func:`raw_tracks`; also another table in place of the links.
    """
    reader = table_cells(objects, head, CMSO)
    time_unit_h(reader, CMSO, time_unit)
    points, _ = _points(reader, CMSO, [])
    found = find_format([text_sheet(objects.path.with_name("links.csv"), "a table of links")], [CMSO_LINKS])
    if found is None:
        raise SomaNetError(
            f"{objects.path.with_name('links.csv')}: expected cmso_link_id and cmso_object_id. Export it again."
        )
    links = table_cells(*found)
    nodes = pd.Index(reader.keys("node")[points.index])
    members = pd.DataFrame({"link": links.keys("track"), "node": nodes.get_indexer(links.keys("node"))})
    points = points.reset_index(drop=True)
    frames = points["frame"].to_numpy(np.int64)
    members = members[members["node"] >= 0].assign(frame=lambda rows: frames[rows["node"]])
    members = members.sort_values(["link", "frame"], kind="stable")
    follows = (members["link"] == members["link"].shift()).to_numpy()
    edges = np.column_stack([members["node"].shift(fill_value=0), members["node"]])[follows]
    cells = lineages(frames, edges, objects.where)
    ids, parents = named(cells, cells.cells + 1, frames)
    points = points.assign(track_id=ids, parent_id=parents)
    return RawTracks(points, math.nan, notes=notes_on(cells))


def _points(reader: TableCells, one: TableFormat, notes: list[str]) -> tuple[pd.DataFrame, list[str] | None]:
    """The points that belong to a track, and the names of the tracks if they are no numbers."""
    keep = pd.Series(True, reader.cells.index)
    names: list[str] | None = None
    track = pd.Series(0.0, reader.cells.index)
    if "track" in reader:
        track, names = _tracks(reader)
        keep &= track.notna() & (track >= (one.first_track if names is None else 0))
    if "dummy" in reader:
        texts = reader.texts("dummy").astype(str).str.strip().str.casefold()
        dummy = texts.isin(["1", "1.0", "true", "yes"])
        if n_dummies := int((keep & dummy).sum()):
            notes.append(f"{one.program} saw no cell at {counted(n_dummies, 'point')}, left out as gaps.")
        keep &= ~dummy
    roles = [role for role in ("y", "x", "z", "y_um", "x_um", "step_y", "step_x", "time") if role in reader]
    points = pd.DataFrame({role: reader.numbers(role, rows=keep) for role in roles})
    if "cluster" in reader:
        unmeasured = (points[["y", "x"]] == 0).all(axis=1) & (reader.numbers("cluster", rows=keep) > 0)
        if n_unmeasured := int(unmeasured.sum()):
            points_there = counted(n_unmeasured, "point")
            notes.append(f"{points_there} at 0, 0, which {one.program} cut out of a cluster: left out as gaps.")
        points = points[~unmeasured]
    if one.gaps_empty and len(points):
        points = points[points[["y", "x"]].notna().any(axis=1)]
    elif (loose := int((~keep).sum())) and "dummy" not in reader:
        notes.append(f"{loose} of {len(keep)} points belong to no track and were left out.")
    keep = pd.Series(keep.index.isin(points.index), keep.index)
    if len(reader.cells) and not len(points):
        raise SomaNetError(
            f"{reader.sheet.where}: found {len(reader.cells)} points, but none that belongs to a track. Was the "
            "linking step run before the table was exported? Run it, and export again."
        )
    if "frame" in reader:
        points["frame"] = (
            _complete(reader, "frame", reader.whole("frame", rows=keep)).astype(np.int64) - one.first_frame
        )
    elif (unknown := ~np.isfinite(points["time"])).any():
        line = points.index[unknown][0]
        reader.refuse("time", line, reader.texts("time")[line], "a time")
    if (points.get("frame", pd.Series([0])) < 0).any():
        raise SomaNetError(
            f"{reader.sheet.where}: expected frames from {one.first_frame}, as {one.program} counts them, found "
            f"{int(points['frame'].min()) + one.first_frame}. Were the frames numbered anew?"
        )
    points["track_id"] = track[points.index].astype(np.int64)
    if "parent_track" in reader and "node" not in reader:
        points[PARENT.name] = _parents(reader, points, names)
    return points, names


def _complete(reader: TableCells, role: str, numbers: pd.Series) -> pd.Series:
    if numbers.isna().any():
        reader.refuse(role, numbers.index[numbers.isna()][0], "", "a whole number")
    return numbers


def _tracks(reader: TableCells) -> tuple[pd.Series, list[str] | None]:
    """The id of the track of each point, NaN where there is none; and the names if ids are given anew."""
    parts = [reader.texts("track", i) for i in range(len(reader.columns["track"]))]
    if len(parts) == 1 and parts[0].dtype.kind in "iuf":
        numbers = reader.whole("track")
        if (numbers > LARGEST_ID).any():
            large = numbers[numbers > LARGEST_ID]
            reader.refuse("track", large.index[0], large.iloc[0], f"a whole number up to {LARGEST_ID}")
        return numbers, None
    if len(parts) > 1:
        texts = reader.keys("track")
        single = [part.nunique() == 1 for part in parts[:-1]]
        if all(single):  # one assembly and one cluster: the track's own number is enough
            return parts[-1].astype(float), None
        codes, names = pd.factorize(texts)
        return pd.Series(codes + 1.0, texts.index), list(names)
    texts = parts[0].str.strip()
    return number_names(texts, reader.loose_numbers(texts))


def _parents(reader: TableCells, points: pd.DataFrame, names: list[str] | None) -> pd.Series:
    """The mother of each point's cell, where it is another cell of the table, and named at any of its points."""
    texts = reader.texts("parent_track").loc[points.index].astype(str).str.strip()
    number = {name: float(i) for i, name in enumerate(names or (), start=1)}
    parents = reader.loose_numbers(texts) if names is None else texts.map(number)
    known: pd.Series = parents.where(parents.isin(points["track_id"]) & (parents != points["track_id"]))
    return known.groupby(points["track_id"]).transform("first").astype("Int64")


def _with_lineages(points: pd.DataFrame, reader: TableCells, where: str) -> tuple[pd.DataFrame, Lineages | None]:
    """The points as cells by the links between them, if the table has such."""
    if "node" not in reader or "parent_node" not in reader:
        if PARENT.name not in points:
            return points, None
        born = points.dropna(subset=[PARENT.name]).drop_duplicates("track_id")[PARENT.name]
        return points, Lineages(np.empty(0, np.int64), born.to_numpy(np.int64), 0)
    nodes, before = reader.keys("node")[points.index], reader.keys("parent_node")[points.index]
    again = nodes.duplicated() & ~points.assign(node=nodes).duplicated()
    if again.any():
        line, node = again.index[again][0], nodes[again].iloc[0]
        raise SomaNetError(f"{where}, line {line}: the point {node} is there twice. Remove one of them.")
    numbers, unique = pd.factorize(nodes)
    source = pd.Index(unique).get_indexer(before)
    edges = np.column_stack([source, numbers])[source >= 0]
    points = points[~nodes.duplicated().to_numpy()].reset_index(drop=True)
    frames = points["frame"].to_numpy(np.int64)
    found = lineages(frames, edges, where)
    shift = 1 if len(points) and points["track_id"].min() == 0 else 0
    names = points["track_id"].to_numpy(np.int64) + shift if "track" in reader else found.cells + 1
    ids, parents = named(found, names, frames)
    if "step_y" in points:
        points = _summed(points, edges)
    return points.assign(track_id=ids, parent_id=parents), found


def _summed(points: pd.DataFrame, edges: NDArray[np.int64]) -> pd.DataFrame:
    """Positions by the sum of the displacements since the first point of each family."""
    yx, steps = np.zeros((len(points), 2)), points[["step_y", "step_x"]].to_numpy(float)
    frames = points["frame"].to_numpy()[edges[:, 1]]
    for frame in np.unique(frames):
        source, target = edges[frames == frame].T
        yx[target] = yx[source] + steps[target]
    return points.drop(columns=["step_y", "step_x"]).assign(y=yx[:, 0], x=yx[:, 1])


def _scale(points: pd.DataFrame, hours: float) -> FileCalibration:
    """The scale that follows from positions in both units, and from frames and times."""
    scale = FileCalibration()
    if {"x_um", "y_um"} <= set(points):
        ratios = pd.concat([points["x_um"] / points["x"], points["y_um"] / points["y"]])
        pixel = float(ratios[np.isfinite(ratios) & (ratios > 0)].median())
        if math.isfinite(pixel):
            scale = replace(scale, pixel_size_um=float(f"{pixel:.7g}"))
    if math.isnan(hours) or "time" not in points:
        return scale
    if "frame" not in points:
        clock = frame_clock(points["time"].dropna().to_numpy(float) * hours)
        interval = None if clock is None else float(f"{clock.interval_h * MINUTES_PER_HOUR:.7g}")
        scale = replace(scale, frame_interval_min=believed_interval(interval))
    else:
        scale = replace(
            scale, frame_interval_min=believed_interval(interval_of(points["frame"], points["time"] * hours))
        )
    return scale
