"""How neurons move: saltations (pauses and jumps), nucleokinesis, and the drift of the stage.

Lengths are µm, times h, angles radians with 0 = +x and π/2 = +y (down).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from somanet.simulation.settings import NeuronSettings

Floats = NDArray[np.float64]

# The nucleus catches up at (1 + this) times the soma's speed: it rests, then moves faster than the cell.
CATCH_UP = 2.0
JITTER_MEMORY_H = 0.5


@dataclass(frozen=True)
class CellPath:
    """The true path of one soma centre, without jitter and without stage drift.

    Attributes:
        anchor_yx_um: position at time 0.
        starts_h, ends_h: when each jump starts and ends, in order, not overlapping.
        jumps_yx_um: (K, 2) displacement of each jump.
        headings_rad: (K,) direction of each jump, unwrapped (no 2π steps).
        first_heading_rad: heading where there is no jump.
    """

    anchor_yx_um: Floats
    starts_h: Floats
    ends_h: Floats
    jumps_yx_um: Floats
    headings_rad: Floats
    first_heading_rad: float = 0.0

    @property
    def lengths_um(self) -> Floats:
        """Net displacement of each jump."""
        return np.hypot(self.jumps_yx_um[:, 0], self.jumps_yx_um[:, 1])

    @property
    def speeds_um_per_h(self) -> Floats:
        """Length over duration of each jump."""
        return self.lengths_um / (self.ends_h - self.starts_h)

    def position(self, t_h: Floats) -> Floats:
        """(N, 2) true ``(y, x)`` in µm: straight at constant speed within a jump, at rest between."""
        return self.anchor_yx_um + self._displacement(t_h) - self._displacement(np.zeros(1))

    def _displacement(self, t_h: Floats) -> Floats:
        return self.progress(t_h) @ self.jumps_yx_um

    def progress(self, t_h: Floats) -> Floats:
        """(N, K) done share of each jump at each time, 0 before it and 1 after it."""
        t = np.asarray(t_h, float)[:, None]
        return np.clip((t - self.starts_h) / (self.ends_h - self.starts_h), 0.0, 1.0)

    def jumping(self, t_h: Floats) -> NDArray[np.bool_]:
        """(N,) whether the soma is inside a jump."""
        done = self.progress(t_h)
        return np.asarray(((done > 0) & (done < 1)).any(axis=1))

    def heading(self, t_h: Floats) -> Floats:
        """(N,) direction of the leading process: the jump's; between jumps it swings to the next one."""
        if self.starts_h.size == 0:
            return np.full(np.asarray(t_h).shape, self.first_heading_rad)
        knots = np.stack([self.starts_h, self.ends_h], axis=1).ravel()
        return np.asarray(np.interp(t_h, knots, np.repeat(self.headings_rad, 2)), np.float64)

    def nucleus_lag(self, t_h: Floats, *, greatest_um: float) -> Floats:
        """(N,) distance in µm by which the nucleus trails the soma's centre.

        The nucleus rests while the soma sets off, follows at the greatest lag, and then jumps forward to
        join it.
        """
        done = self.progress(t_h)
        lag = np.minimum(done, CATCH_UP * (1 - done)) * self.lengths_um
        return np.asarray(np.minimum(lag.sum(axis=1), greatest_um), np.float64)


def _gamma(rng: np.random.Generator, mean: float, cv: float, size: int) -> Floats:
    # The shape 1/cv² overflows for a tiny cv; there is no visible spread below a millionth.
    if cv < 1e-6:
        return np.full(size, mean)
    return rng.gamma(1 / cv**2, mean * cv**2, size)


def simulate_path(
    rng: np.random.Generator, anchor_yx_um: Floats, *, duration_h: float, settings: NeuronSettings
) -> CellPath:
    """Draw one cell's path from before time 0 to after ``duration_h``.

    It is run in over ten mean cycles, so that time 0 falls into pauses and jumps as often as any other time.
    """
    heading = np.deg2rad(settings.heading_deg) + rng.vonmises(0.0, settings.heading_concentration)
    moves = rng.random() < settings.motile_fraction
    cycle_h = settings.pause_mean_h + settings.jump_length_um / settings.jump_speed_um_per_h
    start_h = -10 * cycle_h
    starts, ends, lengths = [np.empty(0)], [np.empty(0)], [np.empty(0)]
    while moves and start_h <= duration_h:
        n = 16
        pauses = rng.exponential(settings.pause_mean_h, n)
        # A jump of no length or an endless one would divide by zero below.
        length = np.maximum(_gamma(rng, settings.jump_length_um, settings.jump_length_cv, n), 1e-6)
        speed = np.maximum(_gamma(rng, settings.jump_speed_um_per_h, settings.jump_speed_cv, n), 1e-6)
        end = start_h + np.cumsum(pauses + length / speed)
        starts.append(end - length / speed)
        ends.append(end)
        lengths.append(length)
        start_h = float(end[-1])
    length = np.concatenate(lengths)
    headings = heading + np.cumsum(rng.normal(0.0, np.deg2rad(settings.turning_sd_deg), length.size))
    jumps = length[:, None] * np.stack([np.sin(headings), np.cos(headings)], axis=1)
    return CellPath(
        np.asarray(anchor_yx_um, float),
        np.concatenate(starts),
        np.concatenate(ends),
        jumps,
        headings,
        float(heading),
    )


def wander(rng: np.random.Generator, t_h: Floats, *, memory_h: float, n: int = 1) -> Floats:
    """(len(t), n) series of mean 0 and standard deviation 1 that forget themselves over ``memory_h``.

    An Ornstein-Uhlenbeck process, exact at the given times whatever their spacing.
    """
    series = rng.standard_normal((t_h.size, n))
    keep = np.exp(-np.diff(t_h) / memory_h)
    for i, k in enumerate(keep, start=1):
        series[i] = k * series[i - 1] + np.sqrt(1 - k**2) * series[i]
    return series


def soma_positions(rng: np.random.Generator, path: CellPath, t_h: Floats, *, settings: NeuronSettings) -> Floats:
    """(N, 2) soma centres in µm at the frames: the path, plus jitter in the pauses only.

    Jitter vanishes in jumps, so a jump's recorded length is that of the path.
    """
    jitter = wander(rng, t_h, memory_h=JITTER_MEMORY_H, n=2) * settings.pause_jitter_um
    jitter[path.jumping(t_h)] = 0.0
    return path.position(t_h) + jitter


def stage_drift(rng: np.random.Generator, t_h: Floats, *, um_per_h: float) -> Floats:
    """(N, 2) shift ``(y, x)`` of the whole scene in µm against the first frame: a random walk."""
    steps = rng.standard_normal((t_h.size, 2)) * um_per_h
    steps[1:] *= np.sqrt(np.diff(t_h))[:, None]
    steps[0] = 0.0
    return np.cumsum(steps, axis=0)
