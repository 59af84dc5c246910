"""Units in the spellings of common programs."""

from __future__ import annotations

import pytest

from somanet.io.scale import interval_in_text, to_minutes, to_um


@pytest.mark.parametrize(
    "unit", ["um", "µm", "\u03bcm", "\\u00B5m", "\\u00b5m", "micron", "Microns", "micrometer", "micrometres"]
)
def test_a_micrometre_has_many_names(unit: str) -> None:
    assert to_um(0.65, unit) == 0.65


@pytest.mark.parametrize(
    ("value", "unit", "um"),
    [
        ("650", "nm", 0.65),
        (1, "inch", 25_400.0),
        (1, "inches", 25_400.0),
        (2, "m", 2_000_000.0),
        (0, "um", None),
        (-1, "um", None),
        (float("nan"), "um", None),
        (float("inf"), "um", None),
        (None, "um", None),
        ("wide", "um", None),
        (1, "pixels", None),
        (1, "", None),
    ],
)
def test_lengths(value: object, unit: str, um: float | None) -> None:
    assert to_um(value, unit) == um


@pytest.mark.parametrize(
    ("value", "unit", "minutes"),
    [
        (720, "s", 12.0),
        (720, "Sec", 12.0),
        ("1e3", "ms", 1 / 60),
        (1.5, "hours", 90.0),
        (1, "d", 1440.0),
        (1, "um", None),
        (0, "s", None),
    ],
)
def test_durations(value: object, unit: str, minutes: float | None) -> None:
    assert to_minutes(value, unit) == minutes


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("frame_interval [min] = 12", 12.0),
        ("Time Interval: 300 s", 5.0),
        ("Time lapse interval=2h", 120.0),
        ("Time step = 5", None),
        ("exposure time = 300 ms", None),
        ("", None),
    ],
)
def test_intervals_in_text(text: str, minutes: float | None) -> None:
    assert interval_in_text(text) == minutes
