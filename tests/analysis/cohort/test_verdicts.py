"""Movies of a group judged together: which are of one kind, what is said, and where it is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from somanet.analysis.cohort.results import MovieResult
from somanet.analysis.cohort.verdicts import verdicts_of
from somanet.migration.verdict_names import FAIL, HOLD, UNTOLD
from tests.analysis.cohort.test_gather import cohort_of, drawn
from tests.migration.test_signs import signs


def result(name: str, near: float, **migrate: Any) -> MovieResult:
    summary = {"verdict": {"signs": signs(cut_share=0.1 * near).as_dict()}}
    return MovieResult(name, Path(name), {"parameters": {"migrate": migrate}}, summary, pd.DataFrame(), 0)


def table(groups: Mapping[str, str], minutes: Mapping[str, float] | None = None) -> pd.DataFrame:
    every = minutes or {}
    rows = [
        {"movie": name, "group": group, "frame_interval_min": every.get(name, 10.0)} for name, group in groups.items()
    ]
    return pd.DataFrame(rows)


def test_movies_of_a_group_are_judged_together_and_groups_apart() -> None:
    """Of the controls one movie of three is beyond its limit, which is chance; of the patients all are."""
    near = {"a": 1.6, "b": 0.0, "c": 0.1, "d": 2.7, "e": 2.6, "f": 2.9}
    groups = {name: "control" if name in "abc" else "patient" for name in near}
    control, patient = verdicts_of({name: result(name, one) for name, one in near.items()}, table(groups))
    assert (control.group, control.movies, control.verdict) == ("control", ("a", "b", "c"), HOLD)
    assert (patient.group, patient.movies, patient.verdict) == ("patient", ("d", "e", "f"), FAIL)
    together = "Of 3 movies of control (10 min between frames) together, saltation numbers hold"
    assert control.in_words.startswith(together)
    assert "do not hold: in 27 % of the saltations the cell is lost" in patient.in_words
    assert patient.as_dict()["saltation_numbers"] == FAIL


def test_movies_of_another_interval_or_setting_are_of_another_kind() -> None:
    """10.003 min is 10 min; the axis is how a tissue lies in its image."""
    names = dict.fromkeys("abcd", "x")
    results = {
        "a": result("a", 0.0, sigma_um=None, axis_deg=0.0),
        "b": result("b", 0.0, sigma_um=None, axis_deg=90.0),
        "c": result("c", 0.0, sigma_um=0.4),
        "d": result("d", 0.0, sigma_um=None),
    }
    found = list(verdicts_of(results, table(names, {"b": 10.003, "d": 20.0})))
    assert sorted(one.movies for one in found) == [("a", "b"), ("c",), ("d",)]
    assert {one.interval_min for one in found} == {10.0, 20.0}


def test_between_the_limits_nothing_is_told_and_older_results_are_not_judged() -> None:
    older = MovieResult("b", Path("b"), {"parameters": {}}, {}, pd.DataFrame(), 0)
    names = {"a": "x", "b": "x"}
    (found,) = verdicts_of({"a": result("a", 1.2), "b": older}, table(names))
    assert found.movies == ("a",)
    assert found.verdict == UNTOLD
    assert found.in_words.startswith("Of the only movie of x (10 min between frames) saltation numbers may hold or not")
    assert "this movie alone cannot tell: in 12 % of the saltations" in found.in_words
    assert list(verdicts_of({"b": older}, table({"b": "x"}))) == []


def test_the_cohort_says_it_among_its_cautions_or_notes() -> None:
    cells = drawn()
    bad = {"signs": signs(cut_share=0.3).as_dict()}
    good = {"signs": signs().as_dict()}
    about = {str(name): {"verdict": bad if str(name).startswith("drug") else good} for name in cells["movie"].unique()}
    cohort = cohort_of(cells, **about)
    assert any(text.startswith("Of 6 movies of drug") and "do not hold" in text for text in cohort.warnings)
    assert any(text.startswith("Of 6 movies of control") and "hold, as far" in text for text in cohort.notes)
    assert [one.verdict for one in cohort.verdicts] == [HOLD, FAIL]
