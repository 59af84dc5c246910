"""How cells move: states of each step, and whether a cell saltates, keeps moving, or rests.

Three states of a step: at rest, creeping, running. A stretch of one state has a velocity with some spread per axis
that a step shares with the next one (an autoregression); positions err, which adds 2σ² to the variance of a step and
takes σ² from the covariance of two in a row. A step after another state knows nothing of the one before.

Two models of a cell. *Saltatory*: it alternates between rest, or a creep up to :data:`FASTEST_CREEP`, and motion.
*Continuous*: it alternates between two speeds of motion above :data:`SLOWEST_WALK`: a persistent walk whose speed
changes. Both have the same number of parameters, so their likelihoods compare fairly; both, and mixtures of cells of
both kinds, are fitted to the whole movie by expectation maximisation, and each cell has its posterior. A third, simpler
model is one persistent walk of even spread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from somanet.migration.intervals import Estimate, Scale, not_estimated, too_wide
from somanet.migration.kinematics import Floats, Ints, Steps
from somanet.migration.markov import Grid, Posterior, forward_backward
from somanet.migration.noise import REST_UM_PER_H, RUN_UM_PER_H

REST, CREEP, RUN = "rest", "creep", "run"
STATES = (REST, CREEP, RUN)
SALTATORY, CONTINUOUS, RESTING, UNDECIDED = "saltatory", "continuous", "resting", "undecided"
MODES = (SALTATORY, CONTINUOUS, RESTING, UNDECIDED)
FASTEST_CREEP = 4.5
SLOWEST_WALK = 6.5
"""Spreads per axis in µm/h, root mean square speeds of 6.4 and 9.2: slow motion up to the first is a creep between
jumps, above the second it is a walk; a cell between them stays undecided."""
SURE = 0.9
LEAST_RUN = 0.02
"""A cell that runs for less of its time than this has not been seen to jump."""
LEAST_PAUSE = 0.1
"""A cell that rests for less of its time than this, even by the saltatory model, keeps moving."""
LEAST_RESTING = 0.5
"""A cell without a saltation that rests for less of its time than this stays undecided."""
LEAST_SIGMA_UM = 0.05
ITERATIONS = 25
RESAMPLES = 1000
STICK = 0.85


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
    return Chain(start, np.full(k, 0.5), low, high, change, np.full(k, 1 / k))


def _start_states(*, slowest_creep: float = REST_UM_PER_H) -> Chain:
    low = REST_UM_PER_H
    return _chain([0.5 * low, 6.0, 40.0], [0.0, slowest_creep, RUN_UM_PER_H], [low, RUN_UM_PER_H, math.inf])


def _start_saltatory() -> Chain:
    return _chain([0.5 * FASTEST_CREEP, 40.0], [0.0, RUN_UM_PER_H], [FASTEST_CREEP, math.inf])


def _start_continuous() -> Chain:
    return _chain([12.0, 30.0], [SLOWEST_WALK, SLOWEST_WALK], [math.inf, math.inf])


def _start_walk() -> Chain:
    return _chain([20.0], [0.0], [math.inf])


@dataclass(frozen=True)
class _Data:
    """Steps on the grid, in µm, with the one before: arrays (stretches, columns, …)."""

    grid: Grid
    moved: Floats
    interval_h: float
    error_variance: float
    error_covariance: float

    @classmethod
    def of(cls, steps: Steps, *, sigma_um: float, error_kept: float) -> _Data:
        grid = Grid.of(steps)
        moved = np.zeros((*grid.seen.shape, 2))
        moved[grid.row, grid.column] = steps.displacement_yx_um[grid.index]
        squared, changed = max(sigma_um, LEAST_SIGMA_UM) ** 2, 1 - error_kept
        return cls(grid, moved, steps.interval_h, 2 * squared * changed, -squared * changed**2)


def _moments(data: _Data, chain: Chain) -> tuple[Floats, Floats]:
    """(K,) variance of a step and covariance with the next, per axis."""
    motion = (chain.spread * data.interval_h) ** 2
    return motion + data.error_variance, chain.shared * motion + data.error_covariance


def _posterior(data: _Data, chain: Chain) -> Posterior:
    variance, covariance = _moments(data, chain)
    kept = covariance / variance
    left = variance - covariance * kept
    squared = (data.moved**2).sum(axis=2)[:, :, None]
    alone = -squared / (2 * variance) - np.log(2 * math.pi * variance)  # (S, T, K)
    before, after = data.moved[:, :-1], data.moved[:, 1:]
    error = ((after[..., None] - before[..., None] * kept) ** 2).sum(axis=2)  # (S, T - 1, K)
    follows = -error / (2 * left) - np.log(2 * math.pi * left)
    k = len(variance)
    moves = np.repeat(alone[:, 1:, None, :], k, axis=2)
    moves[:, :, np.arange(k), np.arange(k)] = follows
    with np.errstate(divide="ignore"):
        first, change = np.log(chain.first), np.log(chain.change)
    return forward_backward(alone[:, 0] + first, moves + change, data.grid.seen)


def _updated(data: _Data, chain: Chain, found: Posterior, weight: Floats) -> Chain:
    """The chain that fits the posterior best, each stretch with its weight."""
    seen = data.grid.seen
    states = found.states * seen[:, :, None] * weight[:, None, None]
    pairs = found.pairs * weight[:, None, None, None]
    k = len(chain.spread)
    total = np.maximum(states.sum(axis=(0, 1)), 1e-9)
    variance = (states * (data.moved**2).sum(axis=2)[:, :, None]).sum(axis=(0, 1)) / (2 * total)
    motion = np.maximum(variance - data.error_variance, 0.0)
    spread = np.clip(np.sqrt(motion) / data.interval_h, chain.lowest, chain.highest)
    same = pairs[:, :, np.arange(k), np.arange(k)]
    product = (data.moved[:, 1:] * data.moved[:, :-1]).sum(axis=2)[:, :, None]
    covariance = (same * product).sum(axis=(0, 1)) / (2 * np.maximum(same.sum(axis=(0, 1)), 1e-9))
    squared = np.maximum((spread * data.interval_h) ** 2, 1e-12)
    shared = np.where(spread > 0, np.clip((covariance - data.error_covariance) / squared, 0.0, 0.98), 0.0)
    counts = pairs.sum(axis=(0, 1)) + 1.0
    first = states[:, 0].sum(axis=0) + 1.0
    return replace(
        chain,
        spread=spread,
        shared=shared,
        change=counts / counts.sum(axis=1, keepdims=True),
        first=first / first.sum(),
    )


def _fitted(data: _Data, chain: Chain, weight: Floats, *, iterations: int = ITERATIONS) -> tuple[Chain, Posterior]:
    found = _posterior(data, chain)
    for _ in range(iterations):
        before = float(found.log_likelihood @ weight)
        chain = _updated(data, chain, found, weight)
        found = _posterior(data, chain)
        if abs(float(found.log_likelihood @ weight) - before) < 1e-3:
            break
    return chain, found


@dataclass(frozen=True)
class Modes:
    """How the cells of one movie move.

    Attributes:
        cells: one row per cell: :data:`somanet.migration.tables.MODES`.
        step_state: (N,) most probable state of each step, of :data:`STATES`; empty across gaps.
        interval_h: length of a step, the time scale of all states.
        state_share: share of the steps in each state, with 95 % intervals over cells, as below. A step is at rest if
            its true displacement is below 3.5 µm/h over its duration; one with the end of a jump in it is not. So there
            is less rest at longer intervals, and less than ``pause_fraction_corrected`` of
            :mod:`somanet.migration.summary` has, which is of time.
        state_speed_um_per_h: root mean square speed in each, the error taken off.
        run_persistence_h: time over which a run keeps its velocity; NaN if from step to step it keeps none or all.
        bic: Bayesian information criterion of ``saltatory``, ``continuous``, ``walk``, ``mixture``: the lower, the
            better; differences above 10 are decisive.
        best: name of the lowest.
        mode_share: share of the cells' time by mode.
    """

    cells: pd.DataFrame
    step_state: np.ndarray
    interval_h: float
    state_share: dict[str, Estimate]
    state_speed_um_per_h: dict[str, Estimate]
    run_persistence_h: Estimate
    bic: dict[str, float]
    best: str
    mode_share: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: shares, speeds and persistence with their intervals, and the models compared."""
        return {
            "step_min": 60 * self.interval_h,
            "share_of_steps": {name: one.as_dict() for name, one in self.state_share.items()},
            "speed_um_per_h": {name: one.as_dict() for name, one in self.state_speed_um_per_h.items()},
            "run_persistence_h": self.run_persistence_h.as_dict(),
            "mode_share_of_time": dict(self.mode_share),
            "cells_by_mode": {name: int((self.cells["mode"] == name).sum()) for name in MODES},
            "best_model": self.best,
            "bic": dict(self.bic),
        }


