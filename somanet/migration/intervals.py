"""95 % intervals that stay in the range of their number by construction, or the reason why there is none.

A number is resampled with the highest level of nesting that has two units or more, and its interval is that of
Student's t on a scale on which the number has no bounds: logarithm for positive numbers, log odds for shares, Fisher's
z for cosines. Nothing is cut off at a bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

Floats = NDArray[np.float64]
Complexes = NDArray[np.complexfloating]
Scale = Literal["positive", "share", "half turn", "cosine", "signed"]

CONFIDENCE = 0.975
MOST_UNDEFINED = 0.05
"""Share of resamples in which a number may be undefined: more, and the interval would be that of the lucky ones."""
WIDEST_FACTOR = 6.0
"""A positive number whose interval spans more than this factor is not estimated. Groups that are told apart
differ by up to a factor of two; what is known to a factor of 2.5 to either side does not show of which a movie is."""
WIDEST_SHARE = 0.9
"""A share whose interval spans more than this part of its range is not estimated. A stricter limit would leave those
intervals that happen to be narrow. R is another matter: see :meth:`Resampling.resultant`."""
TELLS_NOTHING = 0.01
"""An interval of R that ends nearer than this to both 0 and 1 says nothing."""
NO_LENGTH = 1e-12
NOISE_ONLY = 1e-5
"""Relative spread below which resamples are equal but for rounding: tables hold times and places with six digits."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Attributes:
        value: NaN where undefined.
        low, high: NaN where there is no interval.
        problem: why it is not estimated, in words; empty if there is an interval.
    """

    value: float
    low: float
    high: float
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON: value and interval, or ``not_estimated`` with the reason."""
        found: dict[str, Any] = {"value": _json(self.value), "interval95": [_json(self.low), _json(self.high)]}
        return found | ({"interval95": None, "not_estimated": self.problem} if self.problem else {})


def not_estimated(value: float, problem: str) -> Estimate:
    """A number without an interval, and why."""
    return Estimate(value, math.nan, math.nan, problem)


