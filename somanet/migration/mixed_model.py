"""A linear mixed model of movies within donors, beside the test of donors: does weighting movies alike change it?"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from somanet.migration.bounded_difference import TRUE_RANGES, Profile, useless
from somanet.migration.pooling import pooled_numbers

FEWEST_MOVIES = 4


@dataclass(frozen=True)
class MixedModel:
    """The difference between two groups by a linear mixed model of the movies' own numbers.

    Attributes:
        difference, low, high: of the second group less the reference, with its 95 % interval.
        p_value: of no difference.
        terms: the model in words, empty if there is none.
        donor_sd, residual_sd: standard deviations between donors, and between movies of one donor.
        problem: why it was not fitted; empty if it was.
    """

    difference: float
    low: float
    high: float
    p_value: float
    terms: str
    donor_sd: float
    residual_sd: float
    problem: str

    @classmethod
    def none(cls, problem: str) -> MixedModel:
        """No model, and why."""
        return cls(*(math.nan,) * 4, "", math.nan, math.nan, problem)


def movie_values(cells: pd.DataFrame, number: str) -> pd.DataFrame:
    """Each movie's own number: ``group, donor, batch, movie, value``; batch is empty if it is not named."""
    rows = []
    for (group, donor, movie), table in cells.groupby(["group", "donor", "movie"]):
        pooled = pooled_numbers(table.reset_index(drop=True), np.ones((1, len(table))))
        batch = str(table["batch"].iloc[0]) if "batch" in table else ""
        rows.append((str(group), str(donor), batch, str(movie), float(pooled[number][0])))
    return pd.DataFrame(rows, columns=["group", "donor", "batch", "movie", "value"])


def fit_mixed_model(cells: pd.DataFrame, *, number: str, groups: tuple[str, str], paired: bool) -> MixedModel:
    """Fit value ~ group with random intercepts of donors, and of batches if there are any, by restricted likelihood.

    Statsmodels tests its coefficient against a normal distribution, which few donors do not justify: interval and p are
    of a t distribution with the degrees of freedom between donors (donors less two; pairs less one).

    Args:
        cells: as for :func:`somanet.migration.groups.compare_groups`, of two groups.
        number: a name of :data:`somanet.migration.pooling.UNITS`.
        groups: reference first.
        paired: the same donor id in both groups is one donor.
    """
    import statsmodels.formula.api as smf

    if "movie" not in cells:
        return MixedModel.none("The movies are not named.")
    table = movie_values(cells, number).dropna(subset=["value"])
    table["unit"] = table["donor"] if paired else table["group"] + "/" + table["donor"]
    table["treated"] = (table["group"] == groups[1]).astype(float)
    n_units = table["unit"].nunique()
    per_cell = table.groupby(["unit", "group"]).size()
    if len(table) < FEWEST_MOVIES or (per_cell < 2).all():
        return MixedModel.none("One movie per donor: movies and donors cannot be told apart, the donor test says all.")
    degrees = n_units - (1 if paired else 2)
    if degrees < 1 or table["treated"].nunique() < 2:
        return MixedModel.none("Too few donors.")
    scale = float(table["value"].std())
    if not scale > 0:
        return MixedModel.none("The movies' numbers do not vary at all.")
    table["scaled"] = table["value"] / scale
    with_batch = table["batch"].nunique() > 1
    parts = {"donor": "0 + C(unit)", **({"batch": "0 + C(batch)"} if with_batch else {})}
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            model = smf.mixedlm("scaled ~ treated", table, groups=np.ones(len(table)), vc_formula=parts)
            fit = model.fit(reml=True, method="powell")  # stops where the variance between donors is 0, too
            slope, error = float(fit.fe_params["treated"]), float(fit.bse_fe["treated"])
    except (ValueError, np.linalg.LinAlgError) as problem:
        return MixedModel.none(f"The model could not be fitted ({type(problem).__name__}).")
    if not fit.converged or not math.isfinite(error) or error <= 0:
        reasons = {type(one.message).__name__ for one in said}
        return MixedModel.none(f"The model did not converge{f' ({min(reasons)})' if reasons else ''}.")
    low, high, p_value = _interval(fit, degrees, number, scale)
    between = dict(zip(model.exog_vc.names, fit.vcomp, strict=True))
    terms = f"value ~ group + (1 | donor){' + (1 | batch)' if with_batch else ''}, {len(table)} movies, t({degrees})"
    return MixedModel(
        difference=slope * scale,
        low=low,
        high=high,
        p_value=p_value,
        terms=terms,
        donor_sd=math.sqrt(max(float(between["donor"]), 0.0)) * scale,
        residual_sd=math.sqrt(float(fit.scale)) * scale,
        problem="",
    )


def _interval(fit: Any, degrees: int, number: str, scale: float) -> tuple[float, float, float]:
    """95 % interval of the slope in the number's unit, and p of none; in its range where the number has one."""
    slope, error = float(fit.fe_params["treated"]), float(fit.bse_fe["treated"])
    if number in TRUE_RANGES:
        names = ["Intercept", "treated"]
        both = np.array([[1.0, 0.0], [1.0, 1.0]])  # from intercept and slope to the two groups' means
        covariance = both @ fit.cov_params().loc[names, names].to_numpy(float) @ both.T
        means = both @ fit.fe_params[names].to_numpy(float)
        profile = Profile.of(scale * means, scale**2 * covariance, degrees, TRUE_RANGES[number])
        low, high = profile.interval()
        wide = bool(useless(number, low, high))
        return *((math.nan, math.nan) if wide else (low, high)), profile.p_value()
    reach = float(stats.t.ppf(0.975, degrees)) * error
    return (slope - reach) * scale, (slope + reach) * scale, 2 * float(stats.t.sf(abs(slope / error), degrees))
