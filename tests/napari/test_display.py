from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from somanet.core.errors import SomaNetError
from somanet.napari import display

NAMES = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    return monkeypatch


def test_no_display_is_said_at_once(nowhere: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing needs to be started")

    nowhere.setattr(subprocess, "run", never)
    with pytest.raises(SomaNetError, match=r"^There is no display to open a window on"):
        display.check_display()


def test_a_display_that_does_not_answer_is_said_in_one_line(nowhere: pytest.MonkeyPatch) -> None:
    """Qt ends the program that asks, with lines such as these."""
    nowhere.setenv("DISPLAY", ":4242")
    code = "import os, sys; print('qt.qpa.xcb: could not connect to display :4242\\n', file=sys.stderr); os.abort()"
    nowhere.setattr(display, "PROBE", code)
    with pytest.raises(SomaNetError) as found:
        display.check_display()
    message = str(found.value)
    assert message.startswith("Qt cannot open a window on :4242: qt.qpa.xcb: could not connect to display :4242.")
    assert "\n" not in message


def test_a_display_that_answers_is_enough(nowhere: pytest.MonkeyPatch) -> None:
    nowhere.setenv("DISPLAY", ":1")
    nowhere.setattr(display, "PROBE", "")
    display.check_display()


def test_a_display_that_hangs_is_not_waited_for(nowhere: pytest.MonkeyPatch) -> None:
    nowhere.setenv("DISPLAY", ":1")
    nowhere.setattr(display, "PROBE", "import time; time.sleep(60)")
    nowhere.setattr(display, "PROBE_S", 0.5)
    with pytest.raises(SomaNetError, match=r"does not answer within 0\.5 s"):
        display.check_display()
