"""Linking of somas to tracks: the cheapest assignment from frame to frame, then over gaps (LAP, Jaqaman 2008)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.schema import TRACKS
from somanet.tracking.assignment import cheapest_pairs
from somanet.tracking.candidates import Somas, Weights
from somanet.tracking.detections import DETECTION_COLUMNS
from somanet.tracking.displacements import check_max_step, typical_max_gap_frames, typical_max_step_um

OVERLAP_WEIGHT = 0.3
SHAPE_WEIGHT = 0.2
INTENSITY_WEIGHT = 0.2

BLOCK_SOMAS = 1 << 17
"""Somas that are linked to the next frame at once, in whole frames."""
EXPENSIVE = 1.05
"""Over the 90 % quantile of the costs of all possible links over gaps."""

Pairs = NDArray[np.int64]


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
    somas = Somas(steady, calibration, _places(steady, blank_frames))
    weights = Weights(overlap_weight, shape_weight, intensity_weight)
    ids = _identities(somas, max_step_um=step, max_gap_frames=gap, weights=weights)
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


def _places(detections: pd.DataFrame, blank_frames: Collection[int]) -> NDArray[np.int64]:
    """The number of each soma's frame among those that count: all from the first to the last, less the blank ones."""
    frames = detections["frame"].to_numpy(np.int64)
    if not len(frames):
        return frames
    present = set(frames.tolist())
    counted = [t for t in range(int(frames[0]), int(frames[-1]) + 1) if t in present or t not in blank_frames]
    return np.searchsorted(counted, frames)


def _identities(somas: Somas, *, max_step_um: float, max_gap_frames: int, weights: Weights) -> NDArray[np.int64]:
    """Track number (from 0, in order of first row) of every soma."""
    n = len(somas.place)
    if not n:
        return np.empty(0, np.int64)
    steps = [_frame_links(somas, block, max_step_um, weights) for block in _blocks(somas.place)]
    before, after = (np.concatenate(side) for side in zip(*steps, strict=True))
    if max_gap_frames:
        ends = np.setdiff1d(np.arange(n), before, assume_unique=True)
        starts = np.setdiff1d(np.arange(n), after, assume_unique=True)
        end, start = _gap_links(somas, ends, starts, max_step_um, max_gap_frames, weights)
        before, after = np.concatenate([before, end]), np.concatenate([after, start])
    return _numbered(n, before, after)


def _blocks(place: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The somas of some consecutive frames at a time: memory is that of the detections and of one block's pairs."""
    frame_starts = np.flatnonzero(np.diff(place, prepend=-1))
    cuts = frame_starts[np.flatnonzero(np.diff(frame_starts // BLOCK_SOMAS)) + 1]
    yield from np.split(np.arange(len(place)), cuts)


def _frame_links(somas: Somas, block: Pairs, max_step_um: float, weights: Weights) -> tuple[Pairs, Pairs]:
    """The cheapest links of the somas of some frames to those of the frame after each.

    Leaving two somas alone costs as much as the most expensive link and the cheapest one of their frames: linking one
    cell more is worth nearly any cost, but not a shift of a whole row of cells.
    """
    first, last = somas.place[block[[0, -1]]]
    later = np.arange(*np.searchsorted(somas.place, [first + 1, last + 2]))
    a, b, near = somas.within_reach(block, later, apart=1, max_step_um=max_step_um)
    cost = somas.cost(a, b, near, weights)
    soma, partner = np.searchsorted(block, a), np.searchsorted(later, b)
    _, frame = np.unique(somas.place[block], return_inverse=True)
    cheapest = np.full(len(block), np.inf)  # by frame
    np.minimum.at(cheapest, frame[soma], cost)
    chosen = cheapest_pairs(soma, partner, cost, 2 * weights.no_link - cheapest[frame])
    return a[chosen], b[chosen]


def _gap_links(
    somas: Somas, ends: Pairs, starts: Pairs, max_step_um: float, max_gap_frames: int, weights: Weights
) -> tuple[Pairs, Pairs]:
    """The cheapest links of track ends to later starts.

    Leaving an end and a start alone costs as much as the most expensive link and an expensive one of this movie, which
    stands in for the cheapest of two frames: :data:`EXPENSIVE` times the 90 % quantile, as in TrackMate and LapTrack.
    """
    longest = min(max_gap_frames + 1, int(somas.place[-1]))
    found = [somas.within_reach(ends, starts, apart=d, max_step_um=max_step_um) for d in range(1, longest + 1)]
    if not any(len(ends_found) for ends_found, *_ in found):
        return ends[:0], starts[:0]
    a, b, near = (np.concatenate([pairs[side] for pairs in found]) for side in range(3))
    cost = somas.cost(a, b, near, weights)
    usual = float(np.float32(EXPENSIVE * np.percentile(cost, 90, method="lower")))
    alone = np.full(len(ends), 2 * weights.no_link - min(usual, weights.no_link))
    chosen = cheapest_pairs(np.searchsorted(ends, a), np.searchsorted(starts, b), cost, alone)
    return a[chosen], b[chosen]


def _numbered(n: int, before: Pairs, after: Pairs) -> Pairs:
    """The chain to which each of n somas belongs, numbered from 0 by their first somas."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(before), np.int8), (before, after)), shape=(n, n))
    _, chain = connected_components(links, directed=False)
    _, first, chain = np.unique(chain, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[chain]


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
