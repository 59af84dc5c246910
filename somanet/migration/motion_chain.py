"""Chains of states of motion, and how they are fitted to the steps of all cells.

A stretch of one state has a velocity with some spread per axis that a step shares with the next one (an
autoregression); positions err, which adds 2σ² to the variance of a step and takes σ² from the covariance of two in a
row. A step after another state knows nothing of the one before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from somanet.migration.error_mixture import REST_UM_PER_H, RUN_UM_PER_H
from somanet.migration.kinematics import Floats, Steps
from somanet.migration.markov import Grid, Posterior, forward_backward

FASTEST_CREEP = 4.5
SLOWEST_WALK = 6.5
"""Spreads per axis in µm/h, root mean square speeds of 6.4 and 9.2: slow motion up to the first is a creep between
jumps, above the second it is a walk; a cell between them stays undecided."""
LEAST_SIGMA_UM = 0.05
ITERATIONS = 25
STICK = 0.85
NEVER = 1e-9
"""How often a stretch is in a state at least, so that a state without any has the errors of all."""
SHARED = 1 - np.geomspace(1.0, 1e-6, 160)
"""Correlations of the velocity from a step to the next that are tried. Were the last one lower, what even motion
changes by would be proportional to a state's spread, and the slowest state would take all even motion."""


@dataclass(frozen=True)
class Chain:
    """States in order of speed, and how a cell goes from one to the next.

    Attributes:
        spread: (K,) µm/h per axis of the velocity.
        shared: (K,) correlation of the velocity from a step to the next.
        lowest, highest: (K,) bounds of the spreads.
        change: (K, K) chances per frame.
        first: (K,) chances in the first step.
    """

    spread: Floats
    shared: Floats
    lowest: Floats
    highest: Floats
    change: Floats
    first: Floats

    @property
    def n_parameters(self) -> int:
        """Free numbers: spread and memory of each state, chances to change, first chances."""
        k = len(self.spread)
        return 2 * k + k * (k - 1) + k - 1


def _chain(spread: list[float], lowest: list[float], highest: list[float]) -> Chain:
    k = len(spread)
    away = (1 - STICK) / max(k - 1, 1)
    change = np.full((k, k), away) + np.eye(k) * (STICK - away) if k > 1 else np.ones((1, 1))
    start, low, high = (np.array(values, np.float64) for values in (spread, lowest, highest))
    # without memory at first, so that speed alone makes the first assignment
    return Chain(start, np.zeros(k), low, high, change, np.full(k, 1 / k))


def start_states(*, slowest_creep: float = REST_UM_PER_H) -> Chain:
    """Rest, creep from the given spread on, and run, where a fit begins."""
    low = REST_UM_PER_H
    return _chain([0.5 * low, 6.0, 40.0], [0.0, slowest_creep, RUN_UM_PER_H], [low, RUN_UM_PER_H, math.inf])


def start_saltatory() -> Chain:
    """Rest or slow creep, and motion."""
    return _chain([0.5 * FASTEST_CREEP, 40.0], [0.0, RUN_UM_PER_H], [FASTEST_CREEP, math.inf])


def start_continuous() -> Chain:
    """Two speeds of motion."""
    return _chain([12.0, 30.0], [SLOWEST_WALK, SLOWEST_WALK], [math.inf, math.inf])


def start_walk() -> Chain:
    """One motion."""
    return _chain([20.0], [0.0], [math.inf])


@dataclass(frozen=True)
class ChainData:
    """Steps on the grid, in µm, with the one before: arrays (stretches, columns, …).

    Attributes:
        grid: where the steps are.
        moved: (stretches, columns, 2) displacements.
        interval_h: of a step.
        error_variance, error_covariance: (stretches,) what errors add to the variance of a step, and to the covariance
            with the next, per axis.
    """

    grid: Grid
    moved: Floats
    interval_h: float
    error_variance: Floats
    error_covariance: Floats

    @classmethod
    def of(
        cls, steps: Steps, *, sigma_um: float, error_kept: float, of_cells: Mapping[int, float] | None = None
    ) -> ChainData:
        """The gap-free steps, with errors of that size and memory; of some cells, of a size of their own."""
        grid = Grid.of(steps)
        moved = np.zeros((*grid.seen.shape, 2))
        moved[grid.row, grid.column] = steps.displacement_yx_um[grid.index]
        track = np.zeros(len(grid.seen), np.int64)
        track[grid.row] = steps.track_id[grid.index]
        ids, cell = np.unique(track, return_inverse=True)
        own = np.array([(of_cells or {}).get(one, sigma_um) for one in ids.tolist()], np.float64)
        squared, changed = np.fmax(own, LEAST_SIGMA_UM)[cell] ** 2, 1 - error_kept
        return cls(grid, moved, steps.interval_h, 2 * squared * changed, -squared * changed**2)


