"""How many saltations noise alone would make: the same frames, cells that never move, and the same detector."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import signal

from somanet.migration.kinematics import Bools, Steps
from somanet.migration.saltation import saltations_of

FEWEST_STEPS = 20_000
"""Steps simulated, as many times over as the movie needs."""
NEGLIGIBLE = 0.05
"""Saltations in the whole movie, by an upper bound, below which nothing is simulated."""


def false_saltations_per_h(
    steps: Steps,
    detect: Callable[[Steps], Bools],
    *,
    sigma_um: float,
    error_kept: float,
    min_length_um: float,
    seed: int = 0,
) -> float:
    """Saltations whose start is seen per observed hour of cells that never move, and whose positions err normally.

    Two positions are further apart than the least length L with the chance exp(-L²/(4σ²)) at most, so with L from 4σ on
    there are few, and hardly any where L is 5 µm and σ below 1.

    Args:
        steps: of the movie, whose frames and gaps are taken.
        detect: the movie's mobile steps, from steps.
        sigma_um, error_kept: of :class:`somanet.migration.noise.Localisation`.
        min_length_um: of a saltation.
        seed: of the errors.
    """
    hours = float(steps.duration_h[~steps.gap].sum())
    if hours == 0 or not sigma_um > 0:
        return 0.0
    ratio = min_length_um / sigma_um
    if len(steps) * math.exp(-(ratio * ratio) / 4) < NEGLIGIBLE:
        return 0.0
    rng = np.random.default_rng(seed)
    track = np.cumsum(np.diff(steps.track_id, prepend=steps.track_id[0]) != 0)
    first = np.arange(len(steps)) + track  # each track has a position more than steps
    n_positions, times = int(first[-1]) + 2, math.ceil(FEWEST_STEPS / len(steps))
    error = np.empty((times, n_positions, 2))
    for movie in error:
        fresh = rng.normal(0, sigma_um * math.sqrt(1 - error_kept**2), (n_positions + 100, 2))
        movie[:] = signal.lfilter([1.0], [1.0, -error_kept], fresh, axis=0)[100:]
    still = replace(
        _side_by_side(steps, times),
        start_yx_um=error[:, first].reshape(-1, 2),
        end_yx_um=error[:, first + 1].reshape(-1, 2),
    )
    events = saltations_of(still, detect(still), min_length_um=min_length_um).events
    return int(events["censored"].isin(["", "end"]).sum()) / (times * hours)


def _side_by_side(steps: Steps, times: int) -> Steps:
    """The steps so many times over, as cells of one movie: detecting in each copy alone takes minutes for few steps."""
    copy = np.repeat(np.arange(times), len(steps))
    return replace(
        steps,
        track_id=np.tile(steps.track_id, times) + copy * (int(steps.track_id.max()) + 1),
        frame=np.tile(steps.frame, times),
        start_h=np.tile(steps.start_h, times),
        end_h=np.tile(steps.end_h, times),
        gap=np.tile(steps.gap, times),
        segment=np.tile(steps.segment, times) + copy * (int(steps.segment.max()) + 1),
        pause=np.tile(steps.pause, times),
    )
