"""True paths of a world's cells: jumps, pauses, creep and walks, as arrays of (cells, jumps) or (cells, times)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from somanet.analysis.validation.worlds import World
from somanet.migration.kinematics import Bools, Floats

FINE_H = 1 / 60
"""Time step of true paths and of walks."""
WARM_UP_H = 30.0
"""Simulated before the first frame, so that the first frame is no special moment of a cell."""


@dataclass(frozen=True)
class Paths:
    """True motion of cells; a cell has jumps or is a walk, never both.

    Attributes:
        start_h, end_h: (N, K) of each jump, in order; beyond every time for what is not there.
        length_um: (N, K) net displacement of each.
        place_yx_um: (N, T, 2) at the times asked for.
        jumps: (N,) the cell jumps, at whatever rate.
    """

    start_h: Floats
    end_h: Floats
    length_um: Floats
    place_yx_um: Floats
    jumps: Bools


def simulate_paths(world: World, rng: np.random.Generator, *, n_cells: int, times_h: Floats) -> Paths:
    """True paths of some cells, from the origin at time 0."""
    kind = rng.permutation(n_cells) / n_cells
    walks = kind < world.walking_share
    jumps = ~walks & (rng.random(n_cells) >= world.resting_share)
    start, end, length, place = _saltatory(world, rng, jumps, times_h)
    if walks.any():
        place[walks] = _walks(world, rng, int(walks.sum()), times_h)
    return Paths(start, end, length, place, jumps)


def _saltatory(
    world: World, rng: np.random.Generator, jumps: Bools, times_h: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Start, end and length of jumps, and places: the jumps and creeps done so far, added up."""
    n = len(jumps)
    between = rng.normal(0, world.cell_log_sd, (3, n, 1)) * np.array([1.0, 0.5, 0.5]).reshape(3, 1, 1)
    pause_h, mean_um, mean_speed = (
        value * np.exp(z)
        for value, z in zip((world.pause_h, world.length_um, world.speed_um_per_h), between, strict=True)
    )
    horizon = WARM_UP_H + float(times_h[-1])
    k = int(1.5 * horizon / float((pause_h + mean_um / mean_speed).min())) + 20
    pause = _gamma(rng, pause_h, world.pause_cv, (n, k))
    length = _gamma(rng, mean_um, world.length_cv, (n, k))
    speed = np.maximum(_gamma(rng, mean_speed, world.speed_cv, (n, k)), 5.0)
    end = np.cumsum(pause + length / speed, axis=1) - WARM_UP_H - rng.uniform(0, 1, (n, 1)) * pause_h
    start = end - length / speed
    heading = _headings(world, rng, n, k)
    start[~jumps], end[~jumps] = np.inf, np.inf
    place = np.zeros((n, len(times_h), 2))
    bend = np.radians(world.arc_deg) * rng.uniform(-1, 1, (n, k))
    for i in range(n):  # cells one by one: (times, jumps) of one fit into the cache
        if jumps[i]:
            near = (end[i] > 0) & (start[i] < times_h[-1])
            done = np.clip((times_h[:, None] - start[i][near]) / (end[i] - start[i])[near], 0, 1)
            before = np.clip(-start[i][near] / (end[i] - start[i])[near], 0, 1)[None]
            moved = [
                _along(_travelled(world, share), length[i][near], bend[i][near], heading[i][near])
                for share in (done, before)
            ]
            place[i] += (moved[0] - moved[1]).sum(axis=1)
    creep = rng.uniform(0, world.creep_um_per_h, n) if world.creep_um_per_h else np.zeros(n)
    if creep.any():
        place += _crept(creep, start, end, heading, times_h)
    return start, end, length, place


def _gamma(rng: np.random.Generator, mean: Floats, cv: float, size: tuple[int, int]) -> Floats:
    if cv == 0:
        return np.broadcast_to(mean, size).copy()
    return np.asarray(rng.gamma(1 / cv**2, 1.0, size) * cv**2 * mean, np.float64)


