"""The user's table of the movies."""

from __future__ import annotations

import unicodedata
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
        ("file,patient\na,d\n", "Name the columns in the first row: movie, and donor or group or both;"),
        ("Title,\nmovie,donor\na,d\nb,e\n", "Remove what is above line 2."),
        ("movie,donor\na,d\nb,d\nTotal,\n", "the donor of 'Total' is empty. Fill it in, or remove the row."),
        ("movie,donor\na,d\nb,\n", "or remove the row, and to leave the movie out, name the other movies alone"),
        ("movie,donor\na,d\n", "no row for 'b'. Name every movie once"),
        ("movie,donor\na,d\nz,e\n", "no row for 'b'; rows of no movie here: 'z'. Name every movie once"),
        ("movie,donor\na,d\nb,d\nb.tif,e\n", "line 4: 'b' has two rows, also line 3"),
        ("movie,donor\na,d\nb,\n", "line 3: the donor of 'b' is empty"),
        ("movie,donor\na,d\n,e\n", "line 3: the movie is empty"),
        (
            "movie,donor,group\nz,1,Kontrolle\na,1,Kontrolle\nb,2,kontrolle\n",
            "line 4: the group 'kontrolle' differs from 'Kontrolle' only in capitals, spaces or leading zeros. Did you",
        ),
    ],
)
def test_bad_conditions_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SomaNetError) as error:
        read_conditions(write(tmp_path, text), ["a", "b"])
    assert words in str(error.value)


def test_a_movie_is_left_out_as_the_message_advises(tmp_path: Path) -> None:
    path = write(tmp_path, "movie,donor\na,d\n")
    assert read_conditions(path, ["a"]).table["movie"].tolist() == ["a"]


def test_conditions_may_have_more_rows_and_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "movie,donor,group,age,batch\nz,1,g,3,x\nb.tif,2,h,4,y\na,1,g,5,x\n")
    known = read_conditions(path, ["a", "b"])
    assert known.table.to_dict("list") == {
        "movie": ["a", "b"], "donor": ["1", "2"], "group": ["g", "h"], "batch": ["x", "y"]
    }  # fmt: skip
    assert known.unused == ("z",)
    assert movies_of(path) == ["z", "b", "a"]


@pytest.mark.parametrize(
    ("name", "stored"), [("1e5", "100000"), ("01-Mar", "44621"), ("Mar-01", "1. Mrz"), ("3-4", "44989")]
)
def test_names_that_a_spreadsheet_rewrote_are_pointed_out(name: str, stored: str, tmp_path: Path) -> None:
    """Excel keeps a name like a date as a day's number; typed into a column of text, it stays."""
    path = write(tmp_path, f"movie;donor\n{stored};1\n")
    with pytest.raises(SomaNetError, match=f"take {name!r} for a date or a number[?] Format the column as text"):
        read_conditions(path, [name])
    assert read_conditions(write(tmp_path, f"movie;donor\n{name};1\n"), [name]).table["movie"].tolist() == [name]


def test_names_that_no_spreadsheet_rewrites_are_not(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError) as error:
        read_conditions(write(tmp_path, "movie,donor\n100000,1\n"), ["day10_wt", "d3"])
    assert "a spreadsheet program" not in str(error.value)


def test_a_column_of_groups_by_another_name_is_pointed_out(tmp_path: Path) -> None:
    [warning] = read_conditions(write(tmp_path, "movie,donor,condition\na,1,drug\n"), ["a"]).warnings
    assert "not used: 'condition'. Call the one that names the groups 'group'." in warning
    assert read_conditions(write(tmp_path, "movie,donor,group,age\na,1,drug,3\n"), ["a"]).warnings == ()
    assert read_conditions(write(tmp_path, "movie,donor\na,1\n"), ["a"]).warnings == ()


def test_donors_of_one_number_are_two_and_pointed_out(tmp_path: Path) -> None:
    path = write(tmp_path, "movie,donor,batch\na,01,x\nb,1,X\nc,001,y\nd,10,y\n")
    known = read_conditions(path, ["a", "b", "c", "d"])
    assert known.table["donor"].tolist() == ["01", "1", "001", "10"]
    donors, batches = known.warnings
    assert "donor ids '001' and '01' and '1' count as 3 donors" in donors
    assert "batch ids 'X' and 'x' count as 2 batches" in batches


def test_movies_are_found_by_names_that_look_alike(tmp_path: Path) -> None:
    """macOS decomposes the umlauts of files' names; a point is no suffix where a movie is called so."""
    mac = unicodedata.normalize("NFD", "Zürich")
    path = write(tmp_path, "movie,donor\nZürich.tif,1\nday1.5,2\n")
    assert read_conditions(path, [mac, "day1.5"]).table["movie"].tolist() == [mac, "day1.5"]


def test_a_slip_in_a_movies_name_is_pointed_out(tmp_path: Path) -> None:
    path = write(tmp_path, "movie,donor\nother,1\nday10_wildtyp,1\n")
    with pytest.raises(
        SomaNetError, match="no row for 'day10_wildtype', 'x'; rows of no movie here: 'other', "
    ) as error:
        read_conditions(path, ["x", "day10_wildtype"])
    assert "Did you mean 'day10_wildtype' by 'day10_wildtyp' in line 3?" in str(error.value)


def test_capitals_of_a_movies_name_matter_only_where_two_differ_in_them(tmp_path: Path) -> None:
    path = write(tmp_path, "movie,donor\nDAY1.TIF,1\nb,2\nB,3\n")
    assert read_conditions(path, ["Day1", "B", "b"]).table["donor"].tolist() == ["1", "3", "2"]


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
    with pytest.raises(SomaNetError, match=r"no group 'X' to compare with\. Did you mean 'x'"):
        check_groups(both, "X")
    with pytest.raises(SomaNetError, match="column 'donor'"):
        check_groups(both.drop(columns="donor"), "x")
    with pytest.raises(SomaNetError, match="column 'group'"):
        check_groups(both.drop(columns="group"), "x")
