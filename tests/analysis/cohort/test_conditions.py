"""The user's table of the movies."""

from __future__ import annotations

from pathlib import Path

import pytest

from somanet.analysis.cohort.conditions import check_groups, movies_of, read_conditions
from somanet.core.errors import SomaNetError


def write(folder: Path, text: str) -> Path:
    (folder / "c.csv").write_text(text)
    return folder / "c.csv"


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
    with pytest.raises(SomaNetError) as error:
        read_conditions(write(tmp_path, text), ["a", "b"])
    assert words in str(error.value)


def test_conditions_may_have_more_rows_and_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "movie,donor,group,age,batch\nz,1,g,3,x\nb.tif,2,h,4,y\na,1,g,5,x\n")
    known = read_conditions(path, ["a", "b"])
    assert known.table.to_dict("list") == {
        "movie": ["a", "b"], "donor": ["1", "2"], "group": ["g", "h"], "batch": ["x", "y"]
    }  # fmt: skip
    assert known.unused == ("z",)
    assert movies_of(path) == ["z", "b", "a"]


def test_movies_in_folders_of_their_own_are_named_with_them(tmp_path: Path) -> None:
    path = write(tmp_path, "movie,donor\np1/m.tif,1\np2\\m.tif,2\nsub/k.ome.tif,3\n")
    known = read_conditions(path, ["p1_m", "p2_m", "k"])
    assert known.table["donor"].tolist() == ["1", "2", "3"]


def test_names_alone_group_nothing(tmp_path: Path) -> None:
    known = read_conditions(write(tmp_path, "movie\na\nb\n"), ["a", "b"])
    assert list(known.table) == ["movie"]


def test_a_comparison_needs_the_reference_and_donors(tmp_path: Path) -> None:
    both = read_conditions(write(tmp_path, "movie,donor,group\na,1,x\nb,2,y\n"), ["a", "b"]).table
    check_groups(both, "x")
    check_groups(both, None)
    with pytest.raises(SomaNetError, match=r"no group 'wild'.*Use one of x, y"):
        check_groups(both, "wild")
    with pytest.raises(SomaNetError, match="column 'donor'"):
        check_groups(both.drop(columns="donor"), "x")
    with pytest.raises(SomaNetError, match="column 'group'"):
        check_groups(both.drop(columns="group"), "x")
