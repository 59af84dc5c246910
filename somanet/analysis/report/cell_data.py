"""Cells, their paths and their saltations as numbers for the page's script."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.analysis.report.content import saltating_frames
from somanet.core.errors import SomaNetError
from somanet.core.schema import Column
from somanet.migration.cells import Migration
from somanet.migration.tables import CELL_NUMBERS

PLACE_UNITS_PER_PX = 10
SPEED_UNITS_PER_UM_PER_H = 10
DIGITS = 5
FOUND = Column(
    "n_found",
    "int64",
    "",
    "saltations found, the rows of saltations.csv; those whose start is observed make its frequency",
)
"""The column of the page's table of cells that `migration.csv` lacks."""

Ints = NDArray[np.int64]


def short(value: float, *, digits: int = DIGITS) -> float | int | None:
    """A number with ``digits`` significant digits; None for NaN, which JSON lacks."""
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() else rounded


def shorts(values: Iterable[float]) -> list[float | int | None]:
    """See :func:`short`."""
    return [short(float(value)) for value in values]


def cells_data(tracks: pd.DataFrame, migration: Migration) -> dict[str, Any]:
    """Everything about cells.

    Returns:
        ``numbers``: each column of :data:`somanet.migration.tables.CELL_NUMBERS` as a list, one entry per cell, and
        :data:`FOUND`.
        ``area_um2``: median soma area per cell, if the tracks have it.
        ``paths``: per cell, in the same order: ``runs`` of frames ``[first, count]``, positions ``y`` and ``x`` in
        tenths of a pixel, each minus the previous one, and ``v``, the speed of each step in tenths of µm/h, None across
        gaps. ``saltations``: ``[cell, first frame, last frame, µm, µm/h, °, censored]``, cell counted from 0.
        ``shifts``: ``[frame, y, x]`` in µm, stage drift subtracted from the positions.
    """
    cells = migration.cells
    index = {int(track): i for i, track in enumerate(cells["track_id"])}
    ordered = tracks.sort_values(["track_id", "frame"], kind="stable")
    if list(index) != sorted(tracks["track_id"].unique()) or len(tracks) != cells["n_frames"].sum():
        raise SomaNetError("The measures do not belong to the report's tracks. Measure these tracks again.")
    data: dict[str, Any] = {
        "numbers": {column.name: shorts(cells[column.name].to_numpy(float)) for column in CELL_NUMBERS.columns},
        "paths": _paths(ordered, migration),
        "saltations": _saltations(ordered, migration, index),
        "shifts": _shifts(ordered, migration),
    }
    of_cells = [saltation[0] for saltation in data["saltations"]]
    data["numbers"][FOUND.name] = np.bincount(np.array(of_cells, np.int64), minlength=len(index)).tolist()
    if "area_um2" in tracks:
        data["area_um2"] = shorts(ordered.groupby("track_id")["area_um2"].median().to_numpy(float))
    return data


def _paths(ordered: pd.DataFrame, migration: Migration) -> list[dict[str, Any]]:
    steps = migration.steps
    speed = np.rint(steps.speed_um_per_h * SPEED_UNITS_PER_UM_PER_H).astype(np.int64)
    first_step = np.searchsorted(steps.track_id, np.unique(ordered["track_id"]), side="left")
    paths = []
    for start, (_, rows) in zip(first_step, ordered.groupby("track_id", sort=True), strict=True):
        own = slice(int(start), int(start) + len(rows) - 1)
        places = np.rint(rows[["y_px", "x_px"]].to_numpy(float) * PLACE_UNITS_PER_PX).astype(np.int64)
        moves = np.diff(places, axis=0, prepend=np.zeros((1, 2), np.int64))
        paths.append(
            {
                "runs": _runs(rows["frame"].to_numpy(np.int64)),
                "y": moves[:, 0].tolist(),
                "x": moves[:, 1].tolist(),
                "v": [None if gap else int(v) for gap, v in zip(steps.gap[own], speed[own], strict=True)],
            }
        )
    return paths


def _shifts(ordered: pd.DataFrame, migration: Migration) -> list[list[Any]]:
    """The drift that was removed: positions in the table minus those of the steps."""
    steps = migration.steps
    track = ordered["track_id"].to_numpy(np.int64)
    first = np.flatnonzero(track[1:] == track[:-1])
    columns = ["frame", "y_um", "x_um"]
    seen = pd.concat([ordered.iloc[first][columns], ordered.iloc[first + 1][columns]])
    removed_um = seen[["y_um", "x_um"]].to_numpy(float) - np.concatenate([steps.start_yx_um, steps.end_yx_um])
    by_frame = pd.DataFrame(removed_um, columns=["y", "x"]).groupby(seen["frame"].to_numpy(np.int64)).mean()
    return [[int(frame), *shorts(shift)] for frame, shift in zip(by_frame.index, by_frame.to_numpy(), strict=True)]


def _runs(frames: Ints) -> list[list[int]]:
    """Sorted integers as ``[first, count]`` of each run without a gap."""
    breaks = np.flatnonzero(np.diff(frames) > 1) + 1
    return [[int(run[0]), len(run)] for run in np.split(frames, breaks)]


def _saltations(ordered: pd.DataFrame, migration: Migration, index: dict[int, int]) -> list[list[Any]]:
    events = migration.saltations.events
    frames = saltating_frames(events, ordered)
    rows = zip(
        events["track_id"],
        frames["first_frame"],
        frames["last_frame"],
        events["length_um"],
        events["speed_um_per_h"],
        events["direction_deg"],
        events["censored"],
        strict=True,
    )
    return [
        [index[int(track)], int(first), int(last), *shorts((length, speed, direction)), str(censored)]
        for track, first, last, length, speed, direction, censored in rows
    ]
