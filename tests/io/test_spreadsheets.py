"""Tables that a person made in a spreadsheet program, as such programs write them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from somanet.core.errors import SomaNetError
from somanet.core.schema import Column, Schema
from somanet.io.spreadsheets import read_spreadsheet

SCHEMA = Schema("conditions", (Column("movie", "string", "", "its name"),))
PLAIN = "movie,donor,group\nZürich_1,01,control\nb,1,drug\n"


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("cp1252"),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", "\t").replace("\n", "\r\n").encode("cp1252"),
        PLAIN.replace("movie,donor,group", " Movie,Donor,GROUP").encode(),
        ("\n" + PLAIN.replace("\n", ",,\n") + ",,,,\n,,,,\n\n").encode(),
        unicodedata.normalize("NFD", PLAIN).encode(),
        PLAIN.replace("01", '"01"').encode(),
        PLAIN.replace(",", "\t").encode("utf-16"),
        ("\ufeff" + PLAIN.replace(",", ";")).encode("utf-16-be"),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace(",", "|").encode(),
        ("sep=;\r\n" + PLAIN.replace(",", ";")).encode(),
        ('"sep=,"\n' + PLAIN).encode(),
        PLAIN.replace("01", '"=""01"""').encode(),
        PLAIN.replace("control", "\u200bcon\u00adtrol\u00a0").encode(),
    ],
    ids=[
        *("plain", "BOM", "cp1252", "semicolons", "tabs", "capitals", "blank rows", "NFD", "quotes", "Unicode text"),
        *("UTF-16 BE", "old Mac", "bars", "sep", "quoted sep", "formula", "pasted"),
    ],
)
def test_what_spreadsheet_programs_write_is_one_table(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "c.csv").write_bytes(data)
    table = read_spreadsheet(tmp_path / "c.csv", SCHEMA)
    assert table.to_dict("list") == {"movie": ["Zürich_1", "b"], "donor": ["01", "1"], "group": ["control", "drug"]}


def test_the_index_is_the_line_in_the_file(tmp_path: Path) -> None:
    """Also after a blank row, after a cell of two lines, and below a line that names the separator."""
    text = 'movie,note\na,"two\nlines"\n,\nb,\n'
    (tmp_path / "c.csv").write_text(text)
    assert read_spreadsheet(tmp_path / "c.csv", SCHEMA).index.tolist() == [2, 5]
    (tmp_path / "c.csv").write_text(f"sep=,\n{text}")
    assert read_spreadsheet(tmp_path / "c.csv", SCHEMA).index.tolist() == [3, 6]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\3\4" + bytes(40), "found a workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(40), "found an old Excel workbook"),
        (b"movie\n\0\n", "NUL bytes"),
        (b"\xff\xfem", "UTF-16"),
        (PLAIN.encode("mac_roman"), "'ZŸrich_1' (Windows) or 'Zürich_1' (Mac)"),
    ],
    ids=["xlsx", "xls", "NUL", "cut UTF-16", "Mac"],
)
def test_what_is_no_text_or_of_an_unclear_encoding_says_how_to_save_it(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "c.csv").write_bytes(data)
    with pytest.raises(SomaNetError) as error:
        read_spreadsheet(tmp_path / "c.csv", SCHEMA)
    assert words in str(error.value)
    assert "Save it as CSV UTF-8" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "found an empty file"),
        (",,\n", "found an empty file"),
        ("film,donor\na,1\n", "line 1: the conditions table lacks ['movie']; it has ['film', 'donor']"),
        ("movie,Donor,donor\na,1,2\n", "line 1: two columns are called 'donor'"),
        ("movie,donor\na,1\nb,2,3\n", "line 3: expected 2 cells, as the header has, found one more: '3'"),
        ('movie,donor\n"a,1\n', "quotation mark"),
    ],
)
def test_what_is_no_such_table_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(SomaNetError) as error:
        read_spreadsheet(tmp_path / "c.csv", SCHEMA)
    message = str(error.value)
    assert words in message
    assert "\n" not in message
    assert "dvc" not in message


def test_a_title_above_the_columns_is_named_and_so_are_the_columns(tmp_path: Path) -> None:
    schema = Schema("conditions", (Column("movie", "string", "", "name"),))
    for title in ("My experiment,,", "My experiment"):
        (tmp_path / "x.csv").write_text(f"{title}\n\nMovie,donor\na,d\n")
        with pytest.raises(SomaNetError, match=r"line 1: .* lacks \['movie'\].* Remove what is above line 3\.$"):
            read_spreadsheet(tmp_path / "x.csv", schema)
    (tmp_path / "x.csv").write_text("file,patient\na,d\n")
    with pytest.raises(SomaNetError, match=r"Name the columns in the first row: movie, and donor\.$"):
        read_spreadsheet(tmp_path / "x.csv", schema, also="movie, and donor")
