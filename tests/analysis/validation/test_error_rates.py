"""Error rates of comparisons: designs drawn from a bank of made-up donors, whose spread says what must come out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from somanet.analysis.validation import error_rates
from somanet.analysis.validation.error_rates import (
    GROUPS,
    Bank,
    Design,
    _cells_p,
    drawn_experiment,
    error_rates_markdown,
    score_design,
    simulate_donors,
)
from somanet.migration.groups import compare_cohort
from tests.markdown_tables import unpadded
from tests.migration.test_summary import cells

FREQUENCY = "frequency_corrected_per_h"


def donors(n: int, *, mean: float, seed: int) -> list[list[pd.DataFrame]]:
    """Four movies of eight cells each; donors' frequencies differ by 0.15 around the mean, cells by 0.03."""
    rng = np.random.default_rng(seed)
    found = []
    for own in np.maximum(rng.normal(mean, 0.15, n), 0.1):
        movies = [cells(np.maximum(rng.normal(own, 0.03, 8), 0.05)) for _ in range(4)]
        found.append([one.assign(**{FREQUENCY: one["n_saltations"] / one["observed_h"]}) for one in movies])
    return found


@pytest.fixture(scope="module")
def bank() -> Bank:
    return Bank(donors(24, mean=1.0, seed=1), donors(6, mean=9.0, seed=2))


def test_experiments_have_the_donors_and_movies_of_their_design(bank: Bank) -> None:
    """Ten movies a group, 1 to 4 of a donor, none twice; one donor of the second group is nine times as fast."""
    design = Design("d", movies=(1, 2, 3, 4), far_off=True)
    table = drawn_experiment(bank, design, np.random.default_rng(4))
    movies = table.groupby(["group", "donor"])["movie"].nunique()
    assert sorted(movies.loc["control"]) == sorted(movies.loc["patient"]) == [1, 2, 3, 4]
    assert (table.groupby("movie").size() == 8).all()
    assert not table.drop(columns=["group", "donor", "movie"]).duplicated(["n_saltations", "track_id"]).any()
    fast = table.groupby(["group", "donor"])[FREQUENCY].mean() > 5
    assert (int(fast.loc["control"].sum()), int(fast.loc["patient"].sum())) == (0, 1)


def test_cells_as_units_find_differences_that_donors_do_not(bank: Bank) -> None:
    """Donors differ five times as much as cells: cells as units reject most equal groups, donors few."""
    null = score_design(bank, Design("null"), experiments=20, seed=5).set_index(["number", "test"])["rate"]
    assert null[(FREQUENCY, "donors")] <= 0.2
    assert null[(FREQUENCY, "mixed")] <= 0.2
    assert null[(FREQUENCY, "cells")] >= 0.5


def test_a_difference_between_all_donors_is_found(bank: Bank) -> None:
    """The experiment of one group twice, the second nine times as fast: p is below 0.05 by every test."""
    table = drawn_experiment(bank, Design("null"), np.random.default_rng(6))
    second = table["group"] == "patient"
    table.loc[second, ["n_saltations", FREQUENCY]] *= 9
    found = compare_cohort(table, reference="control", numbers=[FREQUENCY])[0]
    assert found.p_value < 0.05
    assert found.mixed.p_value < 0.05
    assert _cells_p(table, FREQUENCY) < 1e-6


def test_lengths_that_do_not_vary_are_not_tested_and_the_table_says_how_many_were(bank: Bank) -> None:
    scores = score_design(bank, Design("null"), experiments=2, seed=6)
    length = scores[(scores["number"] == "mean_length_corrected_um") & (scores["test"] == "donors")].iloc[0]
    assert (length["tested"], length["experiments"]) == (0, 2)
    lines = unpadded(error_rates_markdown(scores)).splitlines()
    assert lines[0].startswith(
        "| 4 + 4 donors | frequency: donors | frequency: mixed model | frequency: cells as units |"
    )
    assert ", 0 tested)" in lines[2]


def test_simulated_donors_are_measured_and_those_far_off_jump_twice_as_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_rates, "MOST_MOVIES", 1)
    plain, far = (
        pd.concat([donor[0] for donor in simulate_donors(4, seed=7, far_off=far_off)]) for far_off in (False, True)
    )
    means = [table["complete_um"].sum() / table["n_complete"].sum() for table in (plain, far)]
    assert means[1] / means[0] == pytest.approx(2, rel=0.35)
    assert set(GROUPS) == {"control", "patient"}
