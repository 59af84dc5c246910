"""Progress in a log: which part, how far, and not too often."""

from __future__ import annotations

import io

import pytest

from somanet.core import progress
from somanet.core.progress import Overview, Progress, Reminder, counted, part_of


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step each 10 s, a line each 30 s: after the third and the sixth."""
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    log = io.StringIO()
    with part_of("movie 7 of 24"), Progress(64, doing="segmenting", unit="frame", stream=log) as found:
        for _ in range(4):
            found.step()
    lines = log.getvalue().splitlines()
    assert lines[0].startswith("movie 7 of 24, segmenting, frame ")
    assert lines[0].endswith(" of 64")
    assert 1 <= len(lines) < 4


def test_quick_work_says_nothing_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(counted("abc", 3, doing="checking", unit="letter")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_that_names_the_part() -> None:
    screen = Terminal()
    with part_of("movie 2 of 3"), Progress(5, doing="tracking", unit="pass", stream=screen) as found:
        for _ in range(5):
            found.step()
    assert "movie 2 of 3, tracking" in screen.getvalue()


def test_the_part_ends_with_its_block() -> None:
    log = io.StringIO()
    with part_of("movie 1 of 2"):
        pass
    assert Progress(1, doing="x", unit="y", stream=log)._words == "x"


def test_a_log_names_all_that_is_in_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report each 10 s, a line each 30 s; what is over is counted and no longer named."""
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    log = io.StringIO()
    with Overview(24, unit="movie", stream=log) as found:
        found.now("a")
        found.now("b", "segmenting, frame 12 of 64")
        found.over("a")
        found.now("b", "tracking")
        found.now("c", "checking")
    [line] = log.getvalue().splitlines()
    assert line == "movie 1 of 24 done; b: tracking"
    assert found.words == "movie 1 of 24 done; b: tracking; c: checking"


def test_a_terminal_has_one_bar_of_all_movies() -> None:
    screen = Terminal()
    with Overview(3, unit="movie", stream=screen) as found:
        found.now("a", "segmenting, frame 2 of 9")
        found.now("b", "tracking")
        found.over("a")
        with found.aside():
            screen.write("printed\n")
    shown = screen.getvalue()
    assert "a: segmenting, frame 2 of 9; b: tracking" in shown
    assert "1/3" in shown
    assert "printed\n" in shown


def test_a_log_says_why_nobody_works_each_30_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked each 10 s; the other words of the work stay, and nothing is said while somebody works."""
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    log = io.StringIO()
    found = Overview(24, unit="movie", stream=log)
    for _ in range(7):
        found.waits("0 workers have joined")
    found.waits("")
    assert log.getvalue().splitlines() == ["movie 0 of 24 done; 0 workers have joined"] * 2

    log, clock = io.StringIO(), iter(range(0, 1000, 10))
    steps = Progress(9, doing="segmenting", unit="frame", stream=log)
    for _ in range(4):
        steps.waits("0 workers have joined")
    assert log.getvalue() == "segmenting, frame 0 of 9; 0 workers have joined\n"

    said: list[str] = []
    clock = iter(range(0, 1000, 10))
    remind = Reminder(said.append)
    for words in ("none", "", "none", "none", "none", "none"):
        remind(words)
    assert said == ["none"]


def test_a_bar_says_at_once_why_nobody_works() -> None:
    screen = Terminal()
    with Overview(3, unit="movie", stream=screen) as found, Progress(9, doing="x", unit="y", stream=screen) as steps:
        found.waits("0 workers have joined")
        steps.waits("all workers have left")
    assert "0 workers have joined" in screen.getvalue()
    assert "all workers have left" in screen.getvalue()
