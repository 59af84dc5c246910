"""A cohort of drawn cells: pairs alone in a paired comparison, what weakens a comparison, and the methods in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from somanet.analysis.cohort.conditions import Conditions
from somanet.analysis.cohort.figures import draw_number
from somanet.analysis.cohort.gather import Cohort, gather_cohort
from somanet.analysis.cohort.results import MovieResult
from somanet.analysis.cohort.tables import comparison_table
from somanet.analysis.methods import cohort_methods
from tests.migration.test_groups import grouped
from tests.migration.test_signs import signs

NUMBER = "frequency_corrected_per_h"


def cohort_of(
    table: pd.DataFrame, *, paired: bool = False, reference: str | None = "control", **about: dict[str, Any]
) -> Cohort:
    """The movies of drawn cells; a movie's second detector, and every second frame, find what its cells have and 1.

    ``about``: by movie, what differs in its manifest's input, or in its summary or settings.
    """
    results = {}
    for movie, cells in table.groupby("movie"):
        name = str(movie)
        value = {"value": float((cells["n_saltations"] / cells["observed_h"]).mean()) + 1}
        summary = {
            "model": {NUMBER: value},
            "frame_dropping": {"rule": [{"factor": 2, "numbers": {NUMBER: value}}]},
            "saltations_supported": about.get(name, {}).get("supported", True),
            **({"verdict": about[name]["verdict"]} if "verdict" in about.get(name, {}) else {}),
        }
        movie = {"shape_YX": [500, 700], "pixel_size_um": 1.0, "n_frames": 60, "frame_interval_min": 6.0}
        manifest = {
            "input": {**movie, **about.get(name, {}).get("input", {})},
            "parameters": {"migrate": about.get(name, {}).get("migrate", {"axis_deg": 0.0})},
            "model": {"sha256": about.get(name, {}).get("network", "2" * 64)},
            "somanet": "0",
            "code": {},
        }
        own = cells.drop(columns=["movie", "donor", "group", "batch"], errors="ignore").reset_index(drop=True)
        results[name] = MovieResult(name, Path(name), manifest, summary, own, 0)
    conditions = (
        table[[name for name in ("movie", "donor", "group", "batch") if name in table]]
        .drop_duplicates()
        .reset_index(drop=True)
    )
    return gather_cohort(results, Conditions(conditions), reference=reference, paired=paired)


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


def test_all_words_of_a_figure_lie_within_it() -> None:
    """A single group makes the narrowest figure; cells without a corrected length of their own have the longest key."""
    table = grouped(control=[0.3, 0.5, 0.8])
    figure = draw_number(cohort_of(table, paired=False), "mean_length_corrected_um")
    figure.draw_without_rendering()
    assert len(figure.texts) == 1
    whole = figure.bbox
    for words in (*figure.texts, figure.axes[0].yaxis.label, *figure.axes[0].get_xticklabels()):
        box = words.get_window_extent()
        assert whole.x0 <= box.x0
        assert box.x1 <= whole.x1, words.get_text()


def test_unpaired_all_donors_count() -> None:
    odd = grouped(control=[0.3, 0.8, 3.0], drug=[0.2, 0.7, 9.0])
    row = comparison_table(cohort_of(odd, paired=False)).set_index("number").loc[NUMBER]
    assert (row["donors_group"], row["cells_group"]) == (3, 12)
    assert row["difference_by_model"] == pytest.approx(9.9 / 3 - 4.1 / 3)


def drawn() -> pd.DataFrame:
    """Three donors in each group, with two movies of two cells."""
    return grouped(control=[0.3, 0.5, 0.8], drug=[0.6, 1.0, 1.1])


def test_equal_movies_give_no_warning_of_differences() -> None:
    assert not any("differ" in text for text in cohort_of(drawn()).warnings)


def test_what_directions_refer_to_is_said() -> None:
    """Each explant lies in its own way in its image; without an axis, directions are those of the image."""
    everywhere = cohort_of(drawn())
    assert any("refer to the right of the images" in text for text in everywhere.notes)
    one = cohort_of(drawn(), control00={"migrate": {"axis_deg": 90.0}})
    assert any(text.startswith("The axis differs between the movies (0, 90°)") for text in one.warnings)
    assert not any("refer to the right" in text for text in one.notes)
    assert not any("not analysed alike" in text for text in one.warnings)


def test_noisier_and_denser_groups_are_pointed_out() -> None:
    """Noise of 0.2 µm against 0.1, a quarter of the area, and cells seen for half of the time."""
    table = drawn()
    table.loc[table["group"] == "drug", "noise_um"] = 0.2
    table["n_frames"] = 50
    table.loc[table["group"] == "drug", "observed_h"] = 5.0
    movies = table.loc[table["group"] == "drug", "movie"].unique()
    found = cohort_of(table, **{movie: {"input": {"shape_YX": [250, 350]}} for movie in movies}).warnings
    for words in ("Localisation noise differs", "Cell density differs", "The time for which cells are seen differs"):
        assert any(text.startswith(words) for text in found), words


def test_movies_that_were_not_analysed_alike_or_do_not_support_saltations_are_pointed_out() -> None:
    about = {
        **{
            f"{g}{i}{m}": {"migrate": {"sigma_um": 0.4}}
            for g in ("control", "drug")
            for i in range(3)
            for m in range(2)
        },
        "control00": {"migrate": {"sigma_um": 0.5}, "network": "4" * 64},
        "drug01": {
            "migrate": {"sigma_um": 0.4},
            "supported": False,
            "verdict": {"signs": signs(cut_share=0.3).as_dict()},
        },
        "drug00": {"migrate": {"sigma_um": 0.4}, "supported": False},
    }
    found = cohort_of(drawn(), **about).warnings
    assert any("migrate.sigma_um differs (0.4; 0.5)" in text for text in found)
    assert any("the network differs" in text for text in found)
    assert any(text.startswith("In 1 of 12 movies saltation numbers do not hold: drug01.") for text in found)
    untold = "Alone, 1 of 12 movies cannot tell whether saltation numbers hold: drug00."
    assert any(text.startswith(untold) for text in found)


def test_speed_and_pauses_leave_out_movies_that_do_not_support_saltations() -> None:
    """As the report of such a movie does; its donor is described by the other movie, and the reader is told."""
    table = drawn()
    flagged = table["movie"] == "drug01"
    table.loc[flagged, ["saltations_supported", "speed_moment_um2_per_h"]] = [0, 99000.0]
    found = cohort_of(table)
    movies = found.movies.set_index("movie")
    speed, frequency = "mobile_speed_corrected_um_per_h", "frequency_corrected_per_h"
    assert np.isnan(movies.loc["drug01", speed])
    assert movies[speed].notna().sum() == len(movies) - 1
    assert movies[frequency].notna().all()
    alone = cohort_of(drawn()).donors.set_index(["group", "donor"])[speed]
    pd.testing.assert_series_equal(found.donors.set_index(["group", "donor"])[speed], alone)
    assert any("leave out 1 of 12 movies" in text and "drug01" in text for text in found.warnings)


def test_mixed_intervals_are_described_and_not_compared() -> None:
    table = drawn()
    table.loc[table["movie"] == "drug00", "frame_interval_h"] = 0.2
    cohort = cohort_of(table, drug00={"input": {"frame_interval_min": 12.0}})
    assert "different frame intervals" in cohort.comparisons[0].problem
    assert any(text.startswith("The movies have different frame intervals (6, 12 min)") for text in cohort.warnings)


def test_pixel_sizes_that_differ_or_were_given_are_told() -> None:
    """Of one movie twice the size of all others; files round sizes, so 0.2 % is none."""
    assert not any("ixel size" in text for text in cohort_of(drawn()).warnings)
    close = cohort_of(drawn(), drug00={"input": {"pixel_size_um": 1.002}})
    assert not any("ixel size" in text for text in close.warnings)
    note = "The file says 1 µm per pixel; --pixel-size-um 2 was used instead."
    cohort = cohort_of(drawn(), drug00={"input": {"pixel_size_um": 2.0, "notes": [note]}})
    [differ] = [text for text in cohort.warnings if text.startswith("Pixel sizes differ between the movies (1 µm: ")]
    assert "; 2 µm: drug00)" in differ
    assert any(text.startswith("Of drug00 the scale in the file was replaced") for text in cohort.warnings)
    assert cohort.movies.set_index("movie").loc["drug00", "pixel_size_um"] == 2.0


def test_batches_enter_the_mixed_model() -> None:
    table = drawn()
    table["batch"] = "b" + table["movie"].str[-1]
    table["n_saltations"] *= np.random.default_rng(0).uniform(0.7, 1.3, len(table))
    row = comparison_table(cohort_of(table)).set_index("number").loc[NUMBER]
    assert "(1 | batch)" in row["mixed_model"]


def test_groups_without_a_reference_are_not_compared_and_a_note_says_how() -> None:
    cohort = cohort_of(drawn(), reference=None)
    assert cohort.comparisons == []
    assert any("control, drug were not compared" in text and "--reference control" in text for text in cohort.notes)


@pytest.mark.parametrize("empty", ["control", "drug"])
def test_a_group_without_a_cell_seen_long_enough_is_named(empty: str) -> None:
    """Asked to compare, the cohort never says nothing: neither for a reference without cells nor for another group."""
    table = drawn()
    table.loc[table["group"] == empty, "long_enough"] = 0
    cohort = cohort_of(table)
    assert cohort.comparisons == []
    assert any(f"movies of {empty}: no groups are compared" in text for text in cohort.notes)


def test_a_third_group_without_cells_is_named_beside_the_comparison_of_the_others() -> None:
    table = drawn()
    third = table[table["group"] == "drug"].assign(group="rescue", movie=lambda one: "r" + one["movie"], long_enough=0)
    cohort = cohort_of(pd.concat([table, third], ignore_index=True))
    assert {one.groups for one in cohort.comparisons} == {("control", "drug")}
    assert any("movies of rescue: not compared with control" in text for text in cohort.notes)


def methods(cohort: Cohort, *, donors: int = 6) -> str:
    return cohort_methods(
        [result.manifest for result in cohort.results.values()],
        comparison_table(cohort),
        counts={"movies": 12, "donors": donors, "cells": 24, "given": 0, "corrected": 0},
        reference=cohort.reference,
        code={},
        version="0",
    )


def test_the_methods_say_only_what_was_done() -> None:
    """Lengths do not vary, so they have no test; and with two donors in each group nobody can be left out."""
    tested = methods(cohort_of(drawn()))
    assert "Welch" in tested
    assert "without each donor in turn" in tested
    assert "Not tested:\n\n- length, corrected (control and drug): The groups cannot be compared" in tested
    two = methods(cohort_of(grouped(control=[0.3, 0.5], drug=[0.6, 1.0])))
    assert "without each donor" not in two
    assert "second detector" in two
    alone = methods(cohort_of(grouped(control=[0.3], drug=[0.6])))
    assert "Nothing was tested.\n\n- " in alone
    said, rest = alone.split("## Definitions")
    for words in ("Welch", "Hedges", "Benjamini", "Sensitivity", "mixed", "statsmodels", "±", "corrected by a person"):
        assert words not in said + rest.split("## References")[1], words
    assert "donor" not in methods(cohort_of(drawn(), reference=None), donors=0).split("## Definitions")[0]
