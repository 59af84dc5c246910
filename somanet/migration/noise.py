"""Localisation error, apart from slow motion, and whether cells rest.

A position errs by σ per axis, so that two successive steps share an error: their covariance is -σ² for a cell at rest
(Berglund 2010), and motion that persists adds to it (Vestergaard, Blainey & Flyvbjerg 2014: σ² = R·MSD₁ + cov, with
R = 0 for exposures much shorter than the frame interval, holds for motion without memory only). A creeping cell has
positive covariances, in which a small error cannot be seen by moments. It can by likelihood: stretches of a few steps
are Gaussian with the covariance σ²·N + s²·K(τ), N being 2 on and -1 beside the diagonal, and K that of a velocity of
spread s that is forgotten in the time τ (Ornstein-Uhlenbeck). Cells rest, creep and run, so s and τ have a distribution
of their own, fitted without a shape (Kiefer & Wolfowitz 1956): a mixture on a grid of both, s = 0 for rest included.
Fast stretches then say little about σ, as they should, and nothing need be cut off as fast.

Where cells never rest, a small error changes steps less than what is unknown of their motion, and the likelihood is as
high without error as with it. The maximum, at the end of the range or anywhere in it, is then no estimate: what is
known is how large the error is at most, and that bound is what σ is taken to be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from somanet.core.counting import counted
from somanet.migration.cell_errors import CellErrors, cell_errors_of
from somanet.migration.error_mixture import COMPONENT_SPREADS, FASTEST_UM_PER_H, REST_UM_PER_H, Mixture
from somanet.migration.intervals import Estimate, not_estimated, reach_of
from somanet.migration.kinematics import Floats, Ints, Steps
from somanet.migration.stretches import FEWEST_WINDOWS, WINDOW, sigma_from_covariance, windows_of

ERRORS_KEPT = (0.25, 0.5, 0.75)
MEMORY_GAIN = 4.0
"""Log likelihood that errors with memory must gain to be preferred to those without."""
LEAST_REST = 0.1
"""Share of time at rest from which on the memory of errors can be told from that of motion."""
LEAST_RESTING = 0.05
INDEPENDENT = -0.45
PERSISTENT = 0.2
"""Correlations of slow steps below and above which errors with memory are not looked for: -0.5 leaves no room."""
SIGMAS = 36
RANGE = 60.0
ITERATIONS = 40
AGAIN = 10
"""Iterations in each resample, from the weights of the whole."""
ROUGH = 0.4
"""Correlation of slow steps in a row below which the motion of cells that do not rest is so rough that part of it may
pass for error: velocities that are forgotten within a frame make steps that are nearly independent, too."""
SMALL = 0.12
"""Share of a typical step of cells that do not rest below which an error is not told from what their motion has beyond
the model; set on simulated walks whose velocities have no normal distribution."""
LEAST_STEP_UM = 1e-9
"""Shorter steps are the rounding of numbers, or of a program's making: there is no error to be seen."""
WITHIN = 1.92
"""Fall of the log likelihood from its maximum at the ends of a 95 % interval (Wilks)."""
RESAMPLES = 60