def _states(
    data: _Data, found: Posterior, cell: np.ndarray, *, resamples: int, seed: int
) -> tuple[dict[str, Estimate], dict[str, Estimate], Estimate]:
    """Share of steps and speed of each state, and the persistence of runs: ratios of sums over cells."""
    seen = data.grid.seen
    states = found.states * seen[:, :, None]
    squared = (data.moved**2).sum(axis=2)[:, :, None] / 2
    product = (data.moved[:, 1:] * data.moved[:, :-1]).sum(axis=2) / 2
    both = found.pairs[:, :, -1, -1]
    unsure = states * (1 - found.states)
    parts = np.concatenate(
        [
            states.sum(axis=1),
            (states * squared).sum(axis=1),
            both.sum(axis=1)[:, None],
            (both * product).sum(axis=1)[:, None],
            unsure.sum(axis=1),
        ],
        axis=1,
    )
    n_cells = int(cell.max()) + 1
    by_cell = np.zeros((n_cells, parts.shape[1]))
    np.add.at(by_cell, cell, parts)
    drawn = np.random.default_rng(seed).multinomial(n_cells, np.full(n_cells, 1 / n_cells), size=resamples)
    sums = np.concatenate([np.ones((1, n_cells)), drawn]) @ by_cell
    time, energy, pairs, shared = sums[:, :3], sums[:, 3:6], sums[:, 6], sums[:, 7]
    with np.errstate(divide="ignore", invalid="ignore"):
        motion = np.where(time > 0.5, energy / time - data.error_variance, math.nan)
        speed = np.sqrt(2 * np.maximum(motion, 0.0)) / data.interval_h
        kept = (shared / pairs - data.error_covariance) / motion[:, 2]
        persistence = np.where((kept > 0) & (kept < 1), -data.interval_h / np.log(kept), math.nan)
    known = n_cells > 1
    share = time / time.sum(axis=1, keepdims=True)
    unsure_share = sums[0, 8:] / sums[0, :3].sum()
    return (
        {name: _share_estimate(share[:, k], float(unsure_share[k]), known=known) for k, name in enumerate(STATES)},
        {name: _estimate(speed[:, k], known=known) for k, name in enumerate(STATES)},
        _estimate(persistence, known=known),
    )


