"""A cohort's words say what was done and what was found: whose tracks, which rule, why a number has no interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from somanet.analysis.cohort.gather import NOT_ESTIMATED, Cohort
from somanet.analysis.cohort.page import comparison_notes
from somanet.analysis.methods import cohort_methods, movie_methods
from somanet.analysis.report.definitions import in_sentence
from somanet.migration.pooling import UNITS
from tests.analysis.cohort.test_gather import cohort_of, methods
from tests.migration.test_groups import grouped

FREQUENCY = "frequency_corrected_per_h"


@pytest.fixture(scope="module")
def small() -> Cohort:
    """Of one donor in each group, so that nothing is compared: two movies of two equal cells each."""
    return cohort_of(grouped(control=[0.3], drug=[0.6]))


def test_an_interval_of_a_difference_is_missed_only_where_something_was_compared(small: Cohort) -> None:
    assert all(one.problem for one in small.comparisons)
    assert not any("interval of the difference" in note for note in comparison_notes(small))
    assert not any("interval of the difference" in note for one in small.comparisons for note in one.notes)


def test_every_number_of_movies_and_donors_has_an_interval_or_a_reason(small: Cohort) -> None:
    for table in (small.movies, small.donors):
        for name in UNITS:
            known = np.isfinite(table[[name, f"{name}_low", f"{name}_high"]]).all(axis=1)
            assert (known == (table[f"{name}_{NOT_ESTIMATED}"] == "")).all(), name
    assert small.movies["intervals_over"].unique().tolist() == ["cell"]
    assert small.donors["intervals_over"].unique().tolist() == ["movie"]
    for table, units in ((small.movies, "cells"), (small.donors, "movies")):
        assert set(table[f"{FREQUENCY}_{NOT_ESTIMATED}"]) == {
            f"the {units} do not differ, which says nothing about further ones"
        }


def test_the_methods_name_whose_tracks_they_are_and_what_steps_are_of(small: Cohort) -> None:
    text = methods(small)
    assert "All tracks were found by SomaNet." in text
    assert "resultant length r," not in text
    assert "; no drift was removed. Steps across" in text
    assert "- **Speed while running.** Root mean square of the speeds of single steps" in text
    manifests = [one.manifest for one in small.results.values()]

    def said(*, given: int, corrected: int, drift: tuple[str, ...]) -> str:
        return cohort_methods(
            manifests,
            pd.DataFrame({"problem": []}),
            counts={"movies": 4, "donors": 0, "cells": 8, "given": given, "corrected": corrected},
            reference=None,
            code={},
            version="0",
            drift=drift,
        )

    foreign = said(given=4, corrected=0, drift=("none",))
    assert "All tracks were made or corrected by a person or another program." in foreign
    mixed = said(given=1, corrected=1, drift=("image", "none"))
    assert (
        "2 movies have tracks that were found by SomaNet, 1 that were found by SomaNet and corrected by a person, and "
        "1 that were made or corrected by a person or another program."
    ) in mixed
    assert "after removing the stage drift that the background of the images shows, in the movies where it was" in mixed


def test_the_length_r_keeps_its_letter_in_a_sentence() -> None:
    assert in_sentence("resultant_corrected") == "resultant length R, corrected"
    assert in_sentence("mean_length_corrected_um") == "length, corrected"


def test_the_rule_for_cells_that_count_is_the_one_that_was_set() -> None:
    """A movie measured with the usual rule, and one with a least time of 100 h."""
    movie = {"movie": "m", "n_frames": 60, "pixel_size_um": 1.0, "frame_interval_min": 10.0, "tracks_only": True}
    manifest = {"input": movie, "tracks_from": "m.csv", "tracks_sha256": "0", "somanet": "0", "code": {}}
    manifest |= {"parameters": {"migrate": {}}}
    summary = {"localisation": {"in_words": "x"}, "n_cells": 0, "n_short": 18}
    usual = movie_methods(manifest, summary)
    assert "0 cells were observed for 4 h or in 12 frames, or more, and entered" in usual
    long = movie_methods(manifest, {**summary, "definition": {"min_track_h": 100.0}})
    assert "0 cells were observed for 100 h (migrate.min_track_h), or more, and entered" in long
    assert "4 h" not in long.split("## Definitions")[0]
