"""Share of steps and speed of each state of motion, and the persistence of runs, with intervals over cells."""

from __future__ import annotations

import math

import numpy as np

from somanet.migration.intervals import Estimate, Scale, not_estimated, too_wide
from somanet.migration.kinematics import Floats
from somanet.migration.markov import Posterior
from somanet.migration.motion_chain import ChainData

REST, CREEP, RUN = "rest", "creep", "run"
STATES = (REST, CREEP, RUN)


def described_states(
    data: ChainData, found: Posterior, cell: np.ndarray, *, resamples: int, seed: int
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
    return Estimate(found.value, *(0.5 + 0.5 * math.tanh(x / 2) for x in (low, high)))


Described = tuple[dict[str, Estimate], dict[str, Estimate], Estimate]


def either(used: Described, other: Described) -> Described:
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


def of_use(one: Estimate, scale: Scale) -> Estimate:
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
