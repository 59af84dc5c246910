"""The mixed model against what theory gives for balanced designs, and where there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from somanet.migration.mixed_model import MixedModel, fit_mixed_model, movie_values
from tests.migration.test_summary import cells

NUMBER = "frequency_per_h"
GROUPS = ("control", "patient")


def design(*, donors: int, movies: int, seed: int, effect: float = 0.0, shared: bool = False) -> pd.DataFrame:
    """One cell per movie, whose frequency is 1 ± 0.2 of its donor ± 0.1 of its movie."""
    rng = np.random.default_rng(seed)
    of_donors = rng.normal(1.0, 0.2, (2, donors))
    if shared:
        of_donors[1] = of_donors[0]
    parts = []
    for side, group in enumerate(GROUPS):
        for d in range(donors):
            for m in range(movies):
                value = of_donors[side, d] + effect * side + rng.normal(0, 0.1)
                name = f"{'' if shared else group}{d}"
                parts.append(cells([value]).assign(group=group, donor=name, movie=f"{group}{d}{m}", batch=f"b{m}"))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("effect", [0.0, 0.5])
def test_a_balanced_design_gives_the_t_test_of_donor_means(effect: float) -> None:
    """With as many movies of every donor, restricted likelihood and Student's t over donor means are one test."""
    table = design(donors=5, movies=3, seed=1, effect=effect).drop(columns="batch")
    found = fit_mixed_model(table, number=NUMBER, groups=GROUPS, paired=False)
    means = movie_values(table, NUMBER).groupby(["group", "donor"])["value"].mean()
    expected = stats.ttest_ind(means["patient"], means["control"])
    assert found.problem == ""
    assert found.difference == pytest.approx(means["patient"].mean() - means["control"].mean(), rel=1e-6)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-3)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()), rel=1e-3)
    assert "t(8)" in found.terms
    within = movie_values(table, NUMBER).groupby("donor")["value"].var().mean()
    assert found.residual_sd == pytest.approx(np.sqrt(within), rel=1e-3)


def test_pairs_are_compared_within_donors() -> None:
    table = design(donors=5, movies=2, seed=2, effect=0.1, shared=True).drop(columns="batch")
    within, between = (fit_mixed_model(table, number=NUMBER, groups=GROUPS, paired=paired) for paired in (True, False))
    assert within.difference == pytest.approx(between.difference, rel=1e-6)
    assert within.high - within.low < 0.6 * (between.high - between.low)


def test_batches_are_random_effects_of_their_own() -> None:
    table = design(donors=4, movies=3, seed=3)
    table["n_saltations"] += 10 * table["batch"].map({"b0": 0.0, "b1": 0.5, "b2": 1.0})
    with_batch = fit_mixed_model(table, number=NUMBER, groups=GROUPS, paired=False)
    without = fit_mixed_model(table.drop(columns="batch"), number=NUMBER, groups=GROUPS, paired=False)
    assert "(1 | batch)" in with_batch.terms
    assert with_batch.residual_sd < 0.5 * without.residual_sd


def test_where_there_is_no_model_it_says_why() -> None:
    table = design(donors=4, movies=1, seed=4)
    one = fit_mixed_model(table, number=NUMBER, groups=GROUPS, paired=False)
    assert "One movie per donor" in one.problem
    assert (
        "not named" in fit_mixed_model(table.drop(columns="movie"), number=NUMBER, groups=GROUPS, paired=False).problem
    )
    assert MixedModel.none("why").terms == ""


def test_no_variance_between_donors_is_an_estimate_too() -> None:
    table = design(donors=5, movies=4, seed=5).drop(columns="batch")
    rng = np.random.default_rng(6)
    table["n_saltations"] = 10 * rng.normal(1.0, 0.1, len(table))
    found = fit_mixed_model(table, number=NUMBER, groups=GROUPS, paired=False)
    assert found.problem == ""
    assert found.donor_sd < 0.05
