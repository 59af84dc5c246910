"""Localisation errors that differ from cell to cell: small, dim and crowded cells are found less well.

One error for all cells is that of most of them: steps of the others at rest are then longer than it allows and look
like slow motion. So each cell has an error of its own, log-normal around a median, with the motion of all cells as the
same mixture as before (:mod:`somanet.migration.error_mixture`). Both are fitted by expectation maximisation, on the
stretches of each cell together: one stretch says little of its error, a cell's dozens say much. A cell that never rests
says little, and then has about the median (empirical Bayes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp, softmax

from somanet.migration.error_mixture import Mixture
from somanet.migration.kinematics import Floats, Ints

GAIN = 3.0
"""Log likelihood that different errors must gain to be told from equal ones: by chance it is gained in 0.007 of movies
(half of a χ² of one degree of freedom, as the spread is 0 at least)."""
FEWEST_CELLS = 5
GRID_POINTS = 12
"""Errors on either side of the likeliest that cells may have, a factor of 4."""
ITERATIONS, MOTION_ITERATIONS = 30, 12
START = 0.2
LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class CellErrors:
    """The errors of the cells of one movie.

    Attributes:
        sigmas: (S,) µm, those that a cell may have.
        by_cell: (S, cells) log likelihood of each cell's stretches.
        median_um, spread: of the errors; spread is the standard deviation of their logarithm.
        log_likelihood: of all stretches.
        squared_um2: (cells,) mean squared error of each cell, given its stretches.
    """

    sigmas: Floats
    by_cell: Floats
    median_um: float
    spread: float
    log_likelihood: float
    squared_um2: Floats

    @property
    def rms_um(self) -> float:
        """Root mean square over cells."""
        return math.sqrt(float(self.squared_um2.mean()))

    @property
    def chances(self) -> Floats:
        """(S, cells) of each error."""
        return np.asarray(softmax(self.by_cell + _prior(self.sigmas, self.median_um, self.spread)[:, None], axis=0))

    def of(self, cells: Ints) -> CellErrors:
        """Fitted anew to some cells, each as often as it is named; what is known of their motion stays."""
        return _fitted(self.sigmas, self.by_cell[:, cells], self.median_um, self.spread)


def _prior(sigmas: Floats, median_um: float, spread: float) -> Floats:
    """(S,) log chances of the errors: normal in their logarithm, on the grid."""
    z = (np.log(sigmas) - math.log(median_um)) / spread
    return np.asarray(-0.5 * z**2 - logsumexp(-0.5 * z**2), np.float64)


def _fitted(sigmas: Floats, by_cell: Floats, median_um: float, spread: float) -> CellErrors:
    """Median and spread of the errors, by expectation maximisation."""
    logs = np.log(sigmas)[:, None]
    found = CellErrors(sigmas, by_cell, median_um, spread, 0.0, np.empty(0))
    for _ in range(ITERATIONS):
        chances = found.chances
        middle = float((chances * logs).sum(axis=0).mean())
        wide = math.sqrt(float((chances * (logs - middle) ** 2).sum(axis=0).mean()))
        found = replace(found, median_um=math.exp(middle), spread=max(wide, LEAST_SPREAD))
    total = logsumexp(by_cell + _prior(sigmas, found.median_um, found.spread)[:, None], axis=0).sum()
    squared = (found.chances * sigmas[:, None] ** 2).sum(axis=0)
    return replace(found, log_likelihood=float(total), squared_um2=np.asarray(squared, np.float64))


def _by_cell(mixture: Mixture, weights: Floats, unit: Ints) -> Floats:
    """(S, cells) log likelihood of each cell's stretches, with motion of these weights."""
    with np.errstate(divide="ignore"):
        logs = np.log(mixture.likelihood @ weights) + mixture.top
    return np.stack([np.bincount(unit, one, minlength=int(unit.max()) + 1) for one in logs])


def cell_errors_of(mixture: Mixture, weights: Floats, best: int, unit: Ints) -> CellErrors | None:
    """The cells' errors, or None where they cannot be told from equal ones.

    Args:
        mixture: of the movie's stretches.
        weights: (components,) of motion with the best of equal errors.
        best: its number.
        unit: (stretches,) cell of each, 0 to n - 1.
    """
    if int(unit.max(initial=-1)) + 1 < FEWEST_CELLS:
        return None
    near = slice(max(0, best - GRID_POINTS), best + GRID_POINTS + 1)
    some = Mixture(mixture.sigmas[near], mixture.likelihood[near], mixture.top[near])
    start = float(mixture.sigmas[best])
    by_cell = _by_cell(some, weights, unit)
    if not np.isfinite(by_cell).all():
        return None
    equal = float(by_cell.sum(axis=1).max())
    found = _fitted(some.sigmas, by_cell, start, START)
    if found.log_likelihood < equal + GAIN:
        return None
    for _ in range(MOTION_ITERATIONS):
        part = (some.likelihood @ weights)[:, None, :]  # (S, 1, M)
        often = found.chances[:, None, unit] / part
        weights = weights * (often @ some.likelihood)[:, 0].sum(axis=0) / len(unit)
        found = _fitted(some.sigmas, _by_cell(some, weights, unit), found.median_um, found.spread)
    return found
