"""Of many inputs some are broken: what is said of the others, and of space, is said once."""

from __future__ import annotations

import errno
from pathlib import Path

from somanet.core.errors import explain
from somanet.core.mending import SPACE
from somanet.core.one_of_many import problem_of, some_left_out

WORDS = {"what": "movie", "done": "analysed", "next_step": "the same command takes up what is missing"}


def test_there_are_others_only_if_some_input_is_not_broken() -> None:
    some = str(some_left_out({"a": "broken."}, 2, **WORDS))
    assert some.endswith("for the reasons above: a. The others are done; the same command takes up what is missing.")
    none = str(some_left_out({"a": "broken.", "b": "broken."}, 2, **WORDS))
    assert none.startswith("2 of 2 movies could not be analysed")
    assert none.endswith("for the reasons above: a, b. The same command takes up what is missing.")


def test_what_frees_space_is_said_once() -> None:
    full = explain(OSError(errno.ENOSPC, "No space left on device"), Path("study/a/tracks.csv"))
    assert SPACE in str(full)
    problem = problem_of(full, "movie")
    assert problem == (
        "Cannot write study/a/tracks.csv: the disk is full. Nothing was changed; free some space and run again."
    )
    whole = str(some_left_out({"a": problem, "b": problem}, 3, **WORDS))
    assert whole.endswith(f"takes up what is missing. {SPACE}.")
