"""A small movie with known results: one cell rests, one jumps once, one is visible briefly."""

from __future__ import annotations

import numpy as np
import pandas as pd

from somanet.analysis.report import ReportInput
from somanet.core.calibration import Calibration
from somanet.core.schema import TRACKS
from somanet.migration.measures import measure_movie

N_FRAMES, ROWS, COLUMNS = 30, 48, 80
CALIBRATION = Calibration(pixel_size_um=2.0, frame_interval_min=10.0)
RESTING, JUMPING, BRIEF = 1, 2, 7
JUMP = (8, 11)
"""Frames: three steps of 8 px are 48 µm in half an hour, 96 µm/h."""
SIDE_PX = 5
SIGMA_UM = 0.5


def place(cell: int, frame: int) -> tuple[int, int] | None:
    """Row and column of a cell's centre."""
    if cell == RESTING:
        return 12, 20
    if cell == JUMPING:
        return 30, 10 + 8 * (min(max(frame, JUMP[0]), JUMP[1]) - JUMP[0])
    return (12, 60) if 3 <= frame <= 6 else None


def tracks() -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for cell in (RESTING, JUMPING, BRIEF):
        for frame in range(N_FRAMES):
            at = place(cell, frame)
            if at:
                scale = CALIBRATION.pixel_size_um
                hours = frame * CALIBRATION.frame_interval_h
                row = {"track_id": cell, "frame": frame, "t_h": hours, "y_px": at[0], "x_px": at[1]}
                rows.append({**row, "y_um": at[0] * scale, "x_um": at[1] * scale})
    return TRACKS.frame(rows)


def labels() -> np.ndarray:
    labels_TYX = np.zeros((N_FRAMES, ROWS, COLUMNS), np.int32)
    half = SIDE_PX // 2
    for cell in (RESTING, JUMPING, BRIEF):
        for frame in range(N_FRAMES):
            at = place(cell, frame)
            if at:
                labels_TYX[frame, at[0] - half : at[0] + half + 1, at[1] - half : at[1] + half + 1] = cell
    return labels_TYX


def frames() -> np.ndarray:
    """Cells of 4000 on a background that increases to the right from 500, so that no frame is constant."""
    ground = np.broadcast_to(np.linspace(500, 900, COLUMNS), (N_FRAMES, ROWS, COLUMNS))
    return np.where(labels() > 0, 4000, ground).astype(np.uint16)


def report(**changes: object) -> ReportInput:
    table = tracks()
    measures = measure_movie(table, sigma_um=SIGMA_UM)
    content: dict[str, object] = {
        "title": "well B3",
        "calibration": CALIBRATION,
        "frames": frames(),
        "labels": labels(),
        "tracks": table,
        "measures": measures,
        "warnings": measures.warnings,
        "provenance": {"input": {"sha256": "0123"}, "parameters": {"axis_deg": 0.0, "scales": [1, 2]}},
    }
    return ReportInput(**{**content, **changes})  # type: ignore[arg-type]


def empty_report(**changes: object) -> ReportInput:
    """The same movie without any detected cells."""
    nothing = TRACKS.frame([])
    measures = measure_movie(nothing)
    return report(tracks=nothing, measures=measures, warnings=measures.warnings, **changes)