def reach_of(n_units: int) -> float:
    """Bootstrap standard errors to an interval's ends: Student's t, and the bootstrap's missing degree of freedom.

    NaN with fewer than two units.
    """
    if n_units < 2:
        return math.nan
    return float(stats.t.ppf(CONFIDENCE, n_units - 1)) * math.sqrt(n_units / (n_units - 1))


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Resampling:
    """Sets of units drawn with replacement.

    Attributes:
        level: "donor", "movie" or "cell".
        n_units: how many there are of that level.
        weights: (B, cells) how often each cell counts in each set; B = 0 with one unit only.
        widening: of standard errors, 1 or more: where units are alike in ways that resampling does not show.
    """

    level: str
    n_units: int
    weights: Floats
    widening: float = 1.0

    @classmethod
    def of(cls, unit: NDArray[np.intp], *, level: str, resamples: int, seed: int, widening: float = 1.0) -> Resampling:
        """Draw the sets.

        Args:
            unit: (cells,) unit of each cell, 0 to n - 1.
            level: what the units are.
            resamples: B.
            seed: of the draw.
            widening: of standard errors.
        """
        n = int(unit.max(initial=-1)) + 1
        if n < 2:
            return cls(level, n, np.empty((0, unit.size)), widening)
        drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
        return cls(level, n, drawn[:, unit].astype(np.float64), widening)

    @property
    def reach(self) -> float:
        """Standard errors to the interval's ends."""
        return self.widening * reach_of(self.n_units)

    def interval(self, value: float, resampled: Floats, *, scale: Scale, model_error: float = 0.0) -> Estimate:
        """The number's interval.

        Args:
            value: of all cells.
            resampled: (B,) of the sets.
            scale: range of the number: above 0, 0 to 1, 0 to 180, -1 to 1, or any.
            model_error: half width on that scale that resampling does not show, added in quadrature.
        """
        few = self._too_few()
        if few:
            return not_estimated(value, few)
        forward, backward = SCALES[scale]
        with np.errstate(divide="ignore", invalid="ignore"):
            place, drawn = float(forward(np.float64(value))), forward(np.asarray(resampled, np.float64))
        if not math.isfinite(place):
            lowest, highest = RANGES[scale]
            if lowest <= value <= highest:
                return not_estimated(value, AT_BOUND[scale].format(value=value))
            return not_estimated(
                math.nan, f"it would be {value:.3g}, out of its range: the movie does not fit its model"
            )
        defined = drawn[np.isfinite(drawn)]
        if defined.size < (1 - MOST_UNDEFINED) * drawn.size:
            return not_estimated(value, f"it rests on so few {self.level}s that it is undefined in many resamples")
        error = float(defined.std())
        if error <= NOISE_ONLY * max(1.0, abs(place)):
            return not_estimated(value, f"the {self.level}s do not differ, which says nothing about further ones")
        half = math.hypot(self.reach * error, model_error)
        low, high = float(backward(np.float64(place - half))), float(backward(np.float64(place + half)))
        wide = too_wide(low, high, scale)
        return not_estimated(value, wide) if wide else Estimate(value, low, high)

    def share_of_cells(self, value: float, resampled: Floats) -> Estimate:
        """Interval of a share of cells: exact (Clopper and Pearson 1934) where cells are the units, else of resamples.

        It holds where all cells or none have the property, too.
        """
        if self.level != "cell" or self.n_units < 2 or not math.isfinite(value):
            return self.interval(value, resampled, scale="share")
        found = stats.binomtest(round(value * self.n_units), self.n_units).proportion_ci(method="exact")
        low, high = float(found.low), float(found.high)
        wide = too_wide(low, high, "share")
        return not_estimated(value, wide) if wide else Estimate(value, low, high)

    def resultant(self, value: float, mean_vectors: Complexes, sums: Complexes) -> Estimate:
        """Interval of the length R of a mean vector, from 0 if directions may be random.

        R is never 0 by chance, so R̂ ± its error would exclude 0. Fisher's z of R̂ over its error has about the
        distribution of the length of a normal vector with two components, a noncentral F whose noncentrality is that of
        the true R; the interval has the true values under which R̂ is in the middle 95 %. Near 0 the error need not be
        estimated, as random directions have a known one: the lower end's chance passes over from that of
        :meth:`random_p` at 0 to that of the noncentral F at R̂. So it is above 0 where that p is below 0.025, and only
        there. However wide, the interval is given: to refuse wide ones would refuse clear directions, as only a large R
        has an upper end near 1.

        Args:
            value: R of all cells.
            mean_vectors: (B,) mean of exp(i·angle) of the sets.
            sums: (units,) sum of exp(i·angle) of each unit.
        """
        problem = self._no_vector(value, mean_vectors)
        if problem:
            return not_estimated(value, problem)
        error, seen = self._seen(value, mean_vectors)

        def as_long(length: float) -> float:
            """Chance of a length as seen or above, of a true one in units of the estimated error."""
            return float(stats.ncf.sf(seen / 2, 2, self.n_units - 1, length**2))

        top = math.sqrt(seen) + 4.0
        while as_long(top) < CONFIDENCE:
            top *= 2
        high = math.tanh(error * float(optimize.brentq(lambda length: as_long(length) - CONFIDENCE, 0.0, top)))
        low, log_p = 0.0, self._log_random_p(sums)
        if log_p < math.log(1 - CONFIDENCE):
            squared = -2 * log_p  # the length² that two components of variance 1 exceed with this chance

            def chance(share: float) -> float:
                """Of what is seen, where z of the true R is this share of what it is."""
                known = float(stats.ncx2.sf(squared, 2, max(share**2 * squared, NO_LENGTH)))
                return (1 - share) * known + share * as_long(share * math.sqrt(seen)) - (1 - CONFIDENCE)

            low = math.tanh(math.atanh(value) * float(optimize.brentq(chance, 0.0, 1.0)))
        if low < TELLS_NOTHING and high > 1 - TELLS_NOTHING:
            return not_estimated(value, f"its interval would be {low:.2g} to {high:.3g}, nearly all that there is")
        return Estimate(value, low, high)

    def random_p(self, sums: Complexes) -> float:
        """P of random directions: the chance that units at random have a mean vector as long (Rayleigh's test).

        Each unit's sum is turned at random and keeps its length, so that cells of a movie or donor may go one way
        together. Needs no error, and so no interval of R, whose lower end is above 0 where it is below 0.025. Zar's
        approximation (1999, section 27.1), which is too large rather than too small for two to four units; units of
        unequal lengths aᵢ count as (Σa²)²/Σa⁴ equal ones. NaN with fewer than two units that have a direction.

        Args:
            sums: (units,) sum of exp(i·angle) of each.
        """
        return math.exp(self._log_random_p(sums))

    def _log_random_p(self, sums: Complexes) -> float:
        """Logarithm of :meth:`random_p`."""
        squared = np.abs(sums) ** 2
        if (squared > 0).sum() < 2:
            return math.nan
        n = float(squared.sum() ** 2 / (squared**2).sum())
        z = float(abs(sums.sum()) ** 2 / squared.sum()) / self.widening**2
        return min(math.sqrt(max(1 + 4 * n + 4 * n * (n - z), 0.0)) - (1 + 2 * n), 0.0)

    def direction(self, value: float, mean_vectors: Complexes, resultant: Estimate) -> Estimate:
        """Interval of a mean direction in degrees; ends may lie beyond ±180.

        The directions of a circle about the mean vector that holds the true one with 95 % (Hotelling): as a direction
        is estimated only where R is clear of 0, R tends to be too large there, and Student's t too narrow.

        Args:
            value: circular mean of all cells.
            mean_vectors: (B,) mean of exp(i·angle) of the sets.
            resultant: of :meth:`resultant`; a direction is there only where R is above 0.
        """
        if resultant.problem:
            return not_estimated(value, resultant.problem)
        if resultant.low <= 0:
            return not_estimated(value, "the directions may be random: the interval of R begins at 0")
        _, across = self._spread(mean_vectors[np.isfinite(mean_vectors)])
        freedom = self.n_units - 1
        sine = math.sqrt(2 * float(stats.f.ppf(2 * CONFIDENCE - 1, 2, freedom))) * across / resultant.value
        if sine >= 1:
            return not_estimated(value, "the mean direction is known no better than ± 90°")
        half = math.degrees(math.asin(sine))
        return Estimate(value, value - half, value + half)

    def _no_vector(self, value: float, mean_vectors: Complexes) -> str:
        """Why a mean vector has no error, or empty."""
        if few := self._too_few():
            return few
        if not math.isfinite(value):
            return "no cell moves further than noise"
        defined = mean_vectors[np.isfinite(mean_vectors)]
        if defined.size < (1 - MOST_UNDEFINED) * mean_vectors.size:
            return f"it rests on so few {self.level}s that it is undefined in many resamples"
        if value >= 1 or self._spread(defined)[0] <= NOISE_ONLY:
            return f"the directions of the {self.level}s do not differ"
        return ""

    def _seen(self, value: float, mean_vectors: Complexes) -> tuple[float, float]:
        """Standard error of Fisher's z of R, and z² in units of it."""
        error = self._spread(mean_vectors[np.isfinite(mean_vectors)])[0] / (1 - value**2)
        return error, (math.atanh(value) / error) ** 2

    def _spread(self, mean_vectors: Complexes) -> tuple[float, float]:
        """Standard errors of a mean vector along and across itself, for n - 1 degrees of freedom."""
        mean = mean_vectors.mean()
        turned = mean_vectors * np.conj(mean) / abs(mean)
        grown = self.widening * math.sqrt(self.n_units / (self.n_units - 1))
        return grown * float(turned.real.std()), grown * float(turned.imag.std())

    def _too_few(self) -> str:
        if self.n_units >= 2:
            return ""
        return f"there is one {self.level} only" if self.n_units else "no cell is observed long enough"


