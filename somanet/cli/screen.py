"""The terminal: what commands print may hold names of files and texts from files, which must not command it."""

from __future__ import annotations

import contextlib
import logging
import os
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
    """A text stream that spells out control characters, except those of progress bars, and what it cannot encode.

    It hides the bytes' stream behind it, to which typer would write instead where the encoding is ASCII.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        own = _PROGRESS.match(text)
        start = own.end() if own else 0
        shown = text[:start] + printable(text[start:], keep=LINES)
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self._stream, name)


def open_standard_streams() -> None:
    """Let a process that was started with a closed standard input, output or error (`>&-`) read or write nothing there.

    Otherwise its next file would take that number, and what a library prints would go into it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(null := os.open(os.devnull, os.O_RDWR), number)
            if null != number:
                os.close(null)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until the end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


class _Notes(logging.Handler):
    """What SomaNet's modules log, as the notes that commands print."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"note: {record.getMessage()}", file=sys.stderr)


def show_notes() -> None:
    """Let warnings that SomaNet's modules log reach the screen as notes, each on one line."""
    log = logging.getLogger("somanet")
    if not any(isinstance(one, _Notes) for one in log.handlers):
        log.addHandler(_Notes(logging.WARNING))


@contextlib.contextmanager
def safe_screen() -> Iterator[None]:
    r"""Within the block, control characters that this process prints are shown as text: an escape is `\x1b`."""
    with (
        contextlib.redirect_stdout(cast("TextIO", _Screen(sys.stdout))),
        contextlib.redirect_stderr(cast("TextIO", _Screen(sys.stderr))),
    ):
        yield
