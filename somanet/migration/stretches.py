"""Stretches of a few steps, from which localisation error is told from slow motion, and its moments."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from somanet.migration.kinematics import Floats, Ints, Steps

WINDOW = 5
"""Steps of a stretch: enough for a velocity to show its memory, few enough to lie within a pause."""
MOST_WINDOWS = 1500
FEWEST_WINDOWS = 20


@dataclass(frozen=True)
class Windows:
    """Stretches of successive gap-free steps, of one length each.

    Attributes:
        steps_yx_um: (M, n, 2) displacements.
        cell: (M,) track id.
    """

    steps_yx_um: Floats
    cell: Ints


def windows_of(
    steps: Steps, *, length: int = WINDOW, most: int = MOST_WINDOWS, fastest_um: float = math.inf
) -> list[Windows]:
    """Stretches side by side, none across a gap; the rest of a track makes a shorter one. One entry per length.

    Args:
        steps: of one movie, taken for equally long.
        length: of most of them.
        most: so many are kept, evenly over the movie's cells.
        fastest_um: stretches with a longer step are left out.
    """
    index = np.flatnonzero(~steps.gap)
    if not index.size:
        return []
    _, first, row = np.unique(steps.segment[index], return_index=True, return_inverse=True)
    place = np.arange(index.size) - first[row]
    starts = np.flatnonzero(place % length == 0)
    sizes = np.diff(np.append(starts, index.size))
    found = []
    every = max(1, math.ceil(len(starts) / most))
    for size in np.unique(sizes):
        chosen = starts[sizes == size][::every]
        at = index[chosen[:, None] + np.arange(size)]
        moved = steps.displacement_yx_um[at]
        possible = (np.abs(moved) <= fastest_um).all(axis=(1, 2))
        if possible.any():
            found.append(Windows(moved[possible], steps.track_id[at[:, 0]][possible]))
    return found


def sigma_from_covariance(groups: list[Windows]) -> tuple[float, float]:
    """σ by moments, and the correlation of successive steps, of the slower half of stretches.

    With the covariances C₁ and C₂ of steps one and two apart, motion that fades evenly has C₁ = (C₀ + C₂)/2 without
    error; error adds 2σ² to C₀ and takes σ² from C₁, so σ² = (C₀ - 2C₁ + C₂)/4 is its upper bound, equal to it where
    cells rest or creep steadily. Stretches are slow by their own steps, which trims error itself a little.
    """
    whole = [one.steps_yx_um for one in groups if one.steps_yx_um.shape[1] == WINDOW]
    if not whole or len(whole[0]) < FEWEST_WINDOWS:
        return math.nan, math.nan
    steps = whole[0]
    size = (steps**2).sum(axis=(1, 2))
    slow = steps[size <= np.median(size)]
    c = [float((slow[:, : WINDOW - lag] * slow[:, lag:]).mean()) for lag in range(3)]
    squared = (c[0] - 2 * c[1] + c[2]) / 4
    return (math.sqrt(squared) if squared > 0 else math.nan), (c[1] / c[0] if c[0] > 0 else math.nan)
