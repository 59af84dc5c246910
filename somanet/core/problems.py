"""Problems with files, in fixed words by which a table can be grouped."""

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
        # Only the message goes into Exception.args, so that the error survives pickling by data-loader workers.
        super().__init__(message)
        self.kind: Kind = kind


class StackProblem(FileProblem):
    """A Z stack without a chosen plane or projection."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "wrong shape")
