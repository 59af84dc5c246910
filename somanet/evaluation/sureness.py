"""Whether a difference between two networks says which is better on average, also where few images lose much.

Interval and exchange test of :mod:`somanet.evaluation.paired` say whether two networks can be told apart. Where most
images gain a little and a few lose much, a sample often lacks those that lose: both then call a network better that is
not better on average, in up to 16 of 100 cases (docs/finetuning.md).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from somanet.evaluation.image_tables import ImageValues
from somanet.evaluation.paired import Difference, units_of
from somanet.evaluation.resampling import Floats
from somanet.evaluation.skewness import LEAST_VALUES, p_of_positive_mean

SKEWED_ALPHA = 0.015
"""One-sided level of the test that skewed differences do not mislead, chosen by `python -m benchmarks.verdicts`: with
6 units or more of exponential losses `better` is then wrong in at most 5 %."""
_STEP = 1e-4
"""Of a unit's weight: the error of the derivative is its square, that of rounding 1e-16 over it."""


def gains_of_units(
    ours: ImageValues, theirs: ImageValues, score: str, *, movie_of: Mapping[str, str] | None = None
) -> Floats:
    """What each unit contributes to the difference in a score, in the size of a gain: their mean is the difference.

    The difference plus n times its derivative with respect to the unit's weight among n (the empirical influence
    function, Hampel 1974). Of a mean over images these are the images' own gains; units of several images count as
    often as they have images; of scores that pool objects, an image counts by its objects.

    Args:
        ours, theirs: values of the same images.
        score: name of the score.
        movie_of: image → its unit, as for :func:`somanet.evaluation.paired.paired_differences`.

    Returns:
        One value for each unit; NaN where the score is undefined.
    """
    units_N = units_of(theirs.images, movie_of)
    own_UN = np.arange(int(units_N.max()) + 1)[:, None] == units_N

    def difference(weights_RN: Floats) -> Floats:
        n_R = weights_RN.sum(axis=1)
        first_R, second_R = (
            one.seed_means([score], one.sums(weights_RN), n_images=n_R)[:, 0] for one in (ours, theirs)
        )
        found_R: Floats = first_R - second_R
        return found_R

    slope_U = (difference(1 + _STEP * own_UN) - difference(1 - _STEP * own_UN)) / (2 * _STEP)
    gains_U: Floats = difference(np.ones((1, len(units_N)))) + len(own_UN) * slope_U
    return gains_U


def skewed_p(found: Difference, gains_U: Floats) -> float:
    """One-sided p of a difference in its direction, see :func:`somanet.evaluation.skewness.p_of_positive_mean`.

    Args:
        found: the difference.
        gains_U: of :func:`gains_of_units`.

    Returns:
        NaN where there are too few units, or the difference is undefined.
    """
    if len(gains_U) < LEAST_VALUES or not np.isfinite(gains_U).all():
        return float("nan")
    return p_of_positive_mean(gains_U if found.value > 0 else -gains_U)


def is_sure(found: Difference, gains_U: Floats) -> bool:
    """Whether the interval does not contain 0, and a few more images like the worst would not change that.

    The second: the mean is not 0 by a test that takes account of skewness, at a level of :data:`SKEWED_ALPHA`.
    """
    return excludes_0(found) and skewed_p(found, gains_U) <= SKEWED_ALPHA


def excludes_0(found: Difference) -> bool:
    """Whether the interval does not contain 0; not where there is none."""
    return found.low > 0 or found.high < 0
