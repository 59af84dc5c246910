"""Two tracks that exchanged their cells, as far as their steps give it away."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from somanet.migration.kinematics import Steps

LEAST_STEP_UM = 5.0
SHORTER = 0.5
"""An exchange back must make the two steps together shorter than this share of what they are."""


def n_exchanges(steps: Steps) -> int:
    """Pairs of steps of one frame, both long, that would be far shorter if their tracks exchanged cells there.

    Each such pair looks like two fast steps, and so like saltations that no cell made.
    """
    found = 0
    use = ~steps.gap & (steps.length_um >= LEAST_STEP_UM)
    for frame in np.unique(steps.frame[use]):
        at = np.flatnonzero(use & (steps.frame == frame))
        if at.size > 1:
            between = cdist(steps.start_yx_um[at], steps.end_yx_um[at])
            own = np.diag(between)
            crossed = between + between.T < SHORTER * (own[:, None] + own[None, :])
            found += int(np.triu(crossed, k=1).sum())
    return found
