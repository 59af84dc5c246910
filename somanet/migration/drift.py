"""What is subtracted from the cells' positions as drift: the stage's motion in the images, the cells', or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.core.schema import DRIFT, check_columns
from somanet.migration.kinematics import NOISE_STEPS, Bools, Floats, Ints, Steps, slow_steps, steps_of

DriftSource = Literal["image", "cells", "none"]
FEWEST_CELLS = 5
"""Resting cells that a frame's drift has to rest on: their median step has itself noise of 1.25·√2·σ/√n."""
COMMON_MOTION = (
    "The common motion of the cells was subtracted as drift (migrate.drift = cells). Cells that all migrate in one "
    "direction look like a moving stage: do not interpret direction, velocity, straightness or length without images."
)


@dataclass(frozen=True)
class Drift:
    """The drift that is subtracted.

    Attributes:
        source: what it was measured from; "none" if nothing is subtracted, whatever was asked for.
        frame: every frame number from the first to the last.
        shift_yx_um: (T, 2) shift of the scene against the first frame.
        warnings: in words.
    """

    source: DriftSource
    frame: Ints
    shift_yx_um: Floats
    warnings: tuple[str, ...] = ()

    @property
    def farthest_um(self) -> float:
        """Greatest distance of the scene from its first place; 0 if nothing is subtracted."""
        return float(np.hypot(*self.shift_yx_um.T).max(initial=0.0))

    def removed_from(self, tracks: pd.DataFrame) -> pd.DataFrame:
        """The tracks with ``y_um`` and ``x_um`` relative to the scene; ``y_px`` and ``x_px`` stay as seen."""
        if self.source == "none" or tracks.empty:
            return tracks.copy()
        shift = self.shift_yx_um[tracks["frame"].to_numpy(np.int64) - self.frame[0]]
        return tracks.assign(y_um=tracks["y_um"] - shift[:, 0], x_um=tracks["x_um"] - shift[:, 1])


NO_DRIFT = Drift("none", np.empty(0, np.int64), np.empty((0, 2)))


def drift_of(tracks: pd.DataFrame, source: DriftSource, stage: pd.DataFrame | None = None) -> Drift:
    """The drift to subtract from the positions of one movie's tracks.

    Args:
        tracks: :data:`somanet.core.schema.TRACKS`.
        source: "image": what ``stage`` says is to be subtracted; "cells": see :func:`drift_of_cells`; "none".
        stage: :data:`somanet.core.schema.DRIFT`, measured from the images; None if they were not at hand, and nothing
            is subtracted.

    Raises:
        SomaNetError: the table of the stage lacks frames of the tracks or columns, or another source.
    """
    if source not in ("image", "cells", "none"):
        raise SomaNetError(f"Drift is removed as 'image', 'cells' or 'none', found {source!r}.")
    if source == "cells":
        return drift_of_cells(tracks)
    if source == "none" or stage is None:
        return NO_DRIFT
    check_columns(stage, DRIFT, "The drift of the stage")
    frame = stage["frame"].to_numpy(np.int64)
    last = int(tracks["frame"].max()) if len(tracks) else -1
    if not np.array_equal(frame, np.arange(len(frame))) or last >= len(frame):
        raise SomaNetError(
            f"The drift of the stage: expected every frame from 0 to {max(last, 0)}, found {len(frame)} rows. Is "
            "drift.csv of another movie, or was it changed? Run `somanet analyze` or `dvc repro` again."
        )
    applied = stage["applied"].to_numpy() == 1
    if not applied.any():
        return NO_DRIFT
    shift = np.where(applied[:, None], stage[["shift_y_um", "shift_x_um"]].to_numpy(float), 0.0)
    return Drift("image", frame, shift)


def drift_of_cells(tracks: pd.DataFrame, *, min_cells: int = FEWEST_CELLS) -> Drift:
    """Drift as the median step of resting cells from frame to frame, added up: for tracks without images.

    The median step of all cells comes first; relative to it, cells are taken to rest in a step if this step and the
    cell's steps before and after are slow ones. Their median step is the drift. Cells that all
    migrate the same way at the same time look like drift, which is warned about.

    Args:
        tracks: :data:`somanet.core.schema.TRACKS` of one movie.
        min_cells: fewest resting cells per frame; with fewer, no motion is assumed.
    """
    if tracks.empty:
        return NO_DRIFT
    frames = np.arange(tracks["frame"].min(), tracks["frame"].max() + 1, dtype=np.int64)
    steps = steps_of(tracks)
    first, _ = _median_path(steps, ~steps.gap, frames, min_cells)
    relative = steps_of(Drift("cells", frames, first).removed_from(tracks))
    resting = _rests(relative) & ~relative.gap
    shift, counts = _median_path(steps, resting, frames, min_cells)
    few = int((counts[1:] < min_cells).sum())
    lacking = (
        f"Fewer than {min_cells} cells rest in {few} of {len(frames) - 1} frame steps; no drift was subtracted there."
    )
    return Drift("cells", frames, shift, (COMMON_MOTION, *((lacking,) if few else ())))


def _median_path(steps: Steps, use: Bools, frames: Ints, min_cells: int) -> tuple[Floats, Ints]:
    """(T, 2) sum of the median steps so far, and (T,) how many steps each rests on."""
    moves, counts = np.zeros((len(frames), 2)), np.zeros(len(frames), np.int64)
    table = pd.DataFrame(steps.displacement_yx_um[use]).groupby(steps.frame[use] + 1 - frames[0])
    at = np.asarray(list(table.groups), np.int64)
    counts[at] = table.size().to_numpy()
    moves[at] = table.median().to_numpy(float)
    moves[counts < min_cells] = 0.0
    return np.cumsum(moves, axis=0), counts


def _rests(steps: Steps) -> Bools:
    """Which steps, and the steps of the same cell before and after, are slow ones."""
    within = steps.length_um <= NOISE_STEPS * slow_steps(steps).scale_um
    rests = within.copy()
    same = steps.segment[1:] == steps.segment[:-1]
    rests[1:] &= within[:-1] | ~same
    rests[:-1] &= within[1:] | ~same
    return rests