def too_wide(low: float, high: float, scale: Scale) -> str:
    """Why an interval is of no use, or empty."""
    if scale == "positive" and (not math.isfinite(high) or high > WIDEST_FACTOR * low):
        return f"its interval would span a factor of more than {WIDEST_FACTOR:g}"
    span = {"share": 1.0, "half turn": 180.0, "cosine": 2.0}.get(scale, math.inf)
    if high - low > WIDEST_SHARE * span:
        return f"its interval would span more than {100 * WIDEST_SHARE:.0f} % of its range"
    return ""


RANGES: Mapping[str, tuple[float, float]] = {
    "positive": (0.0, math.inf),
    "share": (0.0, 1.0),
    "half turn": (0.0, 180.0),
    "cosine": (-1.0, 1.0),
    "signed": (-math.inf, math.inf),
}
Transform = Callable[[Any], Any]


def _odds(x: Any) -> Any:
    return np.log(x) - np.log1p(-x)


def _share(z: Any) -> Any:
    return 0.5 + 0.5 * np.tanh(z / 2)


SCALES: Mapping[str, tuple[Transform, Transform]] = {
    "positive": (np.log, np.exp),
    "share": (_odds, _share),
    "half turn": (lambda x: _odds(x / 180), lambda z: 180 * _share(z)),
    "cosine": (np.arctanh, np.tanh),
    "signed": (lambda x: x, lambda z: z),
}
"""From a number's range to a scale without bounds, and back."""
AT_BOUND: Mapping[str, str] = {
    "positive": "it is {value:.3g}: no interval on a relative scale",
    "share": "it is {value:.3g}, at the end of its range",
    "half turn": "it is {value:.3g}, at the end of its range",
    "cosine": "it is {value:.3g}, at the end of its range",
    "signed": "it is undefined",
}
