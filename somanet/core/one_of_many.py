"""Of many inputs a broken one costs only itself: it is named, the others are done, and then the command fails."""

from __future__ import annotations

from collections.abc import Mapping

from somanet.core.errors import SomaNetError, first_line
from somanet.core.mending import SPACE

_DISK_FULL = "the disk is full"
"""How :func:`somanet.core.errors.explain` words it."""


def problem_of(error: Exception, what: str) -> str:
    """Why an input has no results, in one line; what frees space is told once for all, by :func:`some_left_out`.

    Args:
        error: what happened.
        what: the input, in a word: `movie`.
    """
    if isinstance(error, SomaNetError):
        return str(error).removesuffix(f" {SPACE}.")
    return f"{type(error).__name__}: {first_line(error)} Give this {what} alone to see where it happened."


def none_left(problems: Mapping[str, str]) -> SomaNetError:
    """That inputs cannot be used without which there is nothing to do: the problem of the first, and the other names.

    Args:
        problems: by name; at least one.
    """
    first, *others = problems
    also = f" Nor can these be used: {', '.join(others)}." if others else ""
    return SomaNetError(f"{problems[first]}{also}")


def some_left_out(problems: Mapping[str, str], n_inputs: int, *, what: str, done: str, next_step: str) -> SomaNetError:
    """That the others, if there are any, are done, once each problem has been told.

    Args:
        problems: by name.
        n_inputs: how many there were.
        what, done: `movie`, `analysed`.
        next_step: what completes the work, without a full stop.
    """
    others = f"The others are done; {next_step}" if len(problems) < n_inputs else next_step[:1].upper() + next_step[1:]
    space = f" {SPACE}." if any(_DISK_FULL in problem for problem in problems.values()) else ""
    return SomaNetError(
        f"{len(problems)} of {n_inputs} {what}s could not be {done}, for the reasons above: {', '.join(problems)}. "
        f"{others}.{space}"
    )
