"""Where a cell is going around each frame, and which of its processes leads by that."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from somanet.analysis.processes.candidates import Candidate
from somanet.analysis.processes.following import turn_deg

Floats = NDArray[np.float64]
Role = Literal["leading", "trailing", "side", "unknown", "none"]

SHORTEST_H = 0.5
"""Shorter windows show little but the noise of a soma's centre."""
WINDOWS = 4
AHEAD_DEG, BEHIND_DEG = 75.0, 105.0
"""A process that leads, or trails, is at most, or at least, this far from the cell's motion; what is between is at the
side."""


@dataclass(frozen=True)
class Motion:
    """A cell's motion around each frame.

    Attributes:
        distance_um: (T,) net displacement over the window; of the longest one where it is too short for a direction.
        direction_deg: (T,) 0 = right, 90 = down; NaN where there is none.
    """

    distance_um: Floats
    direction_deg: Floats


def motion_of(t_h: Floats, place_yx_um: Floats, *, longest_h: float, least_um: float) -> Motion:
    """The motion around each frame, over the shortest of some windows in which the cell moves far enough.

    Args:
        t_h: (T,) times of one cell's points, increasing.
        place_yx_um: (T, 2) its places, relative to the scene.
        longest_h: of a window, before and after a frame.
        least_um: net displacement that gives a direction.
    """
    distance, direction = np.zeros(t_h.size), np.full(t_h.size, np.nan)
    for half_h in np.geomspace(min(SHORTEST_H, longest_h), longest_h, WINDOWS):
        first = np.searchsorted(t_h, t_h - half_h * (1 + 1e-9))
        last = np.searchsorted(t_h, t_h + half_h * (1 + 1e-9), side="right") - 1
        moved = place_yx_um[last] - place_yx_um[first]
        far = np.hypot(*moved.T)
        new = np.isnan(direction)
        distance[new] = far[new]
        direction[new & (far >= least_um)] = np.degrees(np.arctan2(*moved.T))[new & (far >= least_um)]
    return Motion(distance, direction)


def roles_of(main: Candidate | None, second: Candidate | None, motion_deg: float) -> tuple[Role, Role]:
    """The roles of a cell's main and second process in a frame.

    Of two processes ahead, or behind, the one nearer to the direction of motion, or opposite to it, has the role, and
    the other is at the side.
    """
    processes = (main, second)
    if math.isnan(motion_deg):
        return tuple("none" if one is None else "unknown" for one in processes)  # type: ignore[return-value]
    turns = [math.nan if one is None else float(turn_deg(one.direction_deg, motion_deg)) for one in processes]
    roles: list[Role] = ["none" if one is None else "side" for one in processes]
    known = [k for k, one in enumerate(processes) if one is not None]
    if known:
        nearest = min(known, key=lambda k: turns[k])
        farthest = max(known, key=lambda k: turns[k])
        if turns[nearest] <= AHEAD_DEG:
            roles[nearest] = "leading"
        if turns[farthest] >= BEHIND_DEG:
            roles[farthest] = "trailing"
    return roles[0], roles[1]
