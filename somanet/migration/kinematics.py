"""Steps of tracks, and how long slow steps are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from somanet.core.calibration import LONGEST_STEP
from somanet.core.counting import counted
from somanet.core.schema import check_tracks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Numbers = TypeVar("Numbers", Floats, pd.Series)

NOISE_STEPS = 3 * math.sqrt(2)
"""A step beyond this many σ is motion: noise alone exceeds it in exp(-4.5) = 1.1 % of steps."""
FEWEST_SLOW_STEPS = 50
"""With n steps their scale is known to about ± 72 %/√n: 10 % at 50."""
LEAST_STEP = 0.75
"""A movie with steps shorter than this many of its intervals, or longer than its inverse, has more than one frame
interval."""
MOST_ODD_STEPS = 0.05
MOST_PAUSES = 0.2
"""Share of steps longer than 1.5 intervals below which they are pauses of the movie or missing frames: gaps like any
other, which leave the other steps even. More of them are a second frame interval."""


@dataclass(frozen=True)
class Steps:
    """Consecutive displacements of tracks, ordered by track and time; one entry per step.

    Attributes:
        track_id: the cell.
        frame: frame at the step's start.
        start_h, end_h: its times.
        start_yx_um, end_yx_um: (N, 2) its places.
        gap: frames are missing within the step, by their numbers or as it lasts more than 1.5 intervals; its path is
            unknown and its time is not observed.
        pause: those of the gaps that are pauses of the movie: no frame is missing by its number.
        segment: number of the gap-free stretch of one track that the step belongs to; a gap has its own.
        odd_share, long_share: of the steps from frame to frame those that last less than 3/4 or more than 4/3 of an
            interval, and those of more than 1.5 intervals, which are not among the former.
    """

    track_id: Ints
    frame: Ints
    start_h: Floats
    end_h: Floats
    start_yx_um: Floats
    end_yx_um: Floats
    gap: Bools
    segment: Ints
    pause: Bools
    odd_share: float = 0.0
    long_share: float = 0.0

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

    @property
    def even(self) -> bool:
        """Whether one frame interval describes the steps, as the correction for it needs."""
        return self.odd_share <= MOST_ODD_STEPS and self.long_share < MOST_PAUSES

    @property
    def usual(self) -> Steps:
        """The same with steps of another duration than the usual one as gaps, where the steps are not even.

        For what takes all steps for equally long.
        """
        if self.even:
            return self
        gap = self.gap | _odd(self.duration_h / self.interval_h)
        return replace(self, gap=gap, segment=_segments(self.track_id, gap))

    @property
    def warnings(self) -> tuple[str, ...]:
        """About steps of unequal duration, in words."""
        if self.even:
            return ()
        low, high = (60 * float(extreme) for extreme in (self.duration_h.min(), self.duration_h.max()))
        odd = self.odd_share + self.long_share
        text = (
            f"{100 * odd:.0f} % of the steps are longer or shorter than the frame interval of "
            f"{60 * self.interval_h:.3g} min ({low:.3g} to {high:.3g} min): thresholds are those of each step; longer "
            "ones are gaps, the localisation error and the states of motion rest on steps of the usual interval, and "
            "numbers corrected for the frame interval are not estimated. Analyse stretches of one interval as movies."
        )
        return (text,)


def over(numerator: Numbers, denominator: Numbers) -> Numbers:
    """A quotient that is NaN where it is undefined, never 0; of two arrays, or of two columns of one table."""
    return numerator / np.where(denominator > 0, denominator, math.nan)


def per_cell(values: ArrayLike, ids: ArrayLike, cells: pd.Index) -> Floats:
    """(cells,) sum of the values of each cell, 0 where it has none.

    Args:
        values: one each; booleans count.
        ids: (N,) their cells, all of them among ``cells``.
        cells: track ids in increasing order.
    """
    place = np.searchsorted(cells.to_numpy(np.int64), np.asarray(ids, np.int64))
    return np.asarray(np.bincount(place, np.asarray(values, np.float64), minlength=len(cells)), np.float64)


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
    missing = frame[then] - frame[first] > 1
    duration = time[then] - time[first]
    relative = duration[~missing] / (np.median(duration[~missing]) if (~missing).any() else math.nan)
    long = relative > LONGEST_STEP
    odd = _odd(relative) & ~long
    gap = missing.copy()
    gap[~missing] = long
    return Steps(
        track_id=track[first],
        frame=frame[first],
        start_h=time[first],
        end_h=time[then],
        start_yx_um=place[first],
        end_yx_um=place[then],
        gap=gap,
        segment=_segments(track[first], gap),
        pause=gap & ~missing,
        odd_share=float(odd.mean()) if odd.size else 0.0,
        long_share=float(long.mean()) if long.size else 0.0,
    )


def _odd(intervals: Floats) -> Bools:
    """Which durations, in frame intervals, are clearly not one."""
    return np.asarray((intervals < LEAST_STEP) | (intervals > 1 / LEAST_STEP), bool)


def _segments(track: Ints, gap: Bools) -> Ints:
    """Number of the gap-free stretch of one track that each step belongs to; a gap has its own."""
    new = np.ones(len(track), bool)
    new[1:] = (track[1:] != track[:-1]) | gap[1:] | gap[:-1]
    return np.asarray(np.cumsum(new) - 1, np.int64)


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
        warnings.append(
            f"Only {counted(n, 'step is', 'steps are')} slow: {FEWEST_SLOW_STEPS} are needed to know within 10 % what "
            "is motion."
        )
    return SlowSteps(scale, n, tuple(warnings))
