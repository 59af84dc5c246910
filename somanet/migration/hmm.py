"""A second detector of motion: a hidden Markov model of two states, paused and mobile, to compare with the rule.

A paused step is noise of known σ. A mobile one is a velocity from an isotropic Gaussian, plus the same noise. The
velocity's spread and the chances to start and stop are fitted to all cells of a movie by expectation maximisation
(Rabiner 1989). Positions are shared by neighbouring steps, so their noise is not independent as the model has it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from somanet.core.errors import SomaNetError
from somanet.migration.kinematics import Bools, Floats, Steps
from somanet.migration.markov import Grid, Posterior, forward_backward

LEAST_SPREAD_UM_PER_H = 10.0
"""Slower than this the mobile state would model slow wandering at rest; as the rule's lower threshold."""
FIRST_SPREAD_UM_PER_H = 30.0
LEAST_CHANCE = 1e-4


@dataclass(frozen=True)
class MotionModel:
    """The fitted model.

    Attributes:
        sigma_um: localisation noise per axis, fixed.
        spread_um_per_h: standard deviation per axis of the velocity of mobile steps.
        start_chance: chance per frame that a paused cell becomes mobile.
        stop_chance: chance per frame that a mobile cell pauses.
        first_mobile: share of cells that are mobile in the first step seen.
        log_likelihoods: after each iteration; never falls unless the spread is at its lower bound.
        warnings: in words.
    """

    sigma_um: float
    spread_um_per_h: float
    start_chance: float
    stop_chance: float
    first_mobile: float
    log_likelihoods: tuple[float, ...] = ()
    warnings: tuple[str, ...] = ()


def _log_emissions(steps: Steps, grid: Grid, model: MotionModel) -> Floats:
    """(stretches, columns, 2) log density of each step, paused and mobile; 0 where there is no step."""
    squared = (steps.displacement_yx_um[grid.index] ** 2).sum(axis=1)
    noise = np.full(grid.index.size, 2 * model.sigma_um**2)
    motion = (model.spread_um_per_h * steps.duration_h[grid.index]) ** 2
    variance = np.stack([noise, noise + motion], axis=1)
    density = np.zeros((*grid.seen.shape, 2))
    density[grid.row, grid.column] = -squared[:, None] / (2 * variance) - np.log(2 * math.pi * variance)
    return density


def _posterior(density: Floats, seen: Bools, model: MotionModel) -> Posterior:
    change = np.log([[1 - model.start_chance, model.start_chance], [model.stop_chance, 1 - model.stop_chance]])
    first = np.log([1 - model.first_mobile, model.first_mobile])
    return forward_backward(first + density[:, 0], change + density[:, 1:, None, :], seen)


def fit_motion_model(steps: Steps, *, sigma_um: float, max_iterations: int = 200) -> MotionModel:
    """Fit the model to the gap-free steps of one movie.

    Args:
        steps: of one movie.
        sigma_um: error per axis that would make steps as long as those at rest, see
            :func:`somanet.migration.kinematics.slow_steps`.
        max_iterations: of expectation maximisation.

    Raises:
        SomaNetError: σ is not positive.
    """
    if not (math.isfinite(sigma_um) and sigma_um > 0):
        raise SomaNetError(
            f"The motion model needs a localisation noise above 0 µm, found {sigma_um}. Give one, or use the rule."
        )
    model = MotionModel(sigma_um, max(FIRST_SPREAD_UM_PER_H, LEAST_SPREAD_UM_PER_H), 0.1, 0.3, 0.2)
    grid = Grid.of(steps)
    if not grid.index.size:
        return MotionModel(sigma_um, math.nan, math.nan, math.nan, math.nan, (), ("There are no steps to fit.",))
    time = steps.duration_h[grid.index]
    velocity_variance = ((steps.displacement_yx_um[grid.index] ** 2).sum(axis=1) / 2 - 2 * sigma_um**2) / time**2
    history: list[float] = []
    for _ in range(max_iterations):
        found = _posterior(_log_emissions(steps, grid, model), grid.seen, model)
        states, transitions = found.states, found.pairs.sum(axis=(0, 1))
        history.append(float(found.log_likelihood.sum()))
        mobile = states[grid.row, grid.column, 1]
        variance = float((mobile * velocity_variance).sum() / max(float(mobile.sum()), LEAST_CHANCE))
        leaving = transitions.sum(axis=1)
        model = MotionModel(
            sigma_um,
            max(math.sqrt(max(variance, 0.0)), LEAST_SPREAD_UM_PER_H),
            _chance(transitions[0, 1], leaving[0]),
            _chance(transitions[1, 0], leaving[1]),
            _chance(float(states[:, 0, 1].sum()), len(states)),
        )
        if len(history) > 1 and abs(history[-1] - history[-2]) < 1e-8 * abs(history[-1]):
            break
    warnings = []
    if len(history) == max_iterations:
        warnings.append(f"The motion model had not settled after {max_iterations} iterations.")
    if model.spread_um_per_h <= LEAST_SPREAD_UM_PER_H:
        warnings.append("The motion model found no fast state: its mobile steps are slow wandering or noise.")
    chances = (model.start_chance, model.stop_chance, model.first_mobile)
    return MotionModel(sigma_um, model.spread_um_per_h, *chances, tuple(history), tuple(warnings))


def _chance(part: float, whole: float) -> float:
    """A probability kept off 0 and 1, whose logs would end the fit."""
    return float(np.clip(part / whole if whole > 0 else 0.5, LEAST_CHANCE, 1 - LEAST_CHANCE))


def mobile_probability(steps: Steps, model: MotionModel) -> Floats:
    """(N,) chance that the cell is mobile in each step, seen the whole stretch; NaN across gaps."""
    grid = Grid.of(steps)
    chance = np.full(len(steps), math.nan)
    if grid.index.size:
        states = _posterior(_log_emissions(steps, grid, model), grid.seen, model).states
        chance[grid.index] = states[grid.row, grid.column, 1]
    return chance


def mobile_steps_by_model(steps: Steps, model: MotionModel) -> Bools:
    """Which steps are more probably mobile than paused, in place of the rule's ``mobile_steps``."""
    return np.asarray(np.nan_to_num(mobile_probability(steps, model)) > 0.5)
