"""The true processes of a simulated movie, for scores of what is traced in it.

The simulation draws from streams of chance that its seed decides, so the cells of a movie are drawn again here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.schema import Column, Schema
from somanet.simulation.cells import Cell, random_cells
from somanet.simulation.motion import stage_drift
from somanet.simulation.neurons import SimulatedMovie
from somanet.simulation.processes import ProcessLook

Floats = NDArray[np.float64]

TRUE_PROCESSES = Schema(
    "true processes",
    (
        Column("track_id", "int64", "", "the cell"),
        Column("frame", "int64", "", "frame number from 0"),
        Column("role", "string", "", "leading | trailing"),
        Column("length_um", "float64", "µm", "along the process, from the soma's outline to the growth cone"),
        Column("direction_deg", "float64", "°", "from the soma's centre to the growth cone: 0 = right, 90 = down"),
        Column("tip_y_px", "float64", "px", "row where the growth cone begins"),
        Column("tip_x_px", "float64", "px", "column where it begins"),
        Column("in_view", "int64", "", "1 if all of it lies in the frame"),
    ),
)
_FINE = 20
"""Points between two of a line's, to find where it leaves the soma's mask."""


def true_processes(movie: SimulatedMovie, seed: int) -> tuple[pd.DataFrame, list[Floats]]:
    """The processes of every cell that has a mask, in every frame.

    Args:
        movie: of :func:`somanet.simulation.simulate_movie`.
        seed: that it was made with.

    Returns:
        :data:`TRUE_PROCESSES`, and the (N, 2) line in px of each row.
    """
    t_h = movie.calibration.hours(np.arange(len(movie.frames_TYX)))
    pixel_um, shape = movie.calibration.pixel_size_um, np.array(movie.frames_TYX.shape[1:])
    # As simulate_movie does; a test compares the places of all cells.
    for_drift, for_cells, *_ = np.random.SeedSequence(seed).spawn(4)
    drift = stage_drift(np.random.default_rng(for_drift), t_h, um_per_h=movie.settings.drift_um_per_h)
    extent = shape.astype(float) * pixel_um
    cells = random_cells(for_cells, t_h, extent_yx_um=extent, drift_yx_um=drift, settings=movie.settings)
    rows: list[dict[str, object]] = []
    lines = []
    for track, points in movie.tracks.groupby("track_id"):
        first = points.iloc[0]
        place = first[["y_um", "x_um"]].to_numpy(float)
        away = [np.hypot(*(cell.centre_yx_um[int(first["frame"])] - place)) for cell in cells]
        cell = cells[int(np.argmin(away))]
        for t, y, x in points[["frame", "y_px", "x_px"]].itertuples(index=False):
            inside = movie.labels_TYX[int(t)] == track
            for role, look in zip(("leading", "trailing"), cell.processes, strict=False):
                line = stem_of(cell, look, int(t), pixel_um)
                lines.append(line)
                rows.append(
                    {
                        "track_id": track,
                        "frame": int(t),
                        "role": role,
                        "length_um": _outside_px(line, inside) * pixel_um,
                        "direction_deg": np.degrees(np.arctan2(line[-1, 0] - y, line[-1, 1] - x)),
                        "tip_y_px": line[-1, 0],
                        "tip_x_px": line[-1, 1],
                        "in_view": int(((line >= 0) & (line <= shape - 1)).all()),
                    }
                )
    return TRUE_PROCESSES.frame(rows), lines


def stem_of(cell: Cell, look: ProcessLook, t: int, pixel_size_um: float) -> Floats:
    """(17, 2) the line of a process in px, from the soma to the growth cone.

    The formula is that of :func:`somanet.simulation.processes.draw_process`, which draws it; a test finds the light
    where this line is.
    """
    heading = float(cell.heading_rad[t])
    angle = heading + look.direction_rad
    ahead, aside = (np.array([np.sin(a), np.cos(a)]) for a in (angle, angle + np.pi / 2))
    base = cell.centre_yx_um[t] + cell.nucleus_lag_um[t] * np.array([np.sin(heading), np.cos(heading)])
    length = look.length_um * float(cell.length_factor[t])
    s = np.linspace(0.0, 1.0, 17)[:, None]
    waves = sum(a * np.sin(2 * np.pi * k * s + phase) for k, (a, phase) in enumerate(look.waves, start=1))
    sideways = length * (look.bend + float(cell.bend_change[t])) * s**2 * (1.5 - s) + s * waves
    return np.asarray(base + (0.85 * cell.radius_um[t] + length * s) * ahead + sideways * aside) / pixel_size_um


def _outside_px(line: Floats, inside_YX: NDArray[np.bool_]) -> float:
    """The length of a line from where it last leaves a mask."""
    at = np.arange(len(line))
    fine = np.linspace(0, len(line) - 1, _FINE * (len(line) - 1) + 1)
    points = np.stack([np.interp(fine, at, line[:, axis]) for axis in (0, 1)], axis=1)
    y, x = np.rint(points).astype(int).T
    within = (y >= 0) & (x >= 0) & (y < inside_YX.shape[0]) & (x < inside_YX.shape[1])
    covered = np.zeros(len(points), bool)
    covered[within] = inside_YX[y[within], x[within]]
    start = int(np.flatnonzero(covered).max()) + 1 if covered.any() else 0
    return float(np.hypot(*np.diff(points[start:], axis=0).T).sum())
