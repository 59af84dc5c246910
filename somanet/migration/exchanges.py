"""Two tracks that exchanged their cells, as far as their steps give it away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from somanet.migration.kinematics import Steps

LEAST_STEP_UM = 5.0
SHORTER = 0.5
"""An exchange back must make the two steps together shorter than this share of what they are."""
AT_ONCE = 1 << 22
"""Distances of one array: all between 10,000 cells of a frame take 800 MB."""


def n_exchanges(steps: Steps) -> int:
    """Pairs of steps of one frame, both long, that would be far shorter if their tracks exchanged cells there.

    Each such pair looks like two fast steps, and so like saltations that no cell made.
    """
    use = np.flatnonzero(~steps.gap & (steps.length_um >= LEAST_STEP_UM))
    use = use[np.argsort(steps.frame[use], kind="stable")]
    _, first = np.unique(steps.frame[use], return_index=True)
    return sum(_exchanges(steps, at) for at in np.split(use, first[1:]) if at.size > 1)


def _exchanges(steps: Steps, at: NDArray[np.intp]) -> int:
    """Those among steps of one frame, some of them against all at a time."""
    start, end = steps.start_yx_um[at], steps.end_yx_um[at]
    own = np.hypot(*(end - start).T)
    rows = max(1, AT_ONCE // at.size)
    found = 0
    for some in (slice(one, one + rows) for one in range(0, at.size, rows)):
        crossed = cdist(start[some], end) + cdist(end[some], start) < SHORTER * (own[some, None] + own[None, :])
        found += int(np.triu(crossed, k=1 + some.start).sum())
    return found
