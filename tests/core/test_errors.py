from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from somanet.core.errors import explain, first_line
from somanet.core.mending import SPACE


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


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (errno.ENOSPC, f"free some space and run again. {SPACE}."),
        (errno.EFBIG, "(`ulimit -f`) allows. Raise the limit, or choose another place."),
        (errno.EIO, ": Input/output error. Check that its disk is there and works, or choose another place."),
        (errno.EROFS, "Choose another place, or make it writable."),
    ],
)
def test_what_the_system_refuses_has_a_next_step(number: int, step: str) -> None:
    line = str(explain(OSError(number, os.strerror(number)), Path("a.csv")))
    assert line.startswith("Cannot write a.csv: ")
    assert line.endswith(step)
