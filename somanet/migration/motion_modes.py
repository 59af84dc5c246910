"""How cells move: states of each step, and whether a cell saltates, keeps moving, or rests.

Three states of a step: at rest, creeping, running (:mod:`somanet.migration.motion_states`), by chains of
:mod:`somanet.migration.motion_chain`.

Two models of a cell. *Saltatory*: it alternates between rest, or a creep up to
:data:`somanet.migration.motion_chain.FASTEST_CREEP`, and motion. *Continuous*: it alternates between two speeds of
motion above :data:`somanet.migration.motion_chain.SLOWEST_WALK`: a persistent walk whose speed changes. Both have the
same number of parameters, so their likelihoods compare fairly; both, and mixtures of cells of both kinds, are fitted to
the whole movie by expectation maximisation, and each cell has its posterior. A third, simpler model is one persistent
walk of even spread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from somanet.migration.intervals import Estimate
from somanet.migration.kinematics import Ints, Steps
from somanet.migration.motion_chain import (
    FASTEST_CREEP,
    ITERATIONS,
    ChainData,
    fitted,
    posterior_of,
    start_continuous,
    start_saltatory,
    start_states,
    start_walk,
    updated,
)
from somanet.migration.motion_states import (
    CREEP,
    MOST_SIGMA_UM,
    RUN,
    STATES,
    described_states,
    either,
    of_use,
    speeds_of,
    untold,
)

SALTATORY, CONTINUOUS, RESTING, UNDECIDED = "saltatory", "continuous", "resting", "undecided"
MODES = (SALTATORY, CONTINUOUS, RESTING, UNDECIDED)
SURE = 0.9
LEAST_RUN = 0.02
"""A cell that runs for less of its time than this has not been seen to jump."""
LEAST_PAUSE = 0.1
"""A cell that rests for less of its time than this, even by the saltatory model, keeps moving."""
LEAST_RESTING = 0.5
"""A cell without a saltation that rests for less of its time than this stays undecided."""
RESAMPLES = 1000


@dataclass(frozen=True)
class Modes:
    """How the cells of one movie move.

    Attributes:
        cells: one row per cell: :data:`somanet.migration.tables.MODES`.
        step_state: (N,) most probable state of each step by its true speed, of :data:`STATES`; empty across gaps.
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


def modes_of(
    steps: Steps,
    *,
    sigma_um: float,
    error_kept: float = 0.0,
    of_cells: Mapping[int, float] | None = None,
    jumping: Ints | None = None,
    least_sigma_um: float | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Modes | None:
    """States of steps, and modes of cells; None without steps.

    Args:
        steps: of one movie, with the drift removed; those of the usual duration are used.
        sigma_um, error_kept, of_cells: of :class:`somanet.migration.noise.Localisation`.
        jumping: track ids of cells in which a saltation is found; no other is *saltatory*, as errors with outliers and
            short hops look like rest and motion, too. Without it all may be.
        least_sigma_um: the least it may be where ``sigma_um`` is only a bound: the intervals of states then hold those
            with either, since small steps are rest or error.
        resamples, seed: of the bootstrap over cells.
    """
    steps = steps.usual
    if not (~steps.gap).any():
        return None
    data = ChainData.of(steps, sigma_um=sigma_um, error_kept=error_kept, of_cells=of_cells)
    grid = data.grid
    ones = np.ones(len(grid.seen))
    stretch_cell = np.zeros(len(grid.seen), np.int64)
    stretch_cell[grid.row] = steps.track_id[grid.index]
    ids, cell = np.unique(stretch_cell, return_inverse=True)
    n_steps = np.bincount(cell, weights=grid.seen.sum(axis=1))

    chain, found = fitted(data, start_states(), ones)
    states = speeds_of(data, chain, found)[0][grid.row, grid.column]
    shares = np.stack([np.bincount(cell[grid.row], weights=states[:, k], minlength=len(ids)) for k in range(3)], axis=1)
    step_state = np.full(len(steps), "", dtype=object)
    step_state[grid.index] = np.array(STATES)[states.argmax(axis=1)]

    _, alone = fitted(data, start_walk(), ones)
    kinds = [fitted(data, start(), ones) for start in (start_saltatory, start_continuous)]
    single = [float(one.log_likelihood.sum()) for _, one in kinds]
    prior, chains = np.array([0.5, 0.5]), [one for one, _ in kinds]
    posteriors = [one for _, one in kinds]
    for _ in range(ITERATIONS // 2):
        by_cell = np.stack([np.bincount(cell, weights=one.log_likelihood) for one in posteriors], axis=1)
        odds = by_cell + np.log(prior)
        chance = np.exp(odds - np.logaddexp.reduce(odds, axis=1)[:, None])
        prior = (chance.sum(axis=0) + 0.5) / (len(ids) + 1)
        chains = [updated(data, chains[k], posteriors[k], chance[cell, k]) for k in range(2)]
        posteriors = [posterior_of(data, one) for one in chains]
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
    described = described_states(data, chain, found, cell, resamples=resamples, seed=seed)
    if chain.spread[1] < FASTEST_CREEP:  # creep this slow may be rest
        slow, other = fitted(data, start_states(slowest_creep=FASTEST_CREEP), ones)
        described = either(described, described_states(data, slow, other, cell, resamples=resamples, seed=seed))
    if least_sigma_um is not None:
        least = ChainData.of(steps, sigma_um=least_sigma_um, error_kept=error_kept)
        surest, other = fitted(least, start_states(), ones)
        described = either(described, described_states(least, surest, other, cell, resamples=resamples, seed=seed))
    share, speed, persistence = described if sigma_um <= MOST_SIGMA_UM else untold(described, sigma_um)
    return Modes(
        cells=table,
        step_state=step_state,
        interval_h=steps.interval_h,
        state_share={name: of_use(one, "share") for name, one in share.items()},
        state_speed_um_per_h=speed | {name: of_use(speed[name], "positive") for name in (CREEP, RUN)},
        run_persistence_h=of_use(persistence, "positive"),
        bic=bic,
        best=min(bic, key=lambda name: bic[name]),
        mode_share={name: float(n_steps[mode == name].sum() / n) for name in MODES},
    )
