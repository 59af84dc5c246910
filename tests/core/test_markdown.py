"""Tables whose cells hold names chosen by users."""

from __future__ import annotations

import re
import unicodedata
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somanet.core.markdown import cell, code, plain, table, to_html


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


# Foreign text

EVIL = "![x](http://a.b/c.png) <img src=x onerror=alert(1)> `code` **bold** _it_ ~~no~~ a|b \\ \x1b[31m\nline"


def test_foreign_text_is_no_markup() -> None:
    """Every character that could begin markup has a backslash, which Markdown takes off again."""
    shown = plain(EVIL)
    assert re.sub(r"\\(.)", r"\1", shown) == " ".join(EVIL.replace("\x1b", " ").split())
    bare = re.sub(r"\\.", "", shown)
    assert not set(bare) & set("\\`*<[]|~")
    assert shown.isprintable()


def test_usual_names_stay_readable_in_the_source() -> None:
    for name in ("paper_last3", "baseline: paper", "3 × µm, lr 1e-3 (µ)", "run-2.b"):
        assert plain(name) == name


@given(st.text(max_size=20))
@settings(deadline=None)
def test_foreign_text_stays_in_a_cell_and_unchanged(text: str) -> None:
    assert cell(plain(text)) == plain(text)
    assert read(table(["a", "b"], [[plain(text), "x"]]))[2] == [plain(text), "x"]


@given(st.text(max_size=20))
def test_foreign_code_cannot_end_its_span(text: str) -> None:
    assert code(text).count("`") == 2
    assert cell(code(text)) == code(text)


def test_our_own_markdown_becomes_html() -> None:
    text = "# Methods\n\nOne line\nand its next.\n\n## Terms\n\n- **Speed (µm/h).** A *number* < 3\n- second\n"
    assert to_html(text, top=3) == (
        "<h3>Methods</h3>\n<p>One line and its next.</p>\n<h4>Terms</h4>\n"
        "<ul><li><b>Speed (µm/h).</b> A *number* &lt; 3</li><li>second</li></ul>"
    )


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "**a**", "a_1 & `b`", "# a", "- a", "a|b"])
def test_foreign_text_is_shown_as_it_is(name: str) -> None:
    assert to_html(f"Of {plain(name)}.") == f"<p>Of {escape(name)}.</p>"
