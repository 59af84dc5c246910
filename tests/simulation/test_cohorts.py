"""Movies of groups of donors with given effects."""

from __future__ import annotations

import math

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.simulation import NeuronSettings, cohort_movies, group_settings

GROUPS = {"control": group_settings({}), "patient": group_settings({"jump_length_um": 12.0})}


def test_every_donor_has_a_group_and_its_own_settings() -> None:
    plan = list(cohort_movies(GROUPS, donors=3, movies_per_donor=2, seed=1))
    assert [one.name for one in plan[:3]] == ["control_1_1", "control_1_2", "control_2_1"]
    assert len({one.name for one in plan}) == len({one.seed for one in plan}) == 12
    assert {one.group for one in plan if one.donor == "patient_2"} == {"patient"}
    for donor in {one.donor for one in plan}:
        [settings] = {one.settings for one in plan if one.donor == donor}
        assert settings.jump_speed_um_per_h == NeuronSettings().jump_speed_um_per_h
    assert len({one.settings for one in plan}) == 6


def test_donors_spread_about_their_group() -> None:
    """400 donors: the median of a log-normal factor is 1, its log's standard deviation the spread."""
    plan = list(cohort_movies(GROUPS, donors=400, donor_spread=0.2, seed=0))
    for group, settings in GROUPS.items():
        logs = [math.log(one.settings.jump_length_um / settings.jump_length_um) for one in plan if one.group == group]
        assert np.mean(logs) == pytest.approx(0, abs=3 * 0.2 / 20)
        assert np.std(logs) == pytest.approx(0.2, rel=0.15)


def test_the_same_seed_gives_the_same_plan_and_no_spread_the_group_itself() -> None:
    assert list(cohort_movies(GROUPS, donors=2, seed=5)) == list(cohort_movies(GROUPS, donors=2, seed=5))
    assert list(cohort_movies(GROUPS, donors=2, seed=5)) != list(cohort_movies(GROUPS, donors=2, seed=6))
    assert {one.settings for one in cohort_movies(GROUPS, donors=2, donor_spread=0.0)} == set(GROUPS.values())


def test_what_cannot_be_planned_is_refused() -> None:
    with pytest.raises(SomaNetError, match="no setting 'jump'"):
        group_settings({"jump": 3.0})
    for change in ({"donors": 0}, {"donors": 1, "movies_per_donor": 0}, {"donors": 1, "donor_spread": 2.0}):
        with pytest.raises(SomaNetError, match="at least one donor"):
            list(cohort_movies(GROUPS, **change))
