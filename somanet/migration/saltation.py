"""Saltations: runs of fast steps with net displacement, the pauses between them, and what sampling hides."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.migration.kinematics import NOISE_STEPS, Bools, Floats, Ints, Steps
from somanet.migration.tables import PAUSES, SALTATION_EVENTS

SLOWEST_UM_PER_H = 10.0
FASTEST_UM_PER_H = 30.0
LEAST_LENGTH_UM = 5.0
LEAST_LENGTH_SIGMAS = 4.0
LEAST_HOURS = 4.0
LEAST_FRAMES = 12
# Times come from whole frames: 24 intervals of 10 min are 4 h whatever their sum's last digit.
ROUNDING_H = 1e-6
ROUNDING = 2e-5
"""Relative error of speeds and lengths computed from places and times of nine digits, as tables have them, for steps of
some µm within 10 mm: it must not decide what lies on a limit."""


@dataclass(frozen=True)
class Definition:
    """What a saltation is, a pause, and a track long enough to be measured; None lets the movie's own steps say.

    Attributes:
        min_speed_um_per_h: a faster step is motion, one of just this speed is not; by default 3√2·s/Δt, s being the
            scale of slow steps.
        slowest_threshold_um_per_h, fastest_threshold_um_per_h: that default is kept between these.
        min_length_um: shortest net displacement of a saltation, itself included; by default 5 µm, or 4σ if that is
            more.
        min_pause_h: a shorter rest between two runs of motion joins them.
        min_track_h: a cell that is seen for less is left out; by default 4 h or 12 frames, whichever it reaches.
    """

    min_speed_um_per_h: float | None = None
    slowest_threshold_um_per_h: float = SLOWEST_UM_PER_H
    fastest_threshold_um_per_h: float = FASTEST_UM_PER_H
    min_length_um: float | None = None
    min_pause_h: float = 0.0
    min_track_h: float | None = None

    def decided_by(self, scale_um: float, *, interval_h: float) -> str:
        """What sets the threshold: "setting", "slow steps", "lower bound" or "upper bound"."""
        if self.min_speed_um_per_h is not None:
            return "setting"
        speed = NOISE_STEPS * scale_um / interval_h
        if speed <= self.slowest_threshold_um_per_h:
            return "lower bound"
        return "upper bound" if speed >= self.fastest_threshold_um_per_h else "slow steps"

    def long_enough(self, hours: Floats, n_frames: Ints) -> Bools:
        """Which tracks are measured."""
        if self.min_track_h is not None:
            return np.asarray(hours >= self.min_track_h - ROUNDING_H, bool)
        return np.asarray((hours >= LEAST_HOURS - ROUNDING_H) | (n_frames >= LEAST_FRAMES), bool)


USUAL = Definition()


def mobile_threshold(scale_um: float, *, interval_h: Floats | float, definition: Definition = USUAL) -> Floats:
    """Speed in µm/h above which a step is motion: 3√2·s/Δt within bounds, 10 and 30 unless set otherwise.

    The lower bound keeps slow wandering out at long intervals. At the upper bound (3√2·s > 30 µm/h·Δt, say s above
    0.6 µm at 5 min) slow steps alone make cells mobile, and only the least length keeps them from being counted.
    """
    interval = np.asarray(interval_h, np.float64)
    if definition.min_speed_um_per_h is not None:
        return np.full(interval.shape, definition.min_speed_um_per_h)
    bounds = definition.slowest_threshold_um_per_h, definition.fastest_threshold_um_per_h
    return np.asarray(np.clip(NOISE_STEPS * scale_um / interval, *bounds), np.float64)


def least_length(sigma_um: float, *, definition: Definition = USUAL) -> float:
    """Shortest net displacement in µm of a saltation: max(5 µm, 4σ) unless set otherwise; 5 µm if σ is unknown."""
    if definition.min_length_um is not None:
        return definition.min_length_um
    return LEAST_LENGTH_UM if math.isnan(sigma_um) else max(LEAST_LENGTH_UM, LEAST_LENGTH_SIGMAS * sigma_um)


def mobile_steps(steps: Steps, *, scale_um: float, definition: Definition = USUAL) -> Bools:
    """Which steps are faster than :func:`mobile_threshold`; steps across gaps never are."""
    return faster_steps(steps, mobile_threshold(scale_um, interval_h=steps.duration_h, definition=definition))


def faster_steps(steps: Steps, speed_um_per_h: Floats | float) -> Bools:
    """Which steps are faster than this; those across gaps and, whatever their last digit, those as fast are not."""
    return np.asarray((steps.speed_um_per_h > np.asarray(speed_um_per_h) * (1 + ROUNDING)) & ~steps.gap)


@dataclass(frozen=True)
class _Runs:
    """First and last step of each maximal run of marked steps, and whether a step before and after it is seen."""

    first: Ints
    last: Ints
    start_seen: Bools
    end_seen: Bools

    def kept(self, keep: Bools) -> _Runs:
        return _Runs(self.first[keep], self.last[keep], self.start_seen[keep], self.end_seen[keep])

    @property
    def censored(self) -> list[str]:
        """What is not seen of each run."""
        words = {(True, True): "", (False, True): "start", (True, False): "end", (False, False): "both"}
        return [words[bool(a), bool(b)] for a, b in zip(self.start_seen, self.end_seen, strict=True)]


def _runs(steps: Steps, marked: Bools) -> _Runs:
    """Runs of marked steps, none across a gap or from one track to the next."""
    here = marked & ~steps.gap
    edge = np.ones(len(steps) + 1, bool)
    edge[1:-1] = steps.segment[1:] != steps.segment[:-1]
    opens = here & (edge[:-1] | ~np.roll(here, 1))
    closes = here & (edge[1:] | ~np.roll(here, -1))
    first, last = np.flatnonzero(opens), np.flatnonzero(closes)
    return _Runs(first, last, ~edge[first], ~edge[last + 1])


def joined(steps: Steps, mobile: Bools, *, min_pause_h: float) -> Bools:
    """The mobile steps, with rests between two of them that are shorter than ``min_pause_h``."""
    rests = _runs(steps, ~np.asarray(mobile, bool))
    short = steps.end_h[rests.last] - steps.start_h[rests.first] < min_pause_h - ROUNDING_H
    rests = rests.kept(short & rests.start_seen & rests.end_seen)
    filled = np.array(mobile, bool)
    for first, last in zip(rests.first, rests.last, strict=True):
        filled[first : last + 1] = True
    return filled


@dataclass(frozen=True)
class Saltations:
    """Saltations and pauses of all cells of one movie.

    Attributes:
        events: :data:`somanet.migration.tables.SALTATION_EVENTS`, in order of cell and time.
        pauses: :data:`somanet.migration.tables.PAUSES`; with the events they fill the observed time.
        interval_h: frame interval, for the dead time.
        min_length_um: shortest net displacement that counted.
    """

    events: pd.DataFrame
    pauses: pd.DataFrame
    interval_h: float
    min_length_um: float


def saltations_of(steps: Steps, mobile: Bools, *, min_length_um: float) -> Saltations:
    """Maximal runs of mobile steps whose net displacement is at least ``min_length_um``.

    Jumps with no immobile step between them are one event: the longer the frame interval, the fewer and longer the
    saltations. Durations are whole frame intervals, about one too long, so speeds in motion come out too low.
    A run that reaches the end of a track or a gap is censored: an incomplete event. Lengths lack what a jump covers
    in steps that it only partly fills and that stay below the threshold; ``reach_um`` has it, and more noise.

    Args:
        steps: of one movie.
        mobile: one entry per step, from :func:`mobile_steps` or :mod:`somanet.migration.hmm`.
        min_length_um: see :func:`least_length`.

    Raises:
        SomaNetError: ``mobile`` has another length than the steps.
    """
    if len(mobile) != len(steps):
        raise SomaNetError(f"Expected one mobile flag per step, {len(steps)}, found {len(mobile)}.")
    runs = _runs(steps, np.asarray(mobile, bool))
    moved = steps.end_yx_um[runs.last] - steps.start_yx_um[runs.first]
    long = np.hypot(moved[:, 0], moved[:, 1]) >= min_length_um * (1 - ROUNDING)
    runs, moved = runs.kept(long), moved[long]
    length = np.hypot(moved[:, 0], moved[:, 1])
    start, end = steps.start_h[runs.first], steps.end_h[runs.last]
    events = pd.DataFrame(
        {
            "track_id": steps.track_id[runs.first],
            "start_h": start,
            "end_h": end,
            "length_um": length,
            "speed_um_per_h": length / (end - start),
            "direction_deg": np.degrees(np.arctan2(moved[:, 0], moved[:, 1])),
            "reach_um": np.full(length.size, math.nan),
            "censored": pd.Series(runs.censored, dtype="str"),
        },
        columns=list(SALTATION_EVENTS.names),
    )
    whole = runs.start_seen & runs.end_seen
    reach = steps.end_yx_um[runs.last[whole] + 1] - steps.start_yx_um[runs.first[whole] - 1]
    events.loc[whole, "reach_um"] = np.hypot(reach[:, 0], reach[:, 1])
    jumping = np.zeros(len(steps) + 1, np.int64)
    np.add.at(jumping, runs.first, 1)
    np.add.at(jumping, runs.last + 1, -1)
    rests = _runs(steps, np.cumsum(jumping)[:-1] == 0)
    start, end = steps.start_h[rests.first], steps.end_h[rests.last]
    pauses = pd.DataFrame(
        {
            "track_id": steps.track_id[rests.first],
            "start_h": start,
            "end_h": end,
            "duration_h": end - start,
            "censored": pd.Series(rests.censored, dtype="str"),
        },
        columns=list(PAUSES.names),
    )
    return Saltations(events, pauses, steps.interval_h, min_length_um)
