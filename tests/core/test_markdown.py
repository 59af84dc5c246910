"""Tables whose cells hold names chosen by users."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somanet.core.markdown import cell, table


def read(markdown: str) -> list[list[str]]:
    """The cells as a Markdown parser splits them: a backslash escapes the next character, a bar ends a cell.

    See https://github.github.com/gfm/#tables-extension-.
    """
    return [
        [text.strip() for text in re.findall(r"((?:\\.|[^|\\])*)\|", line.removeprefix("|"))]
        for line in markdown.split("\n")
    ]


def test_columns_have_one_width_and_numbers_stay_as_they_are_written() -> None:
    assert table(["name", ""], [["a", "0.50"], ["longer", "**12**"]]) == (
        "| name   |        |\n"
        "|--------|--------|\n"
        "| a      | 0.50   |\n"
        "| longer | **12** |"
    )  # fmt: skip


def test_titles_may_come_twice_and_rows_may_be_missing() -> None:
    assert read(table(["a", "a"], [["1", "2"]]))[2] == ["1", "2"]
    assert len(table(["a", "b"], []).split("\n")) == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        (r"a\|b", r"a\|b"),  # is escaped already
        (r"a\\|b", r"a\\\|b"),  # here the backslash is what is escaped
        ("`a|b`", r"`a\|b`"),
        ("a\r\n\tb\x00\x1b\u2028c", "a b c"),
        ("a\u202ec\u2066b", "a c b"),  # right to left from here
        ("µ → −0.10 ± 0.02", "µ → −0.10 ± 0.02"),
    ],
)
def test_what_would_break_a_table_is_made_harmless(text: str, shown: str) -> None:
    assert cell(text) == shown
    assert cell(shown) == shown


@given(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=2), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_text_stays_in_its_cell(rows: list[list[str]]) -> None:
    """Every line has two cells, none is missing, and no line-breaking character is left."""
    markdown = table(["a", "b"], rows)
    assert len(markdown.splitlines()) == 2 + len(rows)
    assert {len(row) for row in read(markdown)} == {2}
    assert read(markdown)[2:] == [[cell(text).strip() for text in row] for row in rows]
    assert not {unicodedata.category(character) for character in markdown} & {"Zl", "Zp"}


def test_rows_of_another_length_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="2 columns passed"):
        table(["a", "b"], [["1", "2", "3"]])