@dataclass(frozen=True)
class Localisation:
    """How well positions are known, and how cells move between them.

    Attributes:
        sigma_um, low_um, high_um: localisation error per axis with its 95 % interval over cells; NaN where unknown.
            Where no error at all is as likely (``bounded``), σ is not estimated: ``sigma_um`` is its upper bound, like
            ``high_um``, so that nothing that may be error is taken for motion, and ``low_um`` is 0.
        error_kept: share of the error that is kept from a frame to the next, 0 for errors that are independent.
        from_covariance_um: second opinion by moments of slow steps, see :func:`sigma_from_covariance`; NaN if motion
            outweighs the error.
        step_correlation: of successive steps of the slower half of stretches: -0.5 for error alone, 0 or more for
            motion.
        rest_share: share of the observed time at rest, by stretches of up to five steps, with its 95 % interval; says
            whether cells rest at all. How they move otherwise, :mod:`somanet.migration.motion_modes` describes.
        n_windows: stretches that all rests on.
        given: σ was given, not measured.
        bounded: σ is not estimated, only bounded from above.
        of_cells: track id → σ of that cell in µm, where errors differ from cell to cell, of those that have a stretch;
            ``sigma_um`` is then their root mean square. Empty where they cannot be told from equal ones.
        spread: standard deviation of the logarithm of the cells' errors; 0 where they are taken for equal.
    """

    sigma_um: float
    low_um: float
    high_um: float
    error_kept: float
    from_covariance_um: float
    step_correlation: float
    rest_share: tuple[float, float, float]
    n_windows: int
    given: bool = False
    bounded: bool = False
    of_cells: Mapping[int, float] = field(default_factory=dict)
    spread: float = 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the movie cannot tell, in words."""
        if self.given or not self.n_windows:
            return ()
        if self.n_windows >= FEWEST_WINDOWS:
            return (f"{self.in_words[:1].upper()}{self.in_words[1:]}.",) if self.bounded else ()
        few = (
            f"The localisation error rests on {counted(self.n_windows, 'stretch', 'stretches')} of up to {WINDOW} steps"
        )
        return (f"{few}; {FEWEST_WINDOWS} are needed to know it.",)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: undefined ones are None."""

        def known(value: float) -> float | None:
            return value if math.isfinite(value) else None

        return {
            "sigma_um": self.estimate.as_dict(),
            "at_most_um": known(self.high_um),
            "used_um": known(self.sigma_um),
            "in_words": self.in_words,
            "given": self.given,
            "spread_between_cells": self.spread,
            "error_kept": known(self.error_kept),
            "from_covariance_um": known(self.from_covariance_um),
            "correlation_of_slow_steps": known(self.step_correlation),
            "cells_rest": self.rests,
            "n_stretches": self.n_windows,
        }

    @property
    def estimate(self) -> Estimate:
        """σ with its interval, or the reason why there is none; the value is NaN where it is only bounded."""
        if self.bounded:
            return not_estimated(math.nan, f"{self._why_bounded}; at most {self.high_um:.2g} µm")
        return _estimate(self.sigma_um, self.low_um, self.high_um, given=self.given)

    @property
    def _why_bounded(self) -> str:
        if self.rests:
            return "it is too small to be seen"
        return "no cell can be shown to rest, so it cannot be told from slow motion"

    @property
    def in_words(self) -> str:
        """σ for reading, in one clause: measured, given, or what is known where it is not estimated."""
        if self.bounded:
            return (
                f"the localisation error is not estimated ({self._why_bounded}): it is at most {self.high_um:.2g} µm "
                "per axis, and this bound is used where it is needed"
            )
        if not math.isfinite(self.sigma_um):
            return "the localisation error is unknown"
        interval = f" (95 % interval {self.low_um:.2g} to {self.high_um:.2g})" if self.low_um < self.high_um else ""
        how = "given as" if self.given else "measured as"
        found = f"the localisation error is {how} {self.sigma_um:.2g} µm per axis{interval}"
        if self.of_cells:
            found += f", the root mean square of cells whose errors differ by {100 * self.spread:.0f} %"
        return found

    @property
    def step_sigma_um(self) -> float:
        """σ of independent errors that make steps at rest of the same length: σ·√(1 - error_kept)."""
        return self.sigma_um * math.sqrt(1 - self.error_kept)

    @property
    def rests(self) -> bool:
        """Whether cells demonstrably rest: the interval of their time at rest excludes 5 %."""
        return bool(self.rest_share[1] > LEAST_RESTING)


def _estimate(value: float, low: float, high: float, *, given: bool) -> Estimate:
    if math.isfinite(low) and math.isfinite(high) and math.isfinite(value):
        return Estimate(value, min(low, value), max(high, value))
    few = "it is given, not measured" if given else "too few stretches, or one cell only"
    return not_estimated(value, few if math.isfinite(value) else "no steps, or none that tell it from other motion")


