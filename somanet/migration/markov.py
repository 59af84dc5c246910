"""Hidden Markov chains over the steps of many tracks at once (Rabiner 1989): what the detector and the modes share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from somanet.migration.kinematics import Bools, Floats, Steps

Places = NDArray[np.intp]


LONGEST = 1000
"""Steps of a stretch; a longer one is cut, and the chain begins anew there: once in so many steps that it does not
matter, and each column is a step of the algorithm."""
MOST_PLACES = 1 << 21
"""Of the grid, at about 450 bytes: beside one long track, thousands of short ones would stand for empty places."""
SHORTEST = 50


@dataclass(frozen=True)
class Grid:
    """Gap-free stretches side by side: step ``index`` sits at row ``row`` (a stretch) and column ``column``.

    Stretches of more than :data:`LONGEST` steps, or fewer where the grid would have over :data:`MOST_PLACES`, are cut.
    """

    index: Places
    row: Places
    column: Places
    seen: Bools

    @classmethod
    def of(cls, steps: Steps) -> Grid:
        """The gap-free steps."""
        index = np.flatnonzero(~steps.gap)
        _, first, stretch, sizes = np.unique(
            steps.segment[index], return_index=True, return_inverse=True, return_counts=True
        )
        longest = min(LONGEST, int(sizes.max(initial=1)))
        while longest > SHORTEST and longest * int((-(-sizes // longest)).sum()) > MOST_PLACES:
            longest = max(longest // 2, SHORTEST)
        pieces = -(-sizes // longest)
        place = np.arange(index.size) - first[stretch]
        row, column = (np.cumsum(pieces) - pieces)[stretch] + place // longest, place % longest
        seen = np.zeros((int(pieces.sum()), int(column.max(initial=-1)) + 1), bool)
        seen[row, column] = True
        return cls(index, row, column, seen)


@dataclass(frozen=True)
class Posterior:
    """What the steps of all stretches say of the states.

    Attributes:
        states: (stretches, columns, K) chance of each state; 0 where there is no step.
        pairs: (stretches, columns - 1, K, K) chance of a state and the next one; 0 where there is no next step.
        log_likelihood: (stretches,).
    """

    states: Floats
    pairs: Floats
    log_likelihood: Floats


def _logsum(a: Floats, axis: int) -> Floats:
    return np.asarray(np.logaddexp.reduce(a, axis=axis), np.float64)


def forward_backward(first: Floats, moves: Floats, seen: Bools) -> Posterior:
    """Chances of the states, from all steps of a stretch; in logs, one column of all stretches at a time.

    What all states of a step share is taken out of its densities first: of a jump that each of them holds for all but
    impossible, the differences would be lost in the size of the sum.

    Args:
        first: (stretches, K) log chance of each state in the first step times the density of that step.
        moves: (stretches, columns - 1, K, K) log chance to go from one state to another times the density of the next
            step, which may depend on both.
        seen: (stretches, columns) where there is a step: from the first column on, and at least one.
    """
    columns, k = seen.shape[1], first.shape[1]
    length = seen.sum(axis=1)
    order = np.argsort(-length, kind="stable")  # the longest first: those that still go on are a slice
    going = np.searchsorted(-length[order], -np.arange(columns), side="left")
    first, moves = first[order], moves[order]
    first_shared, shared = first.max(axis=1, keepdims=True), moves.max(axis=(2, 3), keepdims=True)
    first, moves = first - first_shared, moves - shared
    forward, backward = np.full((*seen.shape, k), -math.inf), np.zeros((*seen.shape, k))
    forward[:, 0] = first
    for t in range(1, columns):
        n = going[t]
        forward[:n, t] = _logsum(forward[:n, t - 1, :, None] + moves[:n, t - 1], axis=1)
    likelihood = _logsum(forward[np.arange(len(length)), length[order] - 1], axis=1)
    pairs = np.zeros((seen.shape[0], max(columns - 1, 0), k, k))
    for t in range(columns - 2, -1, -1):
        n = going[t + 1]
        ahead = moves[:n, t] + backward[:n, t + 1][:, None, :]
        backward[:n, t] = _logsum(ahead, axis=2)
        pairs[:n, t] = np.exp(forward[:n, t, :, None] + ahead - likelihood[:n, None, None])
    states = np.exp(forward + backward - likelihood[:, None, None])
    likelihood += first_shared[:, 0] + (shared[..., 0, 0] * seen[order, 1:]).sum(axis=1)
    back = np.argsort(order)
    return Posterior(states[back], pairs[back], likelihood[back])
