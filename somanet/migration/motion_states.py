"""Share of steps and speed of rest, creep and run by true speeds, and the persistence of runs, over cells."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats
from scipy.special import expit, logit

from somanet.migration.error_mixture import REST_UM_PER_H, RUN_UM_PER_H
from somanet.migration.intervals import CONFIDENCE, SCALES, Estimate, Scale, not_estimated, reach_of, too_wide
from somanet.migration.kinematics import Floats
from somanet.migration.markov import Posterior
from somanet.migration.motion_chain import Chain, ChainData

REST, CREEP, RUN = "rest", "creep", "run"
STATES = (REST, CREEP, RUN)


BOUNDS_UM_PER_H = math.sqrt(2) * REST_UM_PER_H, math.sqrt(2) * RUN_UM_PER_H
"""Speeds between rest and creep, and between creep and run."""
SPEED_ERROR = 0.08
"""Relative error of the speeds of creep and run that resampling does not show: which steps at the ends of a run count
in it, and a spread of speeds that is not normal. Set on colonies of seeds 900 to 908 (``benchmarks/colonies``)."""
MOST_SIGMA_UM = 1.5
"""Largest localisation error up to which shares, speeds and persistence of the states were found to hold
(``benchmarks/colonies``). Beyond it rest, creep and slow runs are told from the error by the model's shape only."""
LEAST_PER_STEP, MOST_PER_STEP = 1e-3, 1e3
"""Frame intervals over persistence times between which the latter is looked for."""
NARROW = 2000.0
"""Noncentrality from which a displacement is known so well that the normal distribution serves."""


def speeds_of(data: ChainData, chain: Chain, found: Posterior) -> tuple[Floats, Floats]:
    """Chance of each step to be at rest, to creep and to run by its true speed, and what its displacement is there.

    A state of the chain has slower and faster steps than its bounds say, which are those of its spread. A step of the
    state of rest is at rest. One of another state has a true displacement around the seen one, shrunk towards 0 as far
    as the error's variance e² counts beside the motion's s²: normal with the variance s²e²/(s² + e²) per axis, so that
    its square has a noncentral χ² distribution.

    Returns:
        (stretches, columns, 3) chances, 0 where there is no step, and squared true displacements in µm² times them.
    """
    squared = (data.moved**2).sum(axis=2)
    chance, square = (np.zeros((*data.grid.seen.shape, 3)) for _ in range(2))
    error = data.error_variance[:, None]
    chance[:, :, 0] = found.states[:, :, 0]
    square[:, :, 0] = found.states[:, :, 0] * (squared - 2 * error)
    bounds = np.array([0.0, *BOUNDS_UM_PER_H, math.inf]) * data.interval_h
    for k in range(1, found.states.shape[2]):
        motion = (chain.spread[k] * data.interval_h) ** 2
        share = motion / (motion + error)  # (stretches, 1)
        spread = share * error
        centre = squared * share**2 / spread
        below, part = (
            np.stack(one, axis=2) for one in zip(*(_below(b**2, spread, centre) for b in bounds), strict=True)
        )
        state = found.states[:, :, k, None]
        chance += state * np.maximum(np.diff(below, axis=2), 0.0)
        square += state * spread[:, :, None] * np.maximum(np.diff(part, axis=2), 0.0)
    seen = data.grid.seen[:, :, None]
    return chance * seen, square * seen


def _below(squared: float, spread: Floats, centre: Floats) -> tuple[Floats, Floats]:
    """Chance of a noncentral χ² of two degrees of freedom to be below a bound, and its mean times that, of such.

    The bound is a squared displacement over the variance of the true one, (stretches, 1).
    """
    if squared == 0 or math.isinf(squared):
        whole = float(squared > 0)
        return np.full(centre.shape, whole), whole * (centre + 2)
    bound = squared / spread
    narrow = centre > NARROW
    wide = np.where(narrow, 0.0, centre)
    two, four, six = (stats.ncx2.cdf(bound, freedom, wide) for freedom in (2, 4, 6))
    normal = stats.norm.cdf(np.sqrt(bound) - np.sqrt(centre + 1))
    below = np.where(narrow, normal, two)
    return below, np.where(narrow, normal * (centre + 2), 2 * four + wide * six)


