"""What can be wrong with a file, in words a table can be grouped by."""

from __future__ import annotations

from typing import Literal

from somanet.core.errors import SomaNetError

Kind = Literal[
    "missing",
    "truncated",
    "unreadable",
    "not an image",
    "not finite",
    "wrong shape",
    "wrong type",
    "too large",
]


class FileProblem(SomaNetError):
    """A file that cannot be used, and why.

    Attributes:
        kind: the class of the problem; the manifest's ``reason`` column.
    """

    def __init__(self, message: str, kind: Kind = "unreadable") -> None:
        # The message alone goes to Exception.args, so the error survives pickling by data-loader workers.
        super().__init__(message)
        self.kind: Kind = kind


class StackProblem(FileProblem):
    """A Z stack of which no plane, and no projection, was chosen."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "wrong shape")