def localisation_of(
    steps: Steps, *, sigma_um: float | None = None, seed: int = 0, resamples: int = RESAMPLES
) -> Localisation:
    """Localisation error and the distribution of slow and fast motion, by maximum likelihood; see the module.

    The interval holds that of resampled cells and that of the likelihood itself. Where it would include errors that are
    negligible (the lower end of the range, a fortieth of the typical step), σ is bounded, not estimated; of cells that
    do not rest also where it is less than :data:`SMALL` of a step, or where they move so roughly that their motion may
    pass for error (:data:`ROUGH`). Motion that changes from frame to frame as error does counts as error, as does a
    shape that wanders about its centre. Errors that are remembered from frame to frame are found as such where cells
    rest.

    Args:
        steps: of one movie, with the drift removed; those of the usual duration are used.
        sigma_um: the error if it is known; only the motion is then measured.
        seed: of the bootstrap.
        resamples: how many; 0 for no intervals.
    """
    steps = steps.usual
    groups = windows_of(steps, fastest_um=FASTEST_UM_PER_H * steps.interval_h)
    n_windows = sum(len(one.cell) for one in groups)
    unknown = (math.nan,) * 3
    known = math.nan if sigma_um is None else sigma_um
    given = sigma_um is not None
    if not n_windows:
        return Localisation(*(known,) * 3, 0.0, *(math.nan,) * 2, unknown, 0, given)
    covariance, correlation = sigma_from_covariance(groups)
    size = np.concatenate([np.sqrt((one.steps_yx_um**2).mean(axis=(1, 2))) for one in groups])
    largest = float(np.median(size)) * 1.5
    if largest < LEAST_STEP_UM and not given:
        return Localisation(0.0, 0.0, 0.0, 0.0, 0.0, correlation, (1.0,) * 3, n_windows)
    sigmas = np.array([sigma_um]) if sigma_um is not None else np.geomspace(largest / RANGE, largest, SIGMAS)
    cell = np.concatenate([one.cell for one in groups])
    duration = np.concatenate([np.full(len(one.cell), float(one.steps_yx_um.shape[1])) for one in groups])
    count = np.ones(n_windows)
    mixture, kept = Mixture.of(groups, sigmas, steps.interval_h, 0.0), 0.0
    weights, curve = mixture.fitted(count, None, iterations=ITERATIONS)
    if not given and INDEPENDENT < correlation < PERSISTENT:
        to_beat = float(curve.max()) + MEMORY_GAIN
        for candidate in ERRORS_KEPT:
            other = Mixture.of(groups, sigmas, steps.interval_h, candidate)
            its_weights, its_curve = other.fitted(count, None, iterations=ITERATIONS)
            best = int(its_curve.argmax())
            resting = _rest_share(other.likelihood[best], its_weights[best], duration) >= LEAST_REST
            if resting and its_curve[best] > to_beat:
                to_beat = float(its_curve[best])
                mixture, kept, weights, curve = other, candidate, its_weights, its_curve
    best = int(curve.argmax())
    value = float(known) if given else _peak(mixture.sigmas, curve)
    resting_share = _rest_share(mixture.likelihood[best], weights[best], duration)
    ids, unit = np.unique(cell, return_inverse=True)
    errors = None
    if not given:
        errors = cell_errors_of(mixture, weights[best], best, unit)
    drawn: list[Floats] = []
    if resamples and len(ids) > 1:
        near, at = mixture.near(curve)
        rng = np.random.default_rng(seed)
        for _ in range(resamples):
            often = np.bincount(rng.integers(len(ids), size=len(ids)), minlength=len(ids))[unit].astype(np.float64)
            again, its_curve = near.fitted(often, weights[at], iterations=AGAIN)
            top = int(its_curve.argmax())
            sigma = value if given else _peak(near.sigmas, its_curve)
            drawn.append(np.array([sigma, _rest_share(near.likelihood[top], again[top], duration * often)]))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0) if drawn else np.full((2, 2), math.nan)
    rest = resting_share, float(low[1]), float(high[1])
    ends = float(low[0]), float(high[0])
    bounded = False
    if not given:
        rests = (rest[1] if math.isfinite(rest[1]) else rest[0]) > LEAST_RESTING
        ends_of_curve = _within(mixture.sigmas, curve)
        lowest = float(np.fmin(ends_of_curve[0], ends[0]))
        unclear = correlation < ROUGH or value < SMALL * float(np.median(size))
        bounded = lowest <= mixture.sigmas[0] * (1 + 1e-9) or (not rests and unclear)
        if bounded:
            value = float(np.fmax(ends_of_curve[1], ends[1]))
            ends = 0.0, value
        elif drawn:
            ends = min(ends_of_curve[0], ends[0]), max(ends_of_curve[1], ends[1])
    found = Localisation(value, *ends, kept, covariance, correlation, rest, n_windows, given, bounded)
    return found if errors is None or bounded else _differing(found, errors, ids, resamples, seed)


def _differing(equal: Localisation, errors: CellErrors, ids: Ints, resamples: int, seed: int) -> Localisation:
    """With errors that differ from cell to cell: their root mean square, its interval over cells, and each one."""
    n = len(ids)
    rng = np.random.default_rng(seed)
    logs = [math.log(errors.of(rng.integers(n, size=n)).rms_um) for _ in range(resamples)]
    centre = math.log(errors.rms_um)
    half = reach_of(n) * float(np.std(logs)) if logs else math.nan
    return replace(
        equal,
        sigma_um=errors.rms_um,
        low_um=math.exp(centre - half),
        high_um=math.exp(centre + half),
        of_cells=dict(zip(ids.tolist(), np.sqrt(errors.squared_um2).tolist(), strict=True)),
        spread=errors.spread,
    )


def _within(sigmas: Floats, curve: Floats) -> tuple[float, float]:
    """Where the log likelihood has fallen by :data:`WITHIN`, between grid points; the grid's end where it has not."""
    fall = curve.max() - curve
    inside = np.flatnonzero(fall < WITHIN)
    first, last = int(inside[0]), int(inside[-1])
    logs = np.log(sigmas)
    low, high = logs[first], logs[last]
    if first > 0:
        low = np.interp(WITHIN, fall[[first, first - 1]], logs[[first, first - 1]])
    if last + 1 < len(sigmas):
        high = np.interp(WITHIN, fall[[last, last + 1]], logs[[last, last + 1]])
    return math.exp(low), math.exp(high)


def _peak(sigmas: Floats, curve: Floats) -> float:
    """The maximum between grid points, by a parabola in log σ."""
    if len(curve) < 3:
        return float(sigmas[curve.argmax()])
    i = int(np.clip(curve.argmax(), 1, len(curve) - 2))
    bend = curve[i - 1] - 2 * curve[i] + curve[i + 1]
    shift = 0.5 * (curve[i - 1] - curve[i + 1]) / bend if bend < 0 else 0.0
    ratio = math.log(sigmas[1] / sigmas[0])
    return float(math.exp(math.log(sigmas[i]) + float(np.clip(shift, -1, 1)) * ratio))


def _rest_share(likelihood: Floats, weights: Floats, duration: Floats) -> float:
    """Share of time at rest."""
    posterior = likelihood * weights
    posterior /= posterior.sum(axis=1, keepdims=True)
    time = duration @ posterior
    return float(time[COMPONENT_SPREADS < REST_UM_PER_H].sum() / time.sum())
