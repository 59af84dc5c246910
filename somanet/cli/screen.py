"""The terminal: what commands print may hold names of files and texts from files, which must not command it."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast

from somanet.core.text import printable

LINES = "\n\t"
"""Of the control characters in a message, only these are its own."""

_PROGRESS = re.compile(r"\r|(?:\n|\x1b\[A)+$")
"""How a progress bar begins to draw over itself, or moves between several bars."""


class _Screen:
    """A text stream that spells out control characters, except those of progress bars."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        own = _PROGRESS.match(text)
        start = own.end() if own else 0
        self._stream.write(text[:start] + printable(text[start:], keep=LINES))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def safe_screen() -> Iterator[None]:
    r"""Within the block, control characters that this process prints are shown as text: an escape is `\x1b`."""
    with (
        contextlib.redirect_stdout(cast("TextIO", _Screen(sys.stdout))),
        contextlib.redirect_stderr(cast("TextIO", _Screen(sys.stderr))),
    ):
        yield
