"""Speeds that no migrating neuron has: most often a unit, or a decimal point, was lost on the way."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from somanet.core.counting import counted
from somanet.migration.kinematics import Steps

FASTEST_UM_PER_H = 300.0
"""Neurons cover tens of µm in an hour, and up to some 100 µm/h while they jump; seconds that were taken for minutes
make 60 times as much."""
HOUR_H = 1.0
LONGEST_STEP_UM, FASTEST_STEP_UM_PER_H = 100.0, 5000.0
"""No soma makes a step that is as long and as fast, and no tracking program joins such positions by default."""
FEW = 0.001
"""Up to this share of the steps may be exchanged cells, of which another warning tells."""


def plausibility_warnings(steps: Steps) -> Iterator[str]:
    """What cannot be the motion of neurons, in words.

    Args:
        steps: of one movie, without the stage's motion.
    """
    speeds = _speeds_over_an_hour(steps)
    if speeds.size and (usual := float(np.median(speeds))) > FASTEST_UM_PER_H:
        yield (
            f"Half of the cells would move by {_rounded(usual)} µm/h or more, and neurons migrate by tens of µm in "
            "an hour: is the frame interval in minutes (not seconds), the pixel size in µm, and no decimal point lost?"
        )
    length_um = steps.length_um
    far = (length_um > LONGEST_STEP_UM) & (length_um > FASTEST_STEP_UM_PER_H * steps.duration_h)
    if np.count_nonzero(far) > FEW * len(steps):
        longest = int(np.argmax(np.where(far, length_um, 0.0)))
        yield (
            f"{counted(int(np.count_nonzero(far)), 'step')} of {len(steps)} would be longer than {LONGEST_STEP_UM:g} "
            f"µm and faster than {FASTEST_STEP_UM_PER_H / 1000:g} mm/h (the longest {_rounded(length_um[longest])} "
            f"µm, of track {steps.track_id[longest]} from frame {steps.frame[longest]} on): was a decimal point lost, "
            "or does a track hold positions of two cells?"
        )


def _rounded(value: float) -> str:
    """Two digits, without a power of ten."""
    return f"{float(f'{value:.2g}'):,.0f}"


def _speeds_over_an_hour(steps: Steps) -> np.ndarray:
    """Net speed of each cell over its first hour, or all of its time if that is shorter: noise hardly adds to it."""
    if not len(steps):
        return np.empty(0)
    new = np.flatnonzero(np.concatenate([[True], steps.track_id[1:] != steps.track_id[:-1]]))
    until = np.append(new[1:], len(steps))
    begin_h = steps.start_h[new]
    within = steps.end_h <= np.repeat(begin_h + HOUR_H, until - new) + 1e-9
    last = new + np.maximum(np.add.reduceat(within, new), 1) - 1
    moved = steps.end_yx_um[last] - steps.start_yx_um[new]
    return np.asarray(np.hypot(moved[:, 0], moved[:, 1]) / (steps.end_h[last] - begin_h))