def _share_estimate(values: Floats, unsure: float, *, known: bool) -> Estimate:
    """The first share, its interval widened on log odds by the share of steps that may as well be of another state.

    What errors hide is the same in every cell, so resampling does not show it.
    """
    found = _estimate(values, known=known)
    if found.problem or not 0 < found.value < 1 or not 0 < found.low <= found.high < 1:
        return found
    value, low, high = (math.log(x / (1 - x)) for x in (found.value, found.low, found.high))
    hidden = unsure / (found.value * (1 - found.value))
    low, high = value - math.hypot(value - low, hidden), value + math.hypot(high - value, hidden)
    return Estimate(found.value, 1 / (1 + math.exp(-low)), 1 / (1 + math.exp(-high)))


_Described = tuple[dict[str, Estimate], dict[str, Estimate], Estimate]


def _either(used: _Described, other: _Described) -> _Described:
    """The first description, with intervals that hold those of both."""
    shares, speeds = (
        {name: _hull(one, b[name]) for name, one in a.items()} for a, b in zip(used[:2], other[:2], strict=True)
    )
    return shares, speeds, _hull(used[2], other[2])


def _hull(used: Estimate, other: Estimate) -> Estimate:
    if used.problem:
        return used
    ends = (used.low, used.high, other.value, other.low, other.high)
    return Estimate(used.value, float(np.nanmin(ends)), float(np.nanmax(ends)))


def _of_use(one: Estimate, scale: Scale) -> Estimate:
    """The estimate, without an interval that says nothing; the speed at rest, below that of creep, is not asked."""
    wide = "" if one.problem else too_wide(one.low, one.high, scale)
    return not_estimated(one.value, wide) if wide else one


def _estimate(values: Floats, *, known: bool) -> Estimate:
    """The first value with the percentiles of the others; none where a twentieth of them is undefined."""
    drawn = values[1:][np.isfinite(values[1:])]
    if not math.isfinite(values[0]):
        return not_estimated(math.nan, "hardly any step is in this state")
    if not known:
        return not_estimated(float(values[0]), "one cell only")
    if drawn.size < 0.95 * (len(values) - 1) or not drawn.size:
        return not_estimated(float(values[0]), "it rests on too few cells")
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(values[0]), float(min(low, values[0])), float(max(high, values[0])))