def _moments(data: ChainData, chain: Chain) -> tuple[Floats, Floats]:
    """(stretches, K) variance of a step and covariance with the next, per axis."""
    motion = (chain.spread * data.interval_h) ** 2
    return motion + data.error_variance[:, None], chain.shared * motion + data.error_covariance[:, None]


def posterior_of(data: ChainData, chain: Chain) -> Posterior:
    """What the steps say of the states of that chain."""
    variance, covariance = _moments(data, chain)
    kept = covariance / variance
    left = variance - covariance * kept
    squared = (data.moved**2).sum(axis=2)[:, :, None]
    alone = -squared / (2 * variance[:, None]) - np.log(2 * math.pi * variance[:, None])  # (S, T, K)
    before, after = data.moved[:, :-1], data.moved[:, 1:]
    error = ((after[..., None] - before[..., None] * kept[:, None, None]) ** 2).sum(axis=2)  # (S, T - 1, K)
    follows = -error / (2 * left[:, None]) - np.log(2 * math.pi * left[:, None])
    k = len(chain.spread)
    moves = np.repeat(alone[:, 1:, None, :], k, axis=2)
    moves[:, :, np.arange(k), np.arange(k)] = follows
    with np.errstate(divide="ignore"):
        first, change = np.log(chain.first), np.log(chain.change)
    return forward_backward(alone[:, 0] + first, moves + change, data.grid.seen)


def updated(data: ChainData, chain: Chain, found: Posterior, weight: Floats) -> Chain:
    """The chain that fits the posterior best, each stretch with its weight."""
    seen = data.grid.seen
    states = found.states * seen[:, :, None] * weight[:, None, None]
    pairs = found.pairs * weight[:, None, None, None]
    k = len(chain.spread)
    total = np.maximum(states.sum(axis=(0, 1)), 1e-9)
    variance = (states * (data.moved**2).sum(axis=2)[:, :, None]).sum(axis=(0, 1)) / (2 * total)
    motion = np.maximum(variance - states.sum(axis=1).T @ data.error_variance / total, 0.0)
    spread = np.clip(np.sqrt(motion) / data.interval_h, chain.lowest, chain.highest)
    shared = _shared(data, pairs[:, :, np.arange(k), np.arange(k)], spread)
    counts = pairs.sum(axis=(0, 1)) + 1.0
    first = states[:, 0].sum(axis=0) + 1.0
    return replace(
        chain,
        spread=spread,
        shared=shared,
        change=counts / counts.sum(axis=1, keepdims=True),
        first=first / first.sum(),
    )


def _shared(data: ChainData, same: Floats, spread: Floats) -> Floats:
    """(K,) correlations under which steps that follow one of the same state are likeliest, given the spreads.

    Not covariance over variance: where a bound keeps the spread from being that of the steps, such a ratio is that of
    no chain, and the likelihood falls from one iteration to the next.

    Args:
        data: the steps.
        same: (stretches, columns - 1, K) chance that a step and the next are both of a state.
        spread: (K,) of the velocities.
    """
    before, after = data.moved[:, :-1], data.moved[:, 1:]
    total = np.maximum(2 * same.sum(axis=(0, 1)), 1e-9)
    often = same.sum(axis=1).T + NEVER  # (K, stretches)
    error_variance, error_covariance = (
        often @ one / often.sum(axis=1) for one in (data.error_variance, data.error_covariance)
    )
    squared, product, following = (
        (same * (a * b).sum(axis=2)[:, :, None]).sum(axis=(0, 1)) / total
        for a, b in ((before, before), (before, after), (after, after))
    )
    motion = (spread * data.interval_h) ** 2
    variance = motion + error_variance
    covariance = SHARED[:, None] * motion + error_covariance  # (candidates, K)
    kept = covariance / variance
    left = variance - covariance * kept
    surprise = np.log(left) + (following - 2 * kept * product + kept**2 * squared) / left
    return np.asarray(np.where(spread > 0, SHARED[surprise.argmin(axis=0)], 0.0), np.float64)


def fitted(data: ChainData, chain: Chain, weight: Floats, *, iterations: int = ITERATIONS) -> tuple[Chain, Posterior]:
    """The chain that fits best, by expectation maximisation, with its posterior; stretches count by their weight."""
    found = posterior_of(data, chain)
    for _ in range(iterations):
        before = float(found.log_likelihood @ weight)
        chain = updated(data, chain, found, weight)
        found = posterior_of(data, chain)
        if abs(float(found.log_likelihood @ weight) - before) < 1e-3:
            break
    return chain, found
