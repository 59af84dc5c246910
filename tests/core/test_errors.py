from __future__ import annotations

import pytest

from somanet.core.errors import first_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("the disk is full", "the disk is full."),
        ("\n gone.\nTraceback: much more", "gone."),
        ("(raised as a result of Query-invoked autoflush)\ndatabase is locked", "database is locked."),
        ("", "ValueError."),
        ("x" * 1000, "x" * 300 + "."),
    ],
)
def test_an_error_in_one_line(text: str, line: str) -> None:
    assert first_line(ValueError(text)) == line
