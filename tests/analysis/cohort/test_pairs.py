"""A paired comparison is of the pairs alone: its numbers, its checks, its n and its figures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from somanet.analysis.cohort.conditions import Conditions
from somanet.analysis.cohort.figures import draw_number
from somanet.analysis.cohort.gather import Cohort, gather_cohort
from somanet.analysis.cohort.results import MovieResult
from somanet.analysis.cohort.tables import comparison_table
from tests.migration.test_groups import grouped

NUMBER = "frequency_corrected_per_h"


def cohort_of(table: pd.DataFrame, *, paired: bool) -> Cohort:
    """The movies of drawn cells; a movie's second detector, and every second frame, find what its cells have and 1."""
    results = {}
    for movie, cells in table.groupby("movie"):
        name = str(movie)
        value = {"value": float((cells["n_saltations"] / cells["observed_h"]).mean()) + 1}
        summary = {
            "model": {NUMBER: value},
            "frame_dropping": {"rule": [{"factor": 2, "numbers": {NUMBER: value}}]},
        }
        manifest = {
            "input": {"shape_YX": [500, 700], "pixel_size_um": 1.0, "n_frames": 60, "frame_interval_min": 10.0},
            "parameters": {},
            "somanet": "0",
            "code": {},
        }
        own = cells.drop(columns=["movie", "donor", "group"]).reset_index(drop=True)
        results[name] = MovieResult(name, Path(name), manifest, summary, own)
    conditions = table[["movie", "donor", "group"]].drop_duplicates().reset_index(drop=True)
    return gather_cohort(results, Conditions(conditions), reference="control", paired=paired)


@pytest.fixture(scope="module")
def worlds() -> tuple[Cohort, Cohort]:
    """Three pairs, with and without a fourth donor in each group, of ten times the frequency, who is not the same."""
    pairs = grouped(shared=True, control=[0.3, 0.8, 1.2], drug=[0.2, 0.7, 1.07])
    odd = grouped(control=[3.0], drug=[9.0])
    odd["movie"] = "odd_" + odd["movie"]
    return cohort_of(pairs, paired=True), cohort_of(pd.concat([pairs, odd], ignore_index=True), paired=True)


def test_donors_that_are_not_in_pairs_change_nothing_but_the_notes(worlds: tuple[Cohort, Cohort]) -> None:
    pairs, all_donors = (comparison_table(cohort).set_index("number").loc[NUMBER] for cohort in worlds)
    assert "Not paired" in all_donors["notes"]
    assert "Not paired" not in pairs["notes"]
    pd.testing.assert_series_equal(pairs.drop("notes"), all_donors.drop("notes"))
    assert (all_donors["donors_group"], all_donors["movies_group"], all_donors["cells_group"]) == (3, 6, 12)
    assert all_donors["difference_by_model"] == pytest.approx(-0.11)
    assert all_donors["difference_every_second_frame"] == pytest.approx(-0.11)


def test_figures_show_the_pairs_and_count_them(worlds: tuple[Cohort, Cohort]) -> None:
    for cohort in worlds:
        ax = draw_number(cohort, NUMBER).axes[0]
        labels = [label.get_text() for label in ax.get_xticklabels()]
        assert labels == [f"{group}\n3 donors in pairs\n6 movies\n12 cells" for group in ("control", "drug")]
        assert ax.get_ylim()[1] < 3


def test_unpaired_all_donors_count() -> None:
    odd = grouped(control=[0.3, 0.8, 3.0], drug=[0.2, 0.7, 9.0])
    row = comparison_table(cohort_of(odd, paired=False)).set_index("number").loc[NUMBER]
    assert (row["donors_group"], row["cells_group"]) == (3, 12)
    assert row["difference_by_model"] == pytest.approx(9.9 / 3 - 4.1 / 3)
