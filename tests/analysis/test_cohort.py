"""Several movies: tables, pooled numbers, and groups compared between donors."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from somanet.analysis.cohort import COMPARED, comparison_table, gather_cohort, read_conditions, write_cohort
from somanet.core.errors import SomaNetError
from tests.analysis.worlds import save_results, tracks

GROUPS = {"control": 3, "patient": 6}
"""Saltations per cell in 9 h 50 min."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two groups of three donors with two movies of four cells each; one more saltation in each third donor."""
    root = tmp_path_factory.mktemp("movies")
    found = {}
    for group, jumps in GROUPS.items():
        for donor in range(3):
            for movie in range(2):
                name = f"{group}{donor}{movie}"
                table = tracks(4, seed=100 * donor + movie + jumps, jumps=jumps + (donor == 2))
                found[name] = save_results(root / name, table)
    return found


def conditions(folder: Path, names: list[str], *, columns: tuple[str, ...] = ("donor", "group")) -> Path:
    table = pd.DataFrame({"movie": [f"{name}.ome.tif" for name in names]})
    table["donor"] = [name[:-1] for name in names]
    table["group"] = [name[:-2] for name in names]
    table[["movie", *columns]].sample(frac=1, random_state=0).to_csv(folder / "conditions.csv", index=False)
    return folder / "conditions.csv"


def test_groups_are_compared_between_donors(folders: dict[str, Path], tmp_path: Path) -> None:
    """3.33 against 6.33 saltations in 9.83 h, and a correction for dead time that grows with their frequency."""
    known = read_conditions(conditions(tmp_path, list(folders)), list(folders))
    cohort = gather_cohort(folders, known, reference="control")
    table = comparison_table(cohort.comparisons).set_index("number")
    assert list(table.index) == list(COMPARED)
    row = table.loc["frequency_corrected_per_h"]
    assert (row["donors_reference"], row["donors_group"]) == (3, 3)
    assert row["mean_reference"] == pytest.approx(3.33 / 9.83, rel=0.15)
    assert 3 / 9.83 < row["difference"] < 6 / 9.83
    assert row["low"] > 0
    assert row["p_value"] <= row["p_adjusted"] < 0.05
    assert cohort.summaries["control"].n_donors == 3
    assert cohort.summaries["all"].n_movies == 12
    assert cohort.summaries["all"].level == "donor"


def test_the_tables_are_written(folders: dict[str, Path], tmp_path: Path) -> None:
    known = read_conditions(conditions(tmp_path, list(folders)), list(folders))
    written = write_cohort(gather_cohort(folders, known, reference="control"), tmp_path)
    assert sorted(p.name for p in written) == sorted(
        ["movies.csv", "cells.csv", "summary.json", "comparison.csv", "comparison.png"]
    )
    movies = pd.read_csv(tmp_path / "movies.csv")
    assert movies["movie"].tolist() == list(folders)
    assert (movies["donor"] == movies["movie"].str[:-1]).all()
    assert movies["n_cells"].tolist() == [4] * 12
    assert len(pd.read_csv(tmp_path / "cells.csv")) == 48
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert set(summary) == {"all", "control", "patient"}


def test_movies_without_conditions_stand_for_themselves(folders: dict[str, Path]) -> None:
    cohort = gather_cohort(dict(list(folders.items())[:2]), None)
    assert cohort.comparisons == []
    assert cohort.summaries["all"].level == "movie"
    assert "donor" not in cohort.movies
    assert comparison_table([]).empty


def test_one_donor_per_group_gives_a_reason_instead_of_a_p(folders: dict[str, Path], tmp_path: Path) -> None:
    some = {name: folders[name] for name in ("control00", "control01", "patient00")}
    known = read_conditions(conditions(tmp_path, list(some)), list(some))
    table = comparison_table(gather_cohort(some, known, reference="control").comparisons)
    assert table["p_value"].isna().all()
    assert table["problem"].str.contains("two per group").all()


def test_groups_need_donors(folders: dict[str, Path], tmp_path: Path) -> None:
    known = read_conditions(conditions(tmp_path, list(folders), columns=("group",)), list(folders))
    with pytest.raises(SomaNetError, match="column 'donor'"):
        gather_cohort(folders, known, reference="control")
    with pytest.raises(SomaNetError, match=r"no group 'wild'.*Use one of control, patient"):
        gather_cohort(folders, known, reference="wild")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("movie,age\na,3\n", "donor or group"),
        ("film,donor\na,d\n", "lacks ['movie']"),
        ("movie,donor\na,d\n", "no row for 'b'"),
        ("movie,donor\na,d\nb,d\nb.tif,e\n", "'b' has two rows"),
        ("movie,donor\na,d\nb,\n", "the donor of 'b' is empty"),
    ],
)
def test_bad_conditions_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(SomaNetError) as error:
        read_conditions(tmp_path / "c.csv", ["a", "b"])
    assert words in str(error.value)


def test_conditions_may_have_more_rows_and_columns(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("movie,donor,group,age\nz,1,g,3\nb.tif,2,h,4\na,1,g,5\n")
    known = read_conditions(tmp_path / "c.csv", ["a", "b"])
    assert known.to_dict("list") == {"movie": ["a", "b"], "donor": ["1", "2"], "group": ["g", "h"]}
