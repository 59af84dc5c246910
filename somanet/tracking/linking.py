"""Linking of somas to tracks: the cheapest assignment from frame to frame, then over gaps (LAP, Jaqaman 2008)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.schema import TRACKS
from somanet.tracking.detections import DETECTION_COLUMNS
from somanet.tracking.displacements import check_max_step, typical_max_gap_frames, typical_max_step_um
from somanet.tracking.points import chains

OVERLAP_WEIGHT = 0.3
SHAPE_WEIGHT = 0.2
INTENSITY_WEIGHT = 0.2

_T, _Y, _X, _AREA, _LONG, _INTENSITY, _TOP, _LEFT, _BOTTOM, _RIGHT = range(10)
_N_FEATURES = 10


def link_cells(
    detections: pd.DataFrame,
    calibration: Calibration,
    *,
    max_step_um: float | None = None,
    max_gap_frames: int | None = None,
    min_frames: int = 1,
    overlap_weight: float = OVERLAP_WEIGHT,
    shape_weight: float = SHAPE_WEIGHT,
    intensity_weight: float = INTENSITY_WEIGHT,
    blank_frames: Collection[int] = (),
    drift_yx_px: NDArray[np.float64] | None = None,
) -> pd.DataFrame:
    """Give every soma an identity over time. Cells enter, leave and are missed; they neither divide nor fuse.

    The cost of a link is ``(d / d_max)² + w_o (1 − IoU) + w_s s + w_i i``: distance d over the maximum allowed, the
    overlap of the two bounding boxes, the change of shape ``s = min(1, log2(area ratio)² + log2(ratio of the major
    axes)²)`` and of intensity ``i = min(1, log2(ratio of mean intensities)²)``, so that a doubling costs the full
    weight. Unknown intensities are left out. Each frame is linked to the next by the cheapest assignment; then track
    ends are joined to later starts over missed frames, where ``d_max`` grows with the square root of the time, as in a
    random walk; likewise from one frame to the next where frames are uneven in time, as over a pause of the movie.

    Args:
        detections: as from :func:`somanet.tracking.detections.detect_cells`, pixels.
        calibration: the physical scale.
        max_step_um: longest displacement in one frame interval; from the movie's own displacements if None.
        max_gap_frames: maximum number of consecutive frames in which a cell may be missed (0 = none); those in 36 min
            if None.
        min_frames: shorter tracks are dropped as noise.
        overlap_weight: w_o. The three weights are relative to a displacement of maximum length, which costs 1.
        shape_weight: w_s.
        intensity_weight: w_i.
        blank_frames: blank frames. They do not count as missed, so cells are followed through any number of them; the
            maximum distance grows with the elapsed time.
        drift_yx_px: (T, 2) shift of the scene in each frame; cells are linked relative to it. Positions in the result
            stay as seen.

    Returns:
        ``schema.TRACKS`` columns (µm, h), then ``label`` (the value in its label image), ``area_um2``,
        ``major_axis_um``, ``minor_axis_um`` and the other columns of the detections. By track and frame; tracks
        are numbered from 1 in the order of their first frame and label. Deterministic.

    Raises:
        SomaNetError: missing columns, two detections with the same frame and label, or a value out of range.
    """
    _check(detections, min_frames, max_gap_frames, (overlap_weight, shape_weight, intensity_weight))
    ordered = detections.sort_values(["frame", "label"], ignore_index=True)
    steady = relative_to_scene(ordered, drift_yx_px)
    step = typical_max_step_um(steady, calibration) if max_step_um is None else check_max_step(max_step_um)
    gap = typical_max_gap_frames(calibration) if max_gap_frames is None else max_gap_frames
    weights = (overlap_weight, shape_weight, intensity_weight)
    ids = _identities(steady, calibration, step, gap, weights, frozenset(blank_frames))
    counts = np.bincount(ids, minlength=1)
    kept = np.flatnonzero(counts >= min_frames)
    numbers = np.zeros(len(counts), np.int64)
    numbers[kept] = np.arange(1, len(kept) + 1)
    return as_tracks(ordered, numbers[ids], calibration)


def relative_to_scene(detections: pd.DataFrame, drift_yx_px: NDArray[np.float64] | None) -> pd.DataFrame:
    """Detections with centres and bounding boxes relative to the scene, as if the stage had stood still.

    Args:
        detections: as from :func:`somanet.tracking.detections.detect_cells`.
        drift_yx_px: (T, 2) shift of the scene in each frame; None for none.
    """
    if drift_yx_px is None or not drift_yx_px.any():
        return detections
    y, x = drift_yx_px[detections["frame"].to_numpy(np.int64)].T
    moved = {name: detections[name] - y for name in ("y_px", "top_px", "bottom_px")}
    return detections.assign(**moved, **{name: detections[name] - x for name in ("x_px", "left_px", "right_px")})


def _check(detections: pd.DataFrame, min_frames: int, max_gap_frames: int | None, weights: tuple[float, ...]) -> None:
    missing = [name for name in DETECTION_COLUMNS if name not in detections.columns]
    if missing:
        raise SomaNetError(f"The detections lack {missing}; they have {list(detections.columns)}. Use detect_cells.")
    twice = detections.duplicated(["frame", "label"])
    if twice.any():
        frame, label = detections.loc[twice, ["frame", "label"]].iloc[0]
        raise SomaNetError(f"Label {label} of frame {frame} occurs twice. Were two tables of detections joined?")
    if min_frames < 1 or (max_gap_frames is not None and max_gap_frames < 0):
        raise SomaNetError(
            f"min_frames must be at least 1 and max_gap_frames at least 0, found {min_frames} and {max_gap_frames}."
        )
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
        raise SomaNetError(f"The weights of overlap, shape and intensity must be 0 or more, found {weights}.")


def _identities(
    detections: pd.DataFrame,
    calibration: Calibration,
    max_step_um: float,
    max_gap_frames: int,
    weights: tuple[float, float, float],
    blank_frames: frozenset[int],
) -> NDArray[np.int64]:
    """Track number (from 0, in order of first row) of every row of detections sorted by frame."""
    if detections.empty:
        return np.empty(0, np.int64)
    from laptrack import LapTrack

    features = _features(detections, calibration)
    frames = detections["frame"].to_numpy()
    present = set(frames.tolist())
    # laptrack counts missed frames by positions in this list, so blank frames are not in it.
    seen = [t for t in range(int(frames[0]), int(frames[-1]) + 1) if t in present or t not in blank_frames]
    bounds = np.append(np.searchsorted(frames, seen), len(frames))
    coords = [features[start:stop] for start, stop in itertools.pairwise(bounds)]
    # Every pair within reach costs less: the displacement alone decides what is possible, the cost what is best.
    cutoff = 1.0 + sum(weights) + 1e-6
    metric = _step_cost(max_step_um, weights)
    tracker = LapTrack(
        metric=metric,
        cutoff=cutoff,
        track_start_cost=cutoff,
        track_end_cost=cutoff,
        gap_closing_metric=metric,
        gap_closing_cutoff=cutoff if max_gap_frames else False,
        # laptrack counts the link itself as well.
        gap_closing_max_frame_count=max_gap_frames + 1,
        segment_start_cost=cutoff,
        segment_end_cost=cutoff,
    )
    edges = [(int(bounds[t] + i), int(bounds[u] + j)) for (t, i), (u, j) in tracker.predict(coords).edges()]
    ids = np.empty(len(detections), np.int64)
    for number, rows in enumerate(chains(len(detections), edges, frames.tolist(), "The links")):
        ids[rows] = number
    return ids


def _features(detections: pd.DataFrame, calibration: Calibration) -> NDArray[np.float64]:
    """(n, 10): time in frame intervals, centre in µm, log2 of area, major axis and intensity, bounding box in px."""
    columns = np.empty((len(detections), _N_FEATURES))
    columns[:, _T] = calibration.in_intervals(detections["frame"])
    columns[:, _Y] = detections["y_px"] * calibration.pixel_size_um
    columns[:, _X] = detections["x_px"] * calibration.pixel_size_um
    columns[:, _AREA] = np.log2(np.maximum(detections["area_px"], 1))
    columns[:, _LONG] = np.log2(np.maximum(detections["major_axis_px"], 1))
    intensity = detections["mean_intensity"].to_numpy(float)
    columns[:, _INTENSITY] = np.log2(np.where(intensity > 0, intensity, np.nan))
    columns[:, [_TOP, _LEFT, _BOTTOM, _RIGHT]] = detections[["top_px", "left_px", "bottom_px", "right_px"]]
    return columns


def _step_cost(max_step_um: float, weights: tuple[float, float, float]) -> Any:
    """The cost as a function of two feature rows. Plain floats: it is called for every pair."""
    overlap_weight, shape_weight, intensity_weight = weights
    reach2 = max_step_um**2

    def cost(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        dt, dy, dx = b[_T] - a[_T], b[_Y] - a[_Y], b[_X] - a[_X]
        near = (dy * dy + dx * dx) / (reach2 * dt)
        if near > 1:
            return math.inf
        total = float(near)
        if overlap_weight:
            height = max(0.0, min(a[_BOTTOM], b[_BOTTOM]) - max(a[_TOP], b[_TOP]))
            width = max(0.0, min(a[_RIGHT], b[_RIGHT]) - max(a[_LEFT], b[_LEFT]))
            shared = height * width
            areas = (a[_BOTTOM] - a[_TOP]) * (a[_RIGHT] - a[_LEFT]) + (b[_BOTTOM] - b[_TOP]) * (b[_RIGHT] - b[_LEFT])
            total += overlap_weight * (1 - shared / (areas - shared))
        if shape_weight:
            total += shape_weight * min(1.0, (b[_AREA] - a[_AREA]) ** 2 + (b[_LONG] - a[_LONG]) ** 2)
        if intensity_weight:
            change = (b[_INTENSITY] - a[_INTENSITY]) ** 2
            total += intensity_weight * (min(1.0, change) if change == change else 0.0)
        return total

    return cost


def as_tracks(detections: pd.DataFrame, ids: NDArray[np.int64], calibration: Calibration) -> pd.DataFrame:
    """Detections and the identity of each (0 = none) as a table of tracks, in µm and h; see :func:`link_cells`."""
    table = detections.assign(
        track_id=ids,
        t_h=calibration.hours(detections["frame"]),
        y_um=detections["y_px"] * calibration.pixel_size_um,
        x_um=detections["x_px"] * calibration.pixel_size_um,
        area_um2=detections["area_px"] * calibration.pixel_area_um2,
        major_axis_um=detections["major_axis_px"] * calibration.pixel_size_um,
        minor_axis_um=detections["minor_axis_px"] * calibration.pixel_size_um,
    ).drop(columns=["area_px", "major_axis_px", "minor_axis_px"])
    first = [*TRACKS.names, "label", "area_um2", "major_axis_um", "minor_axis_um"]
    table = table[[*first, *(name for name in table.columns if name not in first)]]
    return table[table["track_id"] > 0].sort_values(["track_id", "frame"], ignore_index=True)
