"""Worlds that nothing was tuned on: tracks of cells that move otherwise than :mod:`somanet.simulation` has it.

A second simulator, with other assumptions and no code of the first: jumps speed up and slow down, bend, and branch;
cells creep between jumps, or never rest; positions err with a memory; cells differ; tracks break and swap; the scene
turns. Everything is an array of (cells, jumps) or (cells, times). The true numbers follow from the jumps and the paths
by definition, not from what a detector finds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import special

from somanet.core.schema import SALTATIONS, TRACKS
from somanet.migration.kinematics import Bools, Floats

FIELD_UM = 900.0
FINE_H = 1 / 60
"""Time step of true paths and of walks."""
WARM_UP_H = 30.0
"""Simulated before the first frame, so that the first frame is no special moment of a cell."""
LEAST_JUMP_UM = 5.0
"""A shorter jump is not a saltation, by definition."""
PAIR_UM = 18.0
"""Distance at which the cells of a pair start, where tracks are swapped."""
TRUTH_CELLS = 3000
CHUNK = 250


@dataclass(frozen=True)
class World:
    """How cells move and how they are seen.

    Attributes:
        name: in a table.
        interval_min: between frames.
        hours: length of the movie.
        n_cells: in it.
        resting_share: cells that never jump.
        walking_share: cells that never rest: persistent walks of changing speed.
        pause_h: mean pause of the median cell.
        pause_cv: spread of a cell's pauses (gamma): 1 is exponential, below it regular, above it in bursts.
        length_um, length_cv: net displacement of jumps (gamma).
        speed_um_per_h, speed_cv: net displacement over duration of a jump (gamma).
        rise, fall: speed within a jump, ∝ u^(rise - 1)·(1 - u)^(fall - 1) at the share u of its time; 1, 1 is even.
        arc_deg: a jump bends by as much as this, either way.
        turn_sd_deg: change of heading from jump to jump.
        branch_share: chance that a jump takes another branch, 70° aside.
        kappa: concentration of a cell's jumps around the axis (von Mises); 0 where headings follow one another instead.
        axis_deg: that axis; 0 = right, 90 = down.
        creep_um_per_h: cells creep in pauses at 0 to this speed, each at its own.
        walk_um_per_h, walk_log_sd, walk_persistence_h: median speed of walks, its spread in time, and the time for
            which a walk keeps speed and heading.
        cell_log_sd: spread between cells (log-normal) of mean pause, and half of it of mean length and speed.
        noise_um: error of positions, sd per axis.
        noise_freedom: degrees of freedom of Student's t that errors follow, of the same sd; 0 for normal ones.
        noise_memory_h: time over which the error is forgotten (AR(1)); 0 for none.
        breaks_per_h: how often a track breaks, with one frame lost; four times as often in a jump.
        swaps_per_h: how often the two cells of a pair swap their tracks.
        rotation_deg_per_h: of the scene about its centre.
        drift_um_per_h: of the scene, towards the lower right.
    """

    name: str = "base"
    interval_min: float = 10.0
    hours: float = 12.0
    n_cells: int = 30
    resting_share: float = 0.15
    walking_share: float = 0.0
    pause_h: float = 1.5
    pause_cv: float = 1.0
    length_um: float = 25.0
    length_cv: float = 0.35
    speed_um_per_h: float = 75.0
    speed_cv: float = 0.2
    rise: float = 1.0
    fall: float = 1.0
    arc_deg: float = 0.0
    turn_sd_deg: float = 25.0
    branch_share: float = 0.0
    kappa: float = 0.0
    axis_deg: float = 0.0
    creep_um_per_h: float = 0.0
    walk_um_per_h: float = 25.0
    walk_log_sd: float = 0.5
    walk_persistence_h: float = 1.0
    cell_log_sd: float = 0.0
    noise_um: float = 0.5
    noise_freedom: float = 0.0
    noise_memory_h: float = 0.0
    breaks_per_h: float = 0.0
    swaps_per_h: float = 0.0
    rotation_deg_per_h: float = 0.0
    drift_um_per_h: float = 0.0

    @property
    def rests(self) -> bool:
        """Whether there are saltations to speak of: cells jump and, between jumps, rest or creep slowly."""
        return self.walking_share < 0.5 and self.creep_um_per_h <= 6.0

    @property
    def times_h(self) -> Floats:
        """Times of the frames."""
        step = self.interval_min / 60
        return np.arange(round(self.hours / step) + 1, dtype=np.float64) * step


BASE = World()
WORLDS: tuple[World, ...] = (
    BASE,
    replace(BASE, name="accelerating", rise=1.4, fall=3.0),
    replace(BASE, name="ramps", rise=2.0, fall=2.0),
    replace(
        BASE, name="ramps, outliers, creep", rise=2.0, fall=2.0, noise_um=0.6, noise_freedom=3.0, creep_um_per_h=4.0
    ),
    replace(BASE, name="outliers", noise_um=0.6, noise_freedom=3.0),
    replace(BASE, name="arcs", arc_deg=120.0),
    replace(BASE, name="branches", branch_share=0.4, turn_sd_deg=15.0),
    replace(BASE, name="creep to 5 µm/h", creep_um_per_h=5.0),
    replace(BASE, name="creep to 15 µm/h", creep_um_per_h=15.0),
    replace(BASE, name="noise 0.3 µm, memory", noise_um=0.3, noise_memory_h=0.25),
    replace(BASE, name="noise 1 µm", noise_um=1.0),
    replace(BASE, name="noise 1.5 µm, memory", noise_um=1.5, noise_memory_h=0.25),
    replace(BASE, name="noise 2.5 µm, memory", noise_um=2.5, noise_memory_h=0.25),
    replace(BASE, name="cells differ", cell_log_sd=0.8),
    replace(BASE, name="a third never rests", walking_share=0.33),
    replace(BASE, name="none rests", walking_share=1.0, resting_share=0.0),
    replace(BASE, name="bursts", pause_cv=1.5),
    replace(BASE, name="regular", pause_cv=0.4),
    replace(BASE, name="breaks", breaks_per_h=0.1),
    replace(BASE, name="swaps", swaps_per_h=0.05),
    replace(BASE, name="rotation", rotation_deg_per_h=0.3),
    replace(
        BASE, name="much at once", rise=1.4, fall=3.0, arc_deg=60.0, branch_share=0.2, creep_um_per_h=4.0,
        cell_log_sd=0.5, noise_um=0.8, noise_memory_h=0.1, breaks_per_h=0.05,
    ),
)  # fmt: skip
"""One thing differs from the base in each, all of it a little in the last."""


def random_world(rng: np.random.Generator, *, name: str = "random") -> World:
    """A world with every property drawn at random, most of them plain: what a lab's movie may be."""

    def some(chance: float, value: float, otherwise: float = 0.0) -> float:
        return value if rng.random() < chance else otherwise

    return World(
        name=name,
        interval_min=float(rng.choice([5.0, 10.0, 12.0, 15.0, 20.0])),
        hours=float(rng.choice([8.0, 12.0, 16.0])),
        n_cells=int(rng.integers(12, 60)),
        resting_share=float(rng.uniform(0, 0.4)),
        walking_share=some(0.35, float(rng.uniform(0.2, 1.0))),
        pause_h=float(np.exp(rng.uniform(np.log(0.6), np.log(4.0)))),
        pause_cv=some(0.4, float(rng.uniform(0.4, 1.6)), 1.0),
        length_um=float(rng.uniform(12, 45)),
        length_cv=float(rng.uniform(0.2, 0.7)),
        speed_um_per_h=float(rng.uniform(40, 120)),
        speed_cv=float(rng.uniform(0.1, 0.5)),
        rise=some(0.5, float(rng.uniform(1.0, 2.0)), 1.0),
        fall=some(0.5, float(rng.uniform(1.0, 3.0)), 1.0),
        arc_deg=some(0.4, float(rng.uniform(20, 120))),
        turn_sd_deg=float(rng.uniform(10, 60)),
        branch_share=some(0.4, float(rng.uniform(0.1, 0.5))),
        kappa=some(0.2, float(rng.uniform(1, 8))),
        axis_deg=float(rng.uniform(-180, 180)),
        creep_um_per_h=some(0.5, float(rng.uniform(1, 15))),
        walk_um_per_h=float(rng.uniform(10, 45)),
        walk_log_sd=float(rng.uniform(0.2, 0.9)),
        walk_persistence_h=float(rng.uniform(0.3, 3.0)),
        cell_log_sd=some(0.5, float(rng.uniform(0.2, 0.8))),
        noise_um=float(np.exp(rng.uniform(np.log(0.3), np.log(2.5)))),
        noise_memory_h=some(0.4, float(rng.uniform(0.05, 0.4))),
        breaks_per_h=some(0.4, float(rng.uniform(0.02, 0.15))),
        swaps_per_h=some(0.2, float(rng.uniform(0.01, 0.05))),
    )


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


