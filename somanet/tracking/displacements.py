"""Displacements of somas from one frame to the next: the length scale of linking, estimated from the movie."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import LONGEST_STEP, Calibration
from somanet.core.errors import SomaNetError

FASTEST_UM_PER_H = 150.0
"""Twice the mean speed of an interneuron's nucleokinesis: no soma is linked over a faster displacement."""
GAP_H = 0.6
"""A cell missed for longer than this counts as a new one when it reappears."""
DISPLACEMENT_QUANTILE = 0.95
DISPLACEMENT_MARGIN = 2.0
"""The longest accepted displacement over the 95 % quantile of unambiguous ones: jumps are rarer than rests."""


def typical_max_step_um(detections: pd.DataFrame, calibration: Calibration) -> float:
    """The longest displacement to accept between two frames, from the movie's own somas.

    Displacements are measured where they are unambiguous: between two somas that are each other's nearest in
    neighbouring frames. The result is twice their 95 % quantile, but at least one soma radius plus the displacement of
    a saltating cell, or a cell that rests for most of the movie would be lost at its first jump; and at most that of
    the fastest cell. A longer frame interval therefore gives a longer displacement.

    Args:
        detections: as from :func:`somanet.tracking.detections.detect_cells`.
        calibration: the physical scale.

    Returns:
        Micrometres. Without detections the lower and the upper bound coincide.
    """
    radius_um = 0.0
    if len(detections):
        radius_um = math.sqrt(float(detections["area_px"].median()) * calibration.pixel_area_um2 / math.pi)
    most = radius_um + FASTEST_UM_PER_H * calibration.frame_interval_h
    least = radius_um + FASTEST_UM_PER_H / 2 * calibration.frame_interval_h
    displacements = mutual_displacements_px(detections, calibration) * calibration.pixel_size_um
    if not displacements.size:
        return most
    return float(np.clip(DISPLACEMENT_MARGIN * np.quantile(displacements, DISPLACEMENT_QUANTILE), least, most))


def mutual_displacements_px(detections: pd.DataFrame, calibration: Calibration) -> NDArray[np.float64]:
    """Distances between somas of neighbouring frames that are each other's nearest neighbour, in pixels.

    Frames with a pause between them are left out.
    """
    from scipy.spatial import KDTree

    centres = {int(str(t)): rows[["y_px", "x_px"]].to_numpy(float) for t, rows in detections.groupby("frame")}
    trees = {t: KDTree(points) for t, points in centres.items()}
    displacements = [np.empty(0)]
    for t, points in centres.items():
        if t + 1 not in centres or np.diff(calibration.in_intervals([t, t + 1])) > LONGEST_STEP:
            continue
        distance, nearest = trees[t + 1].query(points)
        back = trees[t].query(centres[t + 1])[1]
        displacements.append(distance[back[nearest] == np.arange(len(points))])
    return np.concatenate(displacements)


def typical_max_gap_frames(calibration: Calibration) -> int:
    """Maximum number of consecutive frames in which a cell may be missed: those in 36 minutes, from 1 to 5."""
    return int(np.clip(round(GAP_H / calibration.frame_interval_h), 1, 5))


def check_max_step(max_step_um: float) -> float:
    """Refuse a maximum displacement that is not a positive length.

    Raises:
        SomaNetError: it is not positive.
    """
    if not (math.isfinite(max_step_um) and max_step_um > 0):
        raise SomaNetError(f"max_step_um must be a positive length, found {max_step_um}. Give micrometres per frame.")
    return float(max_step_um)
