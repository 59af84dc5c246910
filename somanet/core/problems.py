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
    "in pieces",
    "inverted",
    "interpolated",
    "several classes",
    "too large",
]


CHOICE: Kind = "wrong shape"
"""The kind of a problem that an option solves: which channel, which plane."""


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


class ChannelProblem(FileProblem):
    """Several channels, or colours, without a chosen one."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "wrong shape")


def wrong_size(source: str, what: str, image_YX: tuple[int, int], found_YX: tuple[int, int]) -> FileProblem:
    """A mask, label image or outline of another size than its image."""
    return FileProblem(
        f"{source}: expected {what} of {image_YX[0]} × {image_YX[1]} px like the image, found "
        f"{found_YX[0]} × {found_YX[1]}. Does it belong to another image, or was one of them resized?",
        "wrong shape",
    )
