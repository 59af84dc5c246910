"""Tracks of a world's cells, as a linker would give them: with errors, breaks, swaps, and a scene that moves."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from somanet.analysis.validation.world_paths import simulate_paths
from somanet.analysis.validation.worlds import World
from somanet.core.schema import SALTATIONS, TRACKS
from somanet.migration.kinematics import Bools, Floats

FIELD_UM = 900.0
LEAST_JUMP_UM = 5.0
"""A shorter jump is not a saltation, by definition."""
PAIR_UM = 18.0
"""Distance at which the cells of a pair start, where tracks are swapped."""


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
