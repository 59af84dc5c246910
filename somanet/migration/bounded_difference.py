"""The difference between two means of a number that has a range, with an interval that has that range by construction.

Student's t for the difference of two means is the profile of a quadratic: with the means m, their covariance Σ and the
true means μ, T(δ) = min (m - μ)ᵀΣ⁻¹(m - μ) over all μ whose difference is δ is the square of t. A cosine has true means
between -1 and 1 only, so the minimum is taken over these: T is larger for differences that hardly any such μ has, and
its interval, T(δ) - min T ≤ t², ends within the range of differences. Where that range is far away it is that of
Welch's or the paired t test, and so is p, which is the chance of T(0) - min T: interval and p never disagree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats
from scipy.special import expit, logit

from somanet.migration.intervals import CONFIDENCE, WIDEST_SHARE
from somanet.migration.kinematics import Floats

TRUE_RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(
        (
            "pause_fraction",
            "pause_fraction_corrected",
            "straightness",
            "straightness_corrected",
            "resultant",
            "resultant_corrected",
            "saltating_share",
        ),
        (0.0, 1.0),
    ),
    "mean_cosine": (-1.0, 1.0),
    "mean_turn_deg": (0.0, 180.0),
}
"""What the true mean of a number may be; others have no range. R corrected for the number of cells may be below 0,
where no true R is."""
SINGULAR = 1e-9
"""Part of the larger variance that is added where pairs differ by a constant, as two pairs do not tell the rest."""


@dataclass(frozen=True)
class Profile:
    """Two means and how sure they are.

    Attributes:
        means: (2,) of the reference and of the other group.
        precision: (2, 2) inverse of their covariance.
        freedom: degrees of freedom of t.
        lowest, highest: range of the true means.
    """

    means: Floats
    precision: Floats
    freedom: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, means: Floats, covariance: Floats, freedom: float, limits: tuple[float, float]) -> Profile:
        """From the covariance of the means; see the attributes."""
        grown = covariance + SINGULAR * float(np.trace(covariance)) * np.eye(2)
        precision = np.asarray(np.linalg.inv(grown), np.float64)
        return cls(np.asarray(means, np.float64), precision, freedom, *limits)

    @property
    def span(self) -> float:
        """The largest difference that there may be."""
        return self.highest - self.lowest

    def squared_t(self, difference: float) -> float:
        """T of a difference, not less its minimum."""
        at = np.array([self.lowest, self.highest])
        low, high = float(at.min() - min(difference, 0.0)), float(at.max() - max(difference, 0.0))
        # of the reference's mean: T is quadratic in it, with the minimum where the gradient along (1, 1) is 0
        one = np.ones(2)
        away = self.means - np.array([0.0, difference])
        free = float(one @ self.precision @ away) / float(one @ self.precision @ one)
        left = away - min(max(free, low), high)
        return float(left @ self.precision @ left)

    @property
    def fits(self) -> bool:
        """Whether a mean is within the range, or true ones there are as near to the seen ones as chance has it."""
        if ((self.lowest <= self.means) & (self.means <= self.highest)).any():
            return True
        return self.least()[1] <= float(stats.t.ppf(CONFIDENCE, self.freedom)) ** 2

    def least(self) -> tuple[float, float]:
        """The likeliest difference, and T there."""
        inside = ((self.lowest <= self.means) & (self.means <= self.highest)).all()
        if inside:
            return float(self.means[1] - self.means[0]), 0.0
        found = optimize.minimize_scalar(self.squared_t, bounds=(-self.span, self.span), method="bounded")
        ends = [(value, self.squared_t(value)) for value in (float(found.x), -self.span, 0.0, self.span)]
        return min(ends, key=lambda end: end[1])

    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the difference."""
        centre, least = self.least()
        reach = float(stats.t.ppf(CONFIDENCE, self.freedom)) ** 2

        def beyond(difference: float) -> float:
            return self.squared_t(difference) - least - reach

        low, high = (
            end if beyond(end) <= 0 else float(optimize.brentq(beyond, *sorted((centre, end)), xtol=1e-12))
            for end in (-self.span, self.span)
        )
        return low, high

    def p_value(self) -> float:
        """Of no difference."""
        return 2 * float(stats.t.sf(math.sqrt(max(self.squared_t(0.0) - self.least()[1], 0.0)), self.freedom))


def profile_of(number: str, a: Floats, b: Floats, *, paired: bool) -> Profile | None:
    """The two groups' means of a number that has a range; None for others.

    Args:
        number: a name of :data:`somanet.migration.pooling.UNITS`.
        a, b: donors of the reference and of the other group, at least two each; in pairs, the same in both.
        paired: each of ``a`` belongs to one of ``b``.
    """
    if number not in TRUE_RANGES:
        return None
    means = np.array([a.mean(), b.mean()])
    if paired:
        return Profile.of(means, np.cov(a, b) / a.size, a.size - 1, TRUE_RANGES[number])
    errors = np.array([a.var(ddof=1) / a.size, b.var(ddof=1) / b.size])
    freedom = errors.sum() ** 2 / (errors**2 / np.array([a.size - 1, b.size - 1])).sum()  # Welch and Satterthwaite
    return Profile.of(means, np.diag(errors), float(freedom), TRUE_RANGES[number])


def beyond_range(number: str, profile: Profile | None) -> str:
    """Why nothing can be said of a difference of two means that are both where no true ones are, or empty.

    R corrected for the number of cells, for example, is below 0 in donors whose cells avoid one another's directions.
    """
    if profile is None or profile.fits:
        return ""
    means, (lowest, highest) = profile.means, TRUE_RANGES[number]
    return (
        f"The difference is not estimated: the means, {means[0]:.3g} and {means[1]:.3g}, are further outside what a "
        f"true mean can be ({lowest:g} to {highest:g}) than donors differ by chance."
    )


def useless(number: str, low: float, high: float) -> str:
    """Why the interval of a difference is of no use, or empty."""
    if number not in TRUE_RANGES:
        return ""
    lowest, highest = TRUE_RANGES[number]
    if high - low <= WIDEST_SHARE * 2 * (highest - lowest):
        return ""
    return (
        f"The interval of the difference is not estimated: it would span more than {100 * WIDEST_SHARE:.0f} % of all "
        "differences that there can be, as so few donors that differ so much tell little."
    )


def mean_interval(number: str, values: Floats) -> tuple[float, float]:
    """95 % interval of the mean of donors by Student's t; on log odds of its range where the number has one.

    NaN with fewer than two donors, or where the mean is not within the range.
    """
    if values.size < 2:
        return math.nan, math.nan
    mean = float(values.mean())
    reach = float(stats.t.ppf(CONFIDENCE, values.size - 1)) * float(values.std(ddof=1)) / math.sqrt(values.size)
    if number not in TRUE_RANGES:
        return mean - reach, mean + reach
    lowest, highest = TRUE_RANGES[number]
    share = (mean - lowest) / (highest - lowest)
    if not 0 < share < 1:
        return math.nan, math.nan
    half = reach / (highest - lowest) / (share * (1 - share))
    low, high = (lowest + (highest - lowest) * float(expit(logit(share) + side * half)) for side in (-1, 1))
    return low, high