def _headings(world: World, rng: np.random.Generator, n: int, k: int) -> Floats:
    if world.kappa > 0:
        return np.asarray(rng.vonmises(math.radians(world.axis_deg), world.kappa, (n, k)), np.float64)
    turn = rng.normal(0, math.radians(world.turn_sd_deg), (n, k))
    branch = (rng.random((n, k)) < world.branch_share) * rng.choice([-1, 1], (n, k)) * math.radians(70)
    return np.asarray(rng.uniform(-math.pi, math.pi, (n, 1)) + np.cumsum(turn + branch, axis=1), np.float64)


def _travelled(world: World, share: Floats) -> Floats:
    """Share of a jump's path at a share of its time."""
    if world.rise == 1 and world.fall == 1:
        return share
    return np.asarray(special.betainc(world.rise, world.fall, share), np.float64)


def _along(path: Floats, length: Floats, bend: Floats, heading: Floats) -> Floats:
    """(..., 2) place on an arc that turns by ``bend`` and whose chord has the length and heading given."""
    half = np.where(np.abs(bend) < 1e-6, 1e-6, bend) / 2
    forward = (np.sin(half * (2 * path - 1)) + np.sin(half)) / (2 * np.sin(half)) * length
    aside = (np.cos(half) - np.cos(half * (2 * path - 1))) / (2 * np.sin(half)) * length
    y = forward * np.sin(heading) + aside * np.cos(heading)
    x = forward * np.cos(heading) - aside * np.sin(heading)
    return np.stack([y, x], axis=-1)


def _crept(creep: Floats, start: Floats, end: Floats, heading: Floats, times_h: Floats) -> Floats:
    """(N, T, 2) what cells creep in their pauses, towards the next jump; cells without jumps go straight."""
    moved = np.zeros((len(creep), len(times_h), 2))
    for i, speed in enumerate(creep):
        if np.isinf(start[i]).all():
            rested, towards = times_h[:, None], heading[i][:1]
        else:
            since = np.maximum(np.concatenate([[-np.inf], end[i][:-1]]), 0.0)
            rested = np.clip(times_h[:, None], since, np.maximum(start[i], since)) - since
            towards = heading[i]
        unit = np.stack([np.sin(towards), np.cos(towards)], axis=-1)
        moved[i] = speed * rested @ unit
    return moved


def _walks(world: World, rng: np.random.Generator, n: int, times_h: Floats) -> Floats:
    """(N, T, 2) persistent walks: log speed is an Ornstein-Uhlenbeck process, heading diffuses."""
    fine = np.arange(0, float(times_h[-1]) + 2 * FINE_H, FINE_H)
    kept = math.exp(-FINE_H / world.walk_persistence_h)
    kick = rng.normal(0, world.walk_log_sd * math.sqrt(1 - kept**2), (len(fine), n))
    kick[0] = rng.normal(0, world.walk_log_sd, n)
    turn = rng.normal(0, math.sqrt(2 * FINE_H / world.walk_persistence_h), (len(fine), n))
    turn[0] = rng.uniform(-math.pi, math.pi, n)
    log_speed = np.empty_like(kick)
    log_speed[0] = kick[0]
    for t in range(1, len(fine)):
        log_speed[t] = kept * log_speed[t - 1] + kick[t]
    level = rng.normal(0, 0.5 * world.cell_log_sd, n)
    heading, step = np.cumsum(turn, axis=0), world.walk_um_per_h * np.exp(log_speed + level) * FINE_H
    path = np.cumsum(np.stack([step * np.sin(heading), step * np.cos(heading)], axis=-1), axis=0)
    path = np.concatenate([np.zeros((1, n, 2)), path])[: len(fine)]
    at = times_h / FINE_H
    low = np.minimum(at.astype(int), len(fine) - 2)
    part = (at - low)[:, None, None]
    return np.asarray((path[low] * (1 - part) + path[low + 1] * part).transpose(1, 0, 2), np.float64)