def modes_of(
    steps: Steps,
    *,
    sigma_um: float,
    error_kept: float = 0.0,
    jumping: Ints | None = None,
    least_sigma_um: float | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Modes | None:
    """States of steps, and modes of cells; None without steps.

    Args:
        steps: of one movie, with the drift removed; those of the usual duration are used.
        sigma_um, error_kept: of :class:`somanet.migration.noise.Localisation`.
        jumping: track ids of cells in which a saltation is found; no other is *saltatory*, as errors with outliers and
            short hops look like rest and motion, too. Without it all may be.
        least_sigma_um: the least it may be where ``sigma_um`` is only a bound: the intervals of states then hold those
            with either, since small steps are rest or error.
        resamples, seed: of the bootstrap over cells.
    """
    steps = steps.usual
    if not (~steps.gap).any():
        return None
    data = _Data.of(steps, sigma_um=sigma_um, error_kept=error_kept)
    grid = data.grid
    ones = np.ones(len(grid.seen))
    stretch_cell = np.zeros(len(grid.seen), np.int64)
    stretch_cell[grid.row] = steps.track_id[grid.index]
    ids, cell = np.unique(stretch_cell, return_inverse=True)
    n_steps = np.bincount(cell, weights=grid.seen.sum(axis=1))

    chain, found = _fitted(data, _start_states(), ones)
    states = found.states[grid.row, grid.column]
    shares = np.stack([np.bincount(cell[grid.row], weights=states[:, k], minlength=len(ids)) for k in range(3)], axis=1)
    step_state = np.full(len(steps), "", dtype=object)
    step_state[grid.index] = np.array(STATES)[states.argmax(axis=1)]

    _, alone = _fitted(data, _start_walk(), ones)
    kinds = [_fitted(data, start(), ones) for start in (_start_saltatory, _start_continuous)]
    single = [float(one.log_likelihood.sum()) for _, one in kinds]
    prior, chains = np.array([0.5, 0.5]), [one for one, _ in kinds]
    posteriors = [one for _, one in kinds]
    for _ in range(ITERATIONS // 2):
        by_cell = np.stack([np.bincount(cell, weights=one.log_likelihood) for one in posteriors], axis=1)
        odds = by_cell + np.log(prior)
        chance = np.exp(odds - np.logaddexp.reduce(odds, axis=1)[:, None])
        prior = (chance.sum(axis=0) + 0.5) / (len(ids) + 1)
        chains = [_updated(data, chains[k], posteriors[k], chance[cell, k]) for k in range(2)]
        posteriors = [_posterior(data, one) for one in chains]
    by_cell = np.stack([np.bincount(cell, weights=one.log_likelihood) for one in posteriors], axis=1)
    odds = by_cell + np.log(prior)
    mixture = float(np.logaddexp.reduce(odds, axis=1).sum())
    saltatory = np.exp(odds[:, 0] - np.logaddexp.reduce(odds, axis=1))

    n = float(n_steps.sum())
    free = kinds[0][0].n_parameters
    bic = {
        SALTATORY: free * math.log(n) - 2 * single[0],
        CONTINUOUS: free * math.log(n) - 2 * single[1],
        "walk": 2 * math.log(n) - 2 * float(alone.log_likelihood.sum()),
        "mixture": (2 * free + 1) * math.log(n) - 2 * mixture,
    }
    part = shares / n_steps[:, None]
    running = np.bincount(cell, weights=(posteriors[0].states[:, :, 1] * grid.seen).sum(axis=1)) / n_steps
    saltatory = np.where(running > 1 - LEAST_PAUSE, 0.0, saltatory)
    mode = np.where(saltatory >= SURE, SALTATORY, np.where(saltatory <= 1 - SURE, CONTINUOUS, UNDECIDED))
    mode = np.where((saltatory >= SURE) & (running < LEAST_RUN), RESTING, mode)
    if jumping is not None:
        unseen = (mode == SALTATORY) & ~np.isin(ids, jumping)
        mode = np.where(unseen, np.where(part[:, 0] >= LEAST_RESTING, RESTING, UNDECIDED), mode)
    table = pd.DataFrame({"track_id": ids, "mode": mode, "saltatory_chance": saltatory})
    table = table.assign(**{f"{name}_share": part[:, k] for k, name in enumerate(STATES)})
    described = _states(data, found, cell, resamples=resamples, seed=seed)
    if chain.spread[1] < FASTEST_CREEP:  # creep this slow may be rest
        _, other = _fitted(data, _start_states(slowest_creep=FASTEST_CREEP), ones)
        described = _either(described, _states(data, other, cell, resamples=resamples, seed=seed))
    if least_sigma_um is not None:
        least = _Data.of(steps, sigma_um=least_sigma_um, error_kept=error_kept)
        _, other = _fitted(least, _start_states(), ones)
        described = _either(described, _states(least, other, cell, resamples=resamples, seed=seed))
    share, speed, persistence = described
    return Modes(
        cells=table,
        step_state=step_state,
        interval_h=steps.interval_h,
        state_share={name: _of_use(one, "share") for name, one in share.items()},
        state_speed_um_per_h=speed | {name: _of_use(speed[name], "positive") for name in (CREEP, RUN)},
        run_persistence_h=_of_use(persistence, "positive"),
        bic=bic,
        best=min(bic, key=lambda name: bic[name]),
        mode_share={name: float(n_steps[mode == name].sum() / n) for name in MODES},
    )
