"""Steps of tracks, and how long slow steps are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.schema import check_tracks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Numbers = TypeVar("Numbers", Floats, pd.Series)

NOISE_STEPS = 3 * math.sqrt(2)
"""A step beyond this many σ is motion: noise alone exceeds it in exp(-4.5) = 1.1 % of steps."""
FEWEST_SLOW_STEPS = 50
"""With n steps their scale is known to about ± 72 %/√n: 10 % at 50."""


@dataclass(frozen=True)
class Steps:
    """Consecutive displacements of tracks, ordered by track and time; one entry per step.

    Attributes:
        track_id: the cell.
        frame: frame at the step's start.
        start_h, end_h: its times.
        start_yx_um, end_yx_um: (N, 2) its places.
        gap: frames are missing within the step; its path is unknown and its time is not observed.
        segment: number of the gap-free stretch of one track that the step belongs to; a gap has its own.
    """

    track_id: Ints
    frame: Ints
    start_h: Floats
    end_h: Floats
    start_yx_um: Floats
    end_yx_um: Floats
    gap: Bools
    segment: Ints

    def __len__(self) -> int:
        return len(self.track_id)

    @property
    def duration_h(self) -> Floats:
        """Δt of each step in h."""
        return self.end_h - self.start_h

    @property
    def displacement_yx_um(self) -> Floats:
        """(N, 2) displacement in µm."""
        return self.end_yx_um - self.start_yx_um

    @property
    def length_um(self) -> Floats:
        """Length of each step in µm; localisation noise makes it longer on average."""
        return np.asarray(np.hypot(*self.displacement_yx_um.T), np.float64)

    @property
    def speed_um_per_h(self) -> Floats:
        """Length over Δt. Grows with the frame rate: noise is divided by an ever shorter time."""
        return self.length_um / self.duration_h

    @property
    def interval_h(self) -> float:
        """The movie's frame interval: median Δt of gap-free steps; NaN without any."""
        return float(np.median(self.duration_h[~self.gap])) if (~self.gap).any() else math.nan


def over(numerator: Numbers, denominator: Numbers) -> Numbers:
    """A quotient that is NaN where it is undefined, never 0; of two arrays, or of two columns of one table."""
    return numerator / np.where(denominator > 0, denominator, math.nan)


def steps_of(tracks: pd.DataFrame) -> Steps:
    """Displacements from each position of a track to its next one.

    Args:
        tracks: :data:`somanet.core.schema.TRACKS`, any order of rows; a missing frame is a gap.

    Raises:
        SomaNetError: see :func:`somanet.core.schema.check_tracks`.
    """
    ordered = check_tracks(tracks, "The tracks")
    track, frame = (ordered[name].to_numpy(np.int64) for name in ("track_id", "frame"))
    time, place = ordered["t_h"].to_numpy(np.float64), ordered[["y_um", "x_um"]].to_numpy(np.float64)
    first = np.flatnonzero(track[1:] == track[:-1])
    then = first + 1
    gap = frame[then] - frame[first] > 1
    new = np.ones(len(first), bool)
    new[1:] = (track[first][1:] != track[first][:-1]) | gap[1:] | gap[:-1]
    return Steps(
        track_id=track[first],
        frame=frame[first],
        start_h=time[first],
        end_h=time[then],
        start_yx_um=place[first],
        end_yx_um=place[then],
        gap=gap,
        segment=np.cumsum(new) - 1,
    )


@dataclass(frozen=True)
class SlowSteps:
    """How long the steps of a cell are that is at rest or creeps: what fast steps are told apart from.

    Attributes:
        scale_um: that of errors per axis that would make such steps, so 1/√2 of a step's own; NaN without steps. Error
            and slow motion both count: of cells that never rest it says how long their shorter steps are.
        n_steps: steps it rests on.
        warnings: in words.
    """

    scale_um: float
    n_steps: int
    warnings: tuple[str, ...] = ()


def slow_steps(steps: Steps) -> SlowSteps:
    """Scale s of slow steps: s² = median(d²)/(4 ln 2) of those up to 3√2·s.

    A step between two positions at rest has d²/(4σ²) exponential, with median ln 2. Steps up to 3√2·s count as slow; s
    and this limit are made to agree by iteration from the shortest quarter. What part of it is error is for
    :func:`somanet.migration.noise.localisation_of` to say.
    """
    squared = np.sort(steps.length_um[~steps.gap] ** 2)
    if not squared.size:
        return SlowSteps(math.nan, 0, ("The localisation error is unknown: no cell is seen in two frames in a row.",))
    scale = math.sqrt(float(np.quantile(squared, 0.25)) / (4 * math.log(4 / 3)))
    n = squared.size
    for _ in range(100):
        n = int(np.searchsorted(squared, (NOISE_STEPS * scale) ** 2, side="right"))
        updated = math.sqrt(float(np.median(squared[:n])) / (4 * math.log(2))) if n else 0.0
        if math.isclose(updated, scale, rel_tol=1e-9):
            break
        scale = updated
    warnings = []
    if n < FEWEST_SLOW_STEPS:
        warnings.append(f"Only {n} steps are slow: {FEWEST_SLOW_STEPS} are needed to know within 10 % what is motion.")
    return SlowSteps(scale, n, tuple(warnings))
