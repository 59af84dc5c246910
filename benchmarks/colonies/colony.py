"""Cells that run and pause, step by step in time, with other assumptions than both simulators of the package.

A run has a duration, one of two speeds, slow ends, and a heading that diffuses; its length is what comes of that.
Pauses are gamma distributed, at a rate of the cell's own. Other cells walk all the time, with a velocity that is
forgotten (an Ornstein-Uhlenbeck process). Some detections are missing, cells leave the field, and dim cells err more
than bright ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from somanet.core.schema import TRACKS
from somanet.migration.kinematics import Bools, Floats, Ints

STEP_H = 1 / 120
"""Time step of the simulation, half a minute; frames fall on such steps."""
WARM_UP_H = 20.0
LEAST_UM = 5.0
"""A run of a smaller net displacement is not a saltation, by definition."""
FIELD_UM = 900.0


@dataclass(frozen=True)
class Colony:
    """How cells move and are seen.

    Attributes:
        interval_min: between frames, a multiple of half a minute.
        hours: length of the movie.
        n_cells: at its start.
        resting_share, walking_share: cells that never move, and cells that never rest.
        pause_h, pause_shape: mean pause, and shape of its gamma distribution: 1 is exponential, above it regular.
        run_h, run_shape: the same of the duration of runs.
        slow_um_per_h, fast_um_per_h, fast_share: the two speeds, and the share of runs that have the faster one.
        ramp: share of a run's time in which it speeds up, and in which it slows down again; 0.5 at most.
        wander_deg: change of heading within a run, per square root of an hour.
        turn_deg: standard deviation of the change of heading from run to run, where a run is not drawn to the axis.
        pull, pull_kappa: share of runs that head for the axis, 0°, and how closely (von Mises).
        cells_cv: spread between cells of their mean pauses (gamma).
        walk_um_per_h, walk_h: root mean square speed of walks, and the time for which they keep their velocity.
        error_um, errors_cv: root mean square error per axis, and its spread between cells.
        missed: share of detections that are missing.
    """

    interval_min: float = 10.0
    hours: float = 12.0
    n_cells: int = 30
    resting_share: float = 0.1
    walking_share: float = 0.0
    pause_h: float = 1.5
    pause_shape: float = 1.0
    run_h: float = 0.4
    run_shape: float = 4.0
    slow_um_per_h: float = 45.0
    fast_um_per_h: float = 90.0
    fast_share: float = 0.6
    ramp: float = 0.1
    wander_deg: float = 30.0
    turn_deg: float = 60.0
    pull: float = 0.0
    pull_kappa: float = 4.0
    cells_cv: float = 0.3
    walk_um_per_h: float = 30.0
    walk_h: float = 0.5
    error_um: float = 0.5
    errors_cv: float = 0.3
    missed: float = 0.005


def random_colony(rng: np.random.Generator) -> Colony:
    """Every property drawn at random."""

    def some(chance: float, value: float, otherwise: float = 0.0) -> float:
        return value if rng.random() < chance else otherwise

    return Colony(
        interval_min=float(rng.choice([5.0, 8.0, 10.0, 15.0, 20.0])),
        hours=float(rng.choice([10.0, 12.0, 15.0])),
        n_cells=int(rng.integers(20, 50)),
        resting_share=float(rng.uniform(0, 0.4)),
        walking_share=some(0.3, float(rng.uniform(0.1, 0.6))),
        pause_h=float(np.exp(rng.uniform(np.log(0.7), np.log(4.0)))),
        pause_shape=some(0.5, float(np.exp(rng.uniform(np.log(0.5), np.log(5.0)))), 1.0),
        run_h=float(rng.uniform(0.25, 0.7)),
        run_shape=float(rng.uniform(2.0, 8.0)),
        slow_um_per_h=float(rng.uniform(35, 60)),
        fast_um_per_h=float(rng.uniform(60, 120)),
        fast_share=float(rng.uniform(0, 1)),
        ramp=float(rng.uniform(0, 0.4)),
        wander_deg=float(rng.uniform(0, 80)),
        turn_deg=float(rng.uniform(20, 120)),
        pull=some(0.5, float(rng.uniform(0.1, 0.8))),
        cells_cv=some(0.6, float(rng.uniform(0.2, 0.8))),
        walk_um_per_h=float(rng.uniform(15, 45)),
        walk_h=float(rng.uniform(0.2, 1.5)),
        error_um=float(np.exp(rng.uniform(np.log(0.3), np.log(1.5)))),
        missed=float(rng.uniform(0, 0.02)),
    )


@dataclass(frozen=True)
class Cells:
    """True motion, in steps of :data:`STEP_H`.

    Attributes:
        place_yx_um: (N, S + 1, 2) from the origin.
        jumping: (N, S) steps within a run of at least :data:`LEAST_UM`; a walk has none.
        start_h, length_um, cell: (R,) of each such run that starts in the movie: when, its net displacement, whole even
            where the movie ends before it, and whose it is.
    """

    place_yx_um: Floats
    jumping: Bools
    start_h: Floats
    length_um: Floats
    cell: Ints


def simulate_cells(colony: Colony, rng: np.random.Generator, *, n_cells: int) -> Cells:
    """Cells of a colony, from the first frame on, after a time in which they forget how they began."""
    seen, before = round(colony.hours / STEP_H), round(WARM_UP_H / STEP_H)
    after = round(8 * colony.run_h / STEP_H)
    total = before + seen + after
    kind = rng.permutation(n_cells) / n_cells
    walks = kind < colony.walking_share
    runs = ~walks & (rng.random(n_cells) >= colony.resting_share)
    velocity = np.zeros((n_cells, total, 2))
    number = np.zeros((n_cells, total), np.int64)
    for i in np.flatnonzero(runs):
        velocity[i], number[i] = _running(colony, rng, total)
    velocity[walks] = _walking(colony, rng, int(walks.sum()), total)
    place = np.concatenate([np.zeros((n_cells, 1, 2)), np.cumsum(velocity * STEP_H, axis=1)], axis=1)
    jumping = np.zeros((n_cells, total), bool)
    found = []
    for i in np.flatnonzero(runs):
        opens = np.flatnonzero((number[i] > 0) & (np.diff(number[i], prepend=0) != 0))
        closes = np.flatnonzero((number[i] > 0) & (np.diff(number[i], append=0) != 0)) + 1
        length = np.hypot(*(place[i, closes] - place[i, opens]).T)
        for first, last, um in zip(opens, closes, length, strict=True):
            if um >= LEAST_UM:
                jumping[i, first:last] = True
                found.append((i, first - before, um))
    cell, start, length_um = np.array(found, np.float64).reshape(-1, 3).T
    inside = (start >= 0) & (start < seen)
    return Cells(
        place_yx_um=place[:, before : before + seen + 1] - place[:, before : before + 1],
        jumping=jumping[:, before : before + seen],
        start_h=start[inside] * STEP_H,
        length_um=length_um[inside],
        cell=cell[inside].astype(np.int64),
    )


def _running(colony: Colony, rng: np.random.Generator, total: int) -> tuple[Floats, Ints]:
    """(S, 2) velocity and (S,) number of the run in each step, of one cell."""
    mean_pause = colony.pause_h
    if colony.cells_cv:
        mean_pause *= rng.gamma(1 / colony.cells_cv**2) * colony.cells_cv**2
    n = int(2 * total * STEP_H / (mean_pause + colony.run_h)) + 20
    pause = rng.gamma(colony.pause_shape, mean_pause / colony.pause_shape, n)
    run = rng.gamma(colony.run_shape, colony.run_h / colony.run_shape, n)
    times = np.empty(2 * n)
    times[::2], times[1::2] = pause, run
    steps = np.maximum(np.round(times / STEP_H).astype(np.int64), 1)
    phase = np.repeat(np.arange(2 * n), steps)[:total]
    since = (np.concatenate([np.arange(k) for k in steps])[:total] + 0.5) / steps[phase]
    in_run = phase % 2 == 1
    speed = np.where(rng.random(2 * n) < colony.fast_share, colony.fast_um_per_h, colony.slow_um_per_h)
    ramp = np.minimum(np.minimum(since, 1 - since) / max(colony.ramp, 1e-9), 1.0)
    pulled = rng.random(2 * n) < colony.pull
    base = np.cumsum(rng.normal(0, math.radians(colony.turn_deg), 2 * n)) + rng.uniform(-math.pi, math.pi)
    base = np.where(pulled, rng.vonmises(0.0, colony.pull_kappa, 2 * n), base)
    wander = rng.normal(0, math.radians(colony.wander_deg) * math.sqrt(STEP_H), len(phase)) * in_run
    drifted = np.cumsum(wander)
    opens = np.flatnonzero(np.diff(phase, prepend=-1) != 0)
    drifted -= np.repeat(drifted[opens], np.diff(np.append(opens, len(phase))))
    heading = base[phase] + drifted
    moving = np.where(in_run, speed[phase] * ramp, 0.0)[:, None] * np.stack([np.sin(heading), np.cos(heading)], axis=1)
    return moving, np.where(in_run, phase // 2 + 1, 0)


def _walking(colony: Colony, rng: np.random.Generator, n: int, total: int) -> Floats:
    """(n, S, 2) velocities of cells that never rest."""
    kept = math.exp(-STEP_H / colony.walk_h)
    spread = colony.walk_um_per_h / math.sqrt(2)
    velocity = rng.normal(0, spread * math.sqrt(1 - kept**2), (n, total, 2))
    velocity[:, 0] = rng.normal(0, spread, (n, 2))
    for t in range(1, total if n else 1):
        velocity[:, t] += kept * velocity[:, t - 1]
    return velocity


def film(colony: Colony, cells: Cells, rng: np.random.Generator) -> pd.DataFrame:
    """Their tracks, :data:`somanet.core.schema.TRACKS`; a cell that leaves the field is not seen again."""
    every = round(colony.interval_min / 60 / STEP_H)
    place = cells.place_yx_um[:, ::every]
    n, times = place.shape[:2]
    anchor = rng.uniform(0, FIELD_UM, (n, 1, 2))
    inside = ((place + anchor > 0) & (place + anchor < FIELD_UM)).all(axis=2)
    seen = np.logical_and.accumulate(inside, axis=1) & (rng.random((n, times)) >= colony.missed)
    error = np.full(n, colony.error_um)
    if colony.errors_cv:
        error = error * np.sqrt(rng.gamma(1 / (2 * colony.errors_cv) ** 2, size=n) * (2 * colony.errors_cv) ** 2)
    found = place + anchor + rng.normal(0, 1, place.shape) * error[:, None, None]
    cell, frame = np.nonzero(seen)
    y, x = found[cell, frame].T
    hours = frame * every * STEP_H
    table = {"track_id": cell + 1, "frame": frame, "t_h": hours, "y_px": y, "x_px": x, "y_um": y, "x_um": x}
    tracks = pd.DataFrame(table)[list(TRACKS.names)]
    return tracks[tracks.groupby("track_id")["frame"].transform("size") > 1].reset_index(drop=True)
