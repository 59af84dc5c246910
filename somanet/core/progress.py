"""How far long work is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO, TypeVar

T = TypeVar("T")

EVERY_S = 30.0
"""Between two lines in a log."""
_part: ContextVar[str] = ContextVar("part", default="")
Listener = Callable[[str, int, int], None]
"""Takes what is done, the steps done so far and all steps."""
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """Tell the progress of the work within the block, in this thread, to a window rather than to the terminal."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def part_of(words: str) -> Iterator[None]:
    """Name the part of the work that the block does, such as `movie 7 of 24`; it precedes all progress within."""
    token = _part.set(words)
    try:
        yield
    finally:
        _part.reset(token)


def tell(doing: str, done: int, total: int) -> None:
    """Tell the listener of this thread how far work is that counts its steps itself; nobody else is told."""
    if (listener := _listener.get()) is not None:
        listener(doing, done, total)


class Progress:
    """Steps of one piece of work.

    Args:
        total: number of steps.
        doing: what is done: `segmenting`.
        unit: what a step is: `frame`.
        stream: where to; standard error by default.
    """

    def __init__(self, total: int, *, doing: str, unit: str, stream: TextIO | None = None) -> None:
        self._total, self._unit, self._done = total, unit, 0
        self._stream = sys.stderr if stream is None else stream
        self._words = ", ".join(filter(None, (_part.get(), doing)))
        self._said = time.monotonic()
        self._bar = None
        self._listener = _listener.get()
        if self._listener is not None:
            self._listener(self._words, 0, total)
        elif self._stream.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc=self._words, unit=unit, file=self._stream, leave=False)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def reach(self, done: int) -> None:
        """So many steps are done; fewer than before change nothing."""
        while self._done < done:
            self.step()

    def step(self) -> None:
        """One step is done."""
        self._done += 1
        if self._listener is not None:
            self._listener(self._words, self._done, self._total)
        elif self._bar is not None:
            self._bar.update()
        elif time.monotonic() - self._said >= EVERY_S:
            self._said = time.monotonic()
            self._stream.write(f"{self._words}, {self._unit} {self._done} of {self._total}\n")
            self._stream.flush()

    def waits(self, words: str) -> None:
        """Nobody works, for this reason; `""`: somebody does."""
        if self._bar is not None:
            self._bar.set_postfix_str(words)
        elif words and self._listener is None and time.monotonic() - self._said >= EVERY_S:
            self._said = time.monotonic()
            self._stream.write(f"{self._words}, {self._unit} {self._done} of {self._total}; {words}\n")
            self._stream.flush()


def counted(items: Iterable[T], total: int, *, doing: str, unit: str) -> Iterator[T]:
    """Pass items through; each counts as done once the next one is asked for."""
    with Progress(total, doing=doing, unit=unit) as progress:
        for item in items:
            yield item
            progress.step()


class Overview:
    """Several pieces of work at once: how many are done, and how far each of the others is.

    Args:
        total: number of pieces.
        unit: what a piece is: `movie`.
        stream: where to; standard error by default.
    """

    def __init__(self, total: int, *, unit: str, stream: TextIO | None = None) -> None:
        self._total, self._unit, self._done = total, unit, 0
        self._stream = sys.stderr if stream is None else stream
        self._in_work: dict[str, str] = {}
        self._said = time.monotonic()
        self._bar: Any = None
        if self._stream.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit=unit, file=self._stream, leave=False, dynamic_ncols=True)

    def __enter__(self) -> Overview:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    @property
    def words(self) -> str:
        """`movie 3 of 24 done; a: segmenting, frame 12 of 64; b: tracking`."""
        now = "; ".join(f"{name}: {words}" if words else name for name, words in self._in_work.items())
        return f"{self._unit} {self._done} of {self._total} done" + (f"; {now}" if now else "")

    def now(self, name: str, words: str = "") -> None:
        """A piece is in work: it was begun, or is so far."""
        self._in_work[name] = words
        if self._bar is not None:
            self._bar.set_postfix_str(self.words.partition("; ")[2])
        elif time.monotonic() - self._said >= EVERY_S:
            self._said = time.monotonic()
            self._stream.write(f"{self.words}\n")
            self._stream.flush()

    def waits(self, words: str) -> None:
        """Nobody works, for this reason; `""`: somebody does."""
        if self._bar is not None:
            self._bar.set_postfix_str(words or self.words.partition("; ")[2])
        elif words and time.monotonic() - self._said >= EVERY_S:
            self._said = time.monotonic()
            self._stream.write(f"{self.words}; {words}\n")
            self._stream.flush()

    def over(self, name: str) -> None:
        """A piece is done."""
        self._in_work.pop(name, None)
        self._done += 1
        if self._bar is not None:
            self._bar.set_postfix_str(self.words.partition("; ")[2], refresh=False)
            self._bar.update()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Within the block the bar makes room for what is printed."""
        if self._bar is not None:
            self._bar.clear()
        yield
        if self._bar is not None:
            self._bar.refresh()


class Reminder:
    """Why nobody works, said again now and then as long as it is so; for work that tells of its steps otherwise.

    Args:
        say: prints a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._said = say, time.monotonic()

    def __call__(self, words: str) -> None:
        """Nobody works, for this reason; `""`: somebody does."""
        if not words:
            self._said = time.monotonic()
        elif time.monotonic() - self._said >= EVERY_S:
            self._said = time.monotonic()
            self._say(words)
