"""A movie with its somas and tracks → the processes of every cell in every frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.analysis.processes.candidates import Candidate, find_candidates
from somanet.analysis.processes.following import Link, follow
from somanet.analysis.processes.motion import Motion, Role, motion_of, roles_of
from somanet.analysis.processes.settings import TracingSettings
from somanet.analysis.report.content import Frames, check_movie
from somanet.core.calibration import Calibration
from somanet.core.progress import counted
from somanet.core.schema import Column, Schema

PROCESSES = Schema(
    "processes",
    (
        Column("track_id", "int64", "", "the cell"),
        Column("frame", "int64", "", "frame number from 0"),
        Column("t_h", "float64", "h", "time since frame 0"),
        Column("role", "string", "", "leading | trailing | side, by the cell's motion; unknown without motion; none"),
        Column("length_um", "float64", "µm", "along the process, from the soma's outline to the tip"),
        Column("direction_deg", "float64", "°", "from the soma's centre to the tip: 0 = right, 90 = down"),
        Column("tip_y_px", "float64", "px", "row of the tip: where the growth cone begins, or the end without one"),
        Column("tip_x_px", "float64", "px", "column of the tip"),
        Column("base_y_px", "float64", "px", "row at which the process leaves the soma"),
        Column("base_x_px", "float64", "px", "column at which it leaves the soma"),
        Column("confidence", "float64", "", "probability that a process points that way, from 0 to 1, by the model"),
        Column("at_edge", "Int64", "", "1 if the tip is at the frame's edge, so that the process may be longer"),
        Column("motion_um", "float64", "µm", "net displacement of the soma around the frame, by which roles are told"),
        Column("motion_deg", "float64", "°", "its direction: 0 = right, 90 = down; empty if it is too short for one"),
    ),
)
"""One row per traced process, at most two of a cell in a frame; one with the role ``none`` where there is none."""


@dataclass(frozen=True)
class TracedLine:
    """A process to draw: its cell, role, confidence and (N, 2) line in px."""

    track_id: int
    role: Role
    confidence: float
    line_yx_px: NDArray[np.float64]


@dataclass(frozen=True)
class Traced:
    """The processes of a movie.

    Attributes:
        table: :data:`PROCESSES`, by cell and frame.
        lines: those of each frame.
    """

    table: pd.DataFrame
    lines: dict[int, list[TracedLine]]


def trace_processes(
    frames: Frames,
    labels: Frames,
    tracks: pd.DataFrame,
    moving: pd.DataFrame,
    *,
    calibration: Calibration,
    settings: TracingSettings | None = None,
) -> Traced:
    """Trace the processes of all cells of a movie, one frame in memory at a time.

    Args:
        frames: YX images.
        labels: YX label images, value = track id.
        tracks: :data:`somanet.core.schema.TRACKS`.
        moving: the same rows with ``y_um`` and ``x_um`` relative to the scene, without the stage's drift.
        calibration: the physical scale.
        settings: how they are traced.

    Raises:
        SomaNetError: frames, labels and tracks do not belong together.
    """
    settings = settings or TracingSettings()
    check_movie(frames, labels, tracks)
    candidates = dict(_candidates(frames, labels, tracks, calibration.pixel_size_um, settings))
    rows: list[dict[str, object]] = []
    lines: dict[int, list[TracedLine]] = {}
    for track, points in moving.sort_values("frame").groupby("track_id"):
        cell = int(str(track))
        times = points["frame"].to_numpy(np.int64).tolist()
        motion = motion_of(
            points["t_h"].to_numpy(np.float64),
            points[["y_um", "x_um"]].to_numpy(np.float64),
            longest_h=settings.motion_h,
            least_um=settings.least_motion_um,
        )
        links = follow([candidates[cell, t] for t in times], settings)
        for k, (t, t_h, pair) in enumerate(zip(times, points["t_h"].tolist(), links, strict=True)):
            roles = roles_of(pair[0].candidate, pair[1].candidate, float(motion.direction_deg[k]))
            for link, role in zip(pair, roles, strict=True):
                if link.candidate is not None:
                    line = TracedLine(cell, role, link.confidence, link.candidate.line_yx_px)
                    lines.setdefault(t, []).append(line)
                if link is pair[0] or link.candidate is not None:
                    rows.append({"track_id": cell, "frame": t, "t_h": t_h} | _row(link, role, motion, k))
    return Traced(PROCESSES.frame(rows), lines)


def _candidates(
    frames: Frames, labels: Frames, tracks: pd.DataFrame, pixel_size_um: float, settings: TracingSettings
) -> Iterator[tuple[tuple[int, int], tuple[Candidate, ...]]]:
    """By cell and frame."""
    by_frame = tracks.groupby("frame")
    for frame, cells in counted(by_frame, by_frame.ngroups, doing="tracing", unit="frame"):
        t = int(str(frame))
        ids = cells["track_id"].to_numpy(np.int64)
        centres = cells[["y_px", "x_px"]].to_numpy(np.float64)
        found = find_candidates(np.asarray(frames[t]), np.asarray(labels[t]), centres, ids, pixel_size_um, settings)
        yield from zip(((cell, t) for cell in ids.tolist()), found, strict=True)


def _row(link: Link, role: Role, motion: Motion, k: int) -> dict[str, object]:
    around = {"role": role, "motion_um": motion.distance_um[k], "motion_deg": motion.direction_deg[k]}
    process = link.candidate
    if process is None:
        return around
    (base_y, base_x), (tip_y, tip_x) = process.line_yx_px[0], process.line_yx_px[-1]
    return around | {
        "length_um": process.length_um,
        "direction_deg": process.direction_deg,
        "tip_y_px": tip_y,
        "tip_x_px": tip_x,
        "base_y_px": base_y,
        "base_x_px": base_x,
        "confidence": link.confidence if math.isfinite(link.confidence) else math.nan,
        "at_edge": int(process.at_edge),
    }