def described_states(
    data: ChainData, chain: Chain, found: Posterior, cell: np.ndarray, *, resamples: int, seed: int
) -> tuple[dict[str, Estimate], dict[str, Estimate], Estimate]:
    """Share of steps and speed of each state, and the persistence of runs: ratios of sums over cells."""
    states, square = speeds_of(data, chain, found)
    running = found.states[:, :, -1] * data.grid.seen
    product = (data.moved[:, 1:] * data.moved[:, :-1]).sum(axis=2) / 2
    both = found.pairs[:, :, -1, -1]
    parts = np.concatenate(
        [
            states.sum(axis=1),
            square.sum(axis=1),
            both.sum(axis=1)[:, None],
            (both * product).sum(axis=1)[:, None],
            (states * (1 - states)).sum(axis=1),
            running.sum(axis=1)[:, None],
            (running * (data.moved**2).sum(axis=2) / 2).sum(axis=1)[:, None],
            (running.sum(axis=1) * data.error_variance)[:, None],
            (both.sum(axis=1) * data.error_covariance)[:, None],
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
        speed = np.sqrt(np.maximum(np.where(time > 0.5, energy / time, math.nan), 0.0)) / data.interval_h
        motion = (sums[:, 12] - sums[:, 13]) / sums[:, 11]
        kept = (shared - sums[:, 14]) / pairs / motion
    persistence = persistence_of(kept, data.interval_h)
    share = time / time.sum(axis=1, keepdims=True)
    unsure_share = sums[0, 8:11] / sums[0, :3].sum()
    return (
        {name: _share_estimate(share[:, k], float(unsure_share[k]), n_cells) for k, name in enumerate(STATES)},
        {
            name: _speed_estimate(speed[:, k], n_cells, None if name == REST else "positive")
            for k, name in enumerate(STATES)
        },
        resampled_estimate(persistence, n_cells, "positive", undefined=_why_no_persistence(float(kept[0]))),
    )


def persistence_of(kept: Floats, interval_h: float) -> Floats:
    """Time over which a run keeps its velocity, P in h; NaN where from step to step none of it is kept, or all.

    The velocity's correlation falls as exp(-t/P) (Ornstein and Uhlenbeck 1930, Fürth 1920), and a displacement from
    frame to frame is its integral over the frame interval Δt. With x = Δt/P the correlation of two consecutive
    displacements is (1 - e⁻ˣ)²/(2(x - 1 + e⁻ˣ)), which is more than e⁻ˣ, and is inverted here.

    Args:
        kept: correlation of consecutive displacements along a run, without the error.
        interval_h: between frames.
    """
    x = np.geomspace(LEAST_PER_STEP, MOST_PER_STEP, 6001)
    correlation = np.expm1(-x) ** 2 / (2 * (x + np.expm1(-x)))
    known = (kept > correlation[-1]) & (kept < correlation[0])  # NaN is neither
    per_step = np.interp(np.where(known, kept, 0.5), correlation[::-1], x[::-1])
    return np.asarray(np.where(known, interval_h / per_step, math.nan), np.float64)


def _why_no_persistence(kept: float) -> str:
    if math.isnan(kept):
        return NO_STEP
    return f"from step to step a run keeps {'all' if kept > 0 else 'none'} of its velocity"


def _speed_estimate(values: Floats, n_cells: int, scale: Scale | None) -> Estimate:
    """The first speed, its interval widened on a logarithm by :data:`SPEED_ERROR`, where it has a scale."""
    found = resampled_estimate(values, n_cells, scale)
    if found.problem or scale is None or not 0 < found.low <= found.value <= found.high:
        return found
    below, above = (
        math.hypot(SPEED_ERROR, math.log(one)) for one in (found.value / found.low, found.high / found.value)
    )
    return Estimate(found.value, found.value * math.exp(-below), found.value * math.exp(above))


def _share_estimate(values: Floats, unsure: float, n_cells: int) -> Estimate:
    """The first share, its interval widened on log odds by the share of steps that may as well be of another state.

    What errors hide is the same in every cell, so resampling does not show it.
    """
    found = resampled_estimate(values, n_cells, "share")
    if found.problem or not 0 < found.value < 1 or not 0 < found.low <= found.high < 1:
        return found
    value, low, high = (float(logit(x)) for x in (found.value, found.low, found.high))
    hidden = unsure / (found.value * (1 - found.value))
    low, high = value - math.hypot(value - low, hidden), value + math.hypot(high - value, hidden)
    low, high = (float(expit(x)) for x in (low, high))  # odds may be too small for a number
    return Estimate(found.value, min(low, found.value), max(high, found.value))


Described = tuple[dict[str, Estimate], dict[str, Estimate], Estimate]


def either(used: Described, other: Described) -> Described:
    """The first description, with intervals that hold those of both."""
    shares, speeds = (
        {name: _hull(one, b[name]) for name, one in a.items()} for a, b in zip(used[:2], other[:2], strict=True)
    )
    return shares, speeds, _hull(used[2], other[2])


def untold(described: Described, sigma_um: float) -> Described:
    """The same without intervals, as the error is too large to tell states apart."""
    why = (
        f"with a localisation error of {sigma_um:.2g} µm, more than {MOST_SIGMA_UM:g}, slow motion is not told from it"
    )
    shares, speeds = (
        {name: not_estimated(one.value, one.problem or why) for name, one in part.items()} for part in described[:2]
    )
    return shares, speeds, not_estimated(described[2].value, described[2].problem or why)


def _hull(used: Estimate, other: Estimate) -> Estimate:
    if used.problem:
        return used
    ends = (used.low, used.high, other.value, other.low, other.high)
    return Estimate(used.value, float(np.nanmin(ends)), float(np.nanmax(ends)))


def of_use(one: Estimate, scale: Scale) -> Estimate:
    """The estimate, without an interval that says nothing; the speed at rest, below that of creep, is not asked."""
    wide = "" if one.problem else too_wide(one.low, one.high, scale)
    return not_estimated(one.value, wide) if wide else one


NO_STEP = "hardly any step is in this state"


def resampled_estimate(values: Floats, n_cells: int, scale: Scale | None, *, undefined: str = NO_STEP) -> Estimate:
    """The first value with the percentiles of the others, its resamples; none where a twentieth of them is undefined.

    Percentiles over few cells are far too narrow, as those of two cells are the cells themselves (Hesterberg 2015):
    their distances from the value are stretched on the number's scale, as Student's t is wider than the normal
    distribution. Without a scale (the speed at rest, which is anything below that of creep), or where the number has no
    place on it, at 0, they are left as they are.

    Args:
        values: of all cells, and of each resample.
        n_cells: that were resampled.
        scale: range of the number; see above.
        undefined: why it is NaN, if it is.
    """
    drawn = values[1:][np.isfinite(values[1:])]
    value = float(values[0])
    if not math.isfinite(value):
        return not_estimated(math.nan, undefined)
    if n_cells < 2:
        return not_estimated(value, "one cell only")
    if drawn.size < 0.95 * (len(values) - 1) or not drawn.size:
        return not_estimated(value, "it rests on too few cells")
    low, high = (float(end) for end in np.quantile(drawn, [1 - CONFIDENCE, CONFIDENCE]))
    low, high = min(low, value), max(high, value)
    if low == high:
        return not_estimated(value, "the cells do not differ, which says nothing about further ones")
    if scale is None:
        return Estimate(value, low, high)
    stretch = reach_of(n_cells) / float(stats.norm.ppf(CONFIDENCE))
    forward, backward = SCALES[scale]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        place, *ends = (float(forward(end)) for end in (value, low, high))
        low, high = (
            float(backward(place + stretch * (on_scale - place))) if math.isfinite(on_scale - place) else end
            for end, on_scale in zip((low, high), ends, strict=True)
        )
    return Estimate(value, min(low, value), max(high, value))