def simulate_world(world: World, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One movie's tracks, as a linker would give them, and the true jumps that start in it.

    Returns:
        :data:`somanet.core.schema.TRACKS`, a pixel being 1 µm, and :data:`somanet.core.schema.SALTATIONS` by true
        cell (1, 2, …), which a track's id is only while tracks neither break nor swap.
    """
    rng = np.random.default_rng(seed)
    times = world.times_h
    paths = simulate_paths(world, rng, n_cells=world.n_cells, times_h=times)
    anchor = rng.uniform(0, FIELD_UM, (world.n_cells, 2))
    if world.swaps_per_h:
        near = rng.uniform(-math.pi, math.pi, world.n_cells // 2)
        pairs = anchor[: 2 * len(near)].reshape(-1, 2, 2)
        pairs[:, 1] = pairs[:, 0] + PAIR_UM * np.stack([np.sin(near), np.cos(near)], axis=-1)
    seen = _as_filmed(world, anchor[:, None] + paths.place_yx_um, times) + _noise(world, rng, times.size)
    frame = np.tile(np.arange(times.size), world.n_cells)
    if world.swaps_per_h:
        seen = _swapped(world, rng, seen)
    between = (times[:, None] > paths.start_h[:, None]) & (times[:, None] < paths.end_h[:, None])
    moving = np.asarray(between.any(axis=2), bool)
    kept, track = _broken(world, rng, moving)
    y, x = seen.reshape(-1, 2).T
    tracks = pd.DataFrame(
        {"track_id": track.ravel(), "frame": frame, "t_h": times[frame], "y_px": y, "x_px": x, "y_um": y, "x_um": x}
    )[kept.ravel()]
    started = (paths.start_h >= 0) & (paths.start_h < times[-1]) & (paths.length_um >= LEAST_JUMP_UM)
    row, column = np.nonzero(started)
    begin, end, length = (values[row, column] for values in (paths.start_h, paths.end_h, paths.length_um))
    jumps = pd.DataFrame(
        {
            "track_id": row + 1,
            "start_h": begin,
            "end_h": end,
            "length_um": length,
            "speed_um_per_h": length / (end - begin),
        }
    )
    return tracks[list(TRACKS.names)].reset_index(drop=True), jumps[list(SALTATIONS.names)]


def _as_filmed(world: World, place: Floats, times_h: Floats) -> Floats:
    """The scene turned and shifted as time goes by."""
    if not (world.rotation_deg_per_h or world.drift_um_per_h):
        return place
    angle = np.radians(world.rotation_deg_per_h) * times_h
    y, x = (place - FIELD_UM / 2).transpose(2, 0, 1)
    turned = np.stack([y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)], axis=-1)
    shift = (world.drift_um_per_h / math.sqrt(2) * times_h)[None, :, None]
    return np.asarray(turned + FIELD_UM / 2 + shift, np.float64)


def _noise(world: World, rng: np.random.Generator, n_times: int) -> Floats:
    """(N, T, 2) errors with the same spread at all times, remembered for a while."""
    kept = math.exp(-world.interval_min / 60 / world.noise_memory_h) if world.noise_memory_h else 0.0
    shape = (world.n_cells, n_times, 2)
    if world.noise_freedom:
        unit = math.sqrt(1 - 2 / world.noise_freedom)
        error = np.asarray(world.noise_um * unit * rng.standard_t(world.noise_freedom, shape), np.float64)
    else:
        error = rng.normal(0, world.noise_um, shape)
    for t in range(1, n_times if kept else 1):
        error[:, t] = kept * error[:, t - 1] + math.sqrt(1 - kept**2) * error[:, t]
    return error


def _swapped(world: World, rng: np.random.Generator, seen: Floats) -> Floats:
    """Pairs of cells exchange their places from a frame on, as often as the world has it, and so back and forth."""
    seen, n_pairs = seen.copy(), len(seen) // 2
    events = rng.random((n_pairs, seen.shape[1])) < world.swaps_per_h * world.interval_min / 60
    odd = np.cumsum(events, axis=1) % 2 == 1
    pairs = seen[: 2 * n_pairs].reshape(n_pairs, 2, -1, 2)
    pairs[:] = np.where(odd[:, None, :, None], pairs[:, ::-1], pairs)
    return seen


def _broken(world: World, rng: np.random.Generator, moving: Bools) -> tuple[Bools, np.ndarray]:
    """(N, T) frames that are kept, and the track that each belongs to: a new id after each break."""
    chance = world.breaks_per_h * world.interval_min / 60 * np.where(moving, 4.0, 1.0)
    lost = rng.random(moving.shape) < chance
    n_cells = len(moving)
    piece = np.cumsum(lost, axis=1)
    return ~lost, 1 + np.arange(n_cells)[:, None] + n_cells * piece


@lru_cache(maxsize=256)
def _true_numbers(world: World) -> Mapping[str, float]:
    rng = np.random.default_rng(20260101)
    fine = np.linspace(0.0, world.hours, round(world.hours / FINE_H) + 1)
    sums: dict[str, float] = {}
    vectors = np.zeros(2)
    n_cells = 0
    for _ in range(TRUTH_CELLS // CHUNK):
        paths = simulate_paths(world, rng, n_cells=CHUNK, times_h=fine)
        n_cells += CHUNK
        begin, end, length = paths.start_h, np.minimum(paths.end_h, 1e6), paths.length_um
        saltation = (length >= LEAST_JUMP_UM) & paths.jumps[:, None]
        starts = saltation & (begin >= 0) & (begin < world.hours)
        inside = np.where(saltation, np.clip(end, 0, world.hours) - np.clip(begin, 0, world.hours), 0.0)
        net = paths.place_yx_um[:, -1]
        path = np.hypot(*np.diff(paths.place_yx_um, axis=1).transpose(2, 0, 1)).sum(axis=1)
        hour = round(1 / FINE_H)
        hourly = paths.place_yx_um[:, hour:] - paths.place_yx_um[:, :-hour]
        far = np.hypot(*net.T)
        moved = far > 0
        unit = np.divide(net, far[:, None], out=np.zeros_like(net), where=moved[:, None])
        saltates = starts.any(axis=1)
        pieces = {
            "n": float(starts.sum()),
            "length": float(length[starts].sum()),
            "duration": float((end - begin)[starts].sum()),
            "moving": float(inside.sum()),
            "pause": float((world.hours - inside.sum(axis=1))[saltates].sum()),
            "path": float(path.sum()),
            "hour": float(np.hypot(*hourly.transpose(2, 0, 1)).mean(axis=1).sum()),
            "hour2": float((hourly**2).sum(axis=2).mean(axis=1).sum()),
            "straight": float(np.divide(far, path, out=np.zeros_like(far), where=path > 0).sum()),
            "directed": float(moved.sum()),
            "saltating": float(saltates.sum()),
            "vy": float(net[:, 0].sum()),
            "vx": float(net[:, 1].sum()),
        }
        sums = {name: sums.get(name, 0.0) + value for name, value in pieces.items()}
        vectors += unit.sum(axis=0)
    hours = n_cells * world.hours

    def per(name: str, whole: float) -> float:
        return sums[name] / whole if whole else math.nan

    axis = np.array([math.sin(math.radians(world.axis_deg)), math.cos(math.radians(world.axis_deg))])
    velocity = np.array([sums["vy"], sums["vx"]]) / hours
    mean_unit = vectors / sums["directed"] if sums["directed"] else np.full(2, math.nan)
    return {
        "frequency_per_h": per("n", hours),
        "length_um": per("length", sums["n"]),
        "duration_h": per("duration", sums["n"]),
        "speed_um_per_h": per("length", sums["duration"]),
        "pause_h": per("pause", sums["n"]),
        "pause_fraction": 1 - per("moving", hours),
        "average_speed_um_per_h": per("path", hours),
        "net_speed_1h_um_per_h": per("hour", n_cells),
        "rms_speed_1h_um_per_h": math.sqrt(per("hour2", n_cells)),
        "straightness": per("straight", sums["directed"]),
        "saltating_share": per("saltating", n_cells),
        "velocity_y_um_per_h": float(velocity[0]),
        "velocity_x_um_per_h": float(velocity[1]),
        "velocity_along_axis_um_per_h": float(velocity @ axis),
        "resultant": float(np.hypot(*mean_unit)),
        "along_axis": float(mean_unit @ axis),
    }


def true_numbers(world: World) -> Mapping[str, float]:
    """What is true of a world's cells, on average over many of them; NaN where undefined (no cell jumps).

    - ``frequency_per_h``: jumps of at least 5 µm that start in the movie, over the time of all cells; ``length_um``,
      ``duration_h``: their mean net displacement and duration; ``speed_um_per_h``: sum of lengths over sum of
      durations; ``saltating_share``: cells that start one.
    - ``pause_h``: time outside such jumps of cells that start one, over the number of jumps; ``pause_fraction``: time
      outside them of all cells, walks included, over all time.
    - ``average_speed_um_per_h``: path at 1 min over time; ``straightness``: mean of cells of net displacement over
      path; ``net_speed_1h_um_per_h``, ``rms_speed_1h_um_per_h``: mean and root mean square of the displacement in an
      hour.
    - ``velocity_…``: mean net displacement over time, also along the axis; ``resultant``, ``along_axis``: of the
      directions of cells' net displacements. All of them without noise, breaks, swaps, rotation and drift.
    """
    plain = replace(
        world, name="", interval_min=1.0, n_cells=1, noise_um=0.0, noise_memory_h=0.0, breaks_per_h=0.0,
        swaps_per_h=0.0, rotation_deg_per_h=0.0, drift_um_per_h=0.0,
    )  # fmt: skip
    return _true_numbers(plain)
