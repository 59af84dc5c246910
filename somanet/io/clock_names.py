"""Clock times in the names of images: by the calendar, `20240501-105000`, or since any moment, `00d01h20m`.

A number without a unit, a separator or a full date is no clock time: it may count frames.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

MINUTES_PER_DAY = 1440.0

_DATE = r"(?<!\d)(?P<y>(?:19|20)\d\d)(?P<in_date>[-_.]?)(?P<mo>\d\d)(?P=in_date)(?P<d>\d\d)"
_SINCE = r"(?<!\d)(?:(?P<days>\d+)d[-_ ]?)?(?P<h>\d+)h"
_CLOCKS = tuple(
    re.compile(pattern)
    for pattern in (
        # 2024-05-01_10-50-00, 2024-05-01T10.50; underscores as in 20240501_10_50 may separate other numbers
        _DATE + r"(?:[-_ .T]|_-_)(?P<h>\d\d)(?P<in_time>[-.:])(?P<m>\d\d)(?:(?P=in_time)(?P<s>\d\d))?(?!\d)",
        # 20240501-105000, 20240501105000, 2024_05_01_10_50_00
        _DATE + r"[-_ .T]?(?P<h>\d\d)(?P<m2>\d\d)(?P<s2>\d\d)(?!\d)",
        r"(?<!\d)(?P<y>(?:19|20)\d\d)_(?P<mo>\d\d)_(?P<d>\d\d)_(?P<h>\d\d)_(?P<m>\d\d)_(?P<s>\d\d)(?!\d)",
        # 2024-05-01_10h50m00s, 2024y05m01d_10h50m (Incucyte)
        _DATE + r"[-_ T]?(?P<h>\d\d)h(?P<m>\d\d)(?:m(?:in)?(?:(?P<s>\d\d)s)?)?(?![A-Za-z0-9])",
        r"(?<!\d)(?P<y>\d{4})y(?P<mo>\d\d)m(?P<d>\d\d)d_(?P<h>\d\d)h(?P<m>\d\d)m(?![A-Za-z0-9])",
        # 00d01h20m, 1d02h, 10h00m30s, 10h00, 24h
        _SINCE + r"(?:[-_ ]?(?P<m>\d\d)m(?:in)?(?:[-_ ]?(?P<s>\d\d)s)?|(?P<m2>\d\d))?(?![A-Za-z0-9])",
        r"(?<!\d)(?P<m>\d+)min(?![A-Za-z0-9])",
    )
)


@dataclass(frozen=True)
class Clock:
    """A clock time in a name.

    Attributes:
        text: as it is written.
        start, stop: its place in the name.
        minutes: since any moment, the same for all times of one form.
        resolution_min: its last digit.
        dated: it tells one day from another.
        sure: it is no number that may count frames instead, as the last digits of `20240501_000012` may.
    """

    text: str
    start: int
    stop: int
    minutes: float
    resolution_min: float
    dated: bool
    sure: bool


def find_clocks(stem: str) -> tuple[Clock, ...]:
    """The clock times in a file's name without its suffix, from left to right; none that does not exist (25:00)."""
    found: list[Clock] = []
    for pattern in _CLOCKS:
        for match in pattern.finditer(stem):
            if all(match.end() <= one.start or one.stop <= match.start() for one in found):
                clock = _clock(match)
                found += [] if clock is None else [clock]
    return tuple(sorted(found, key=lambda one: one.start))


def _clock(match: re.Match[str]) -> Clock | None:
    parts = match.groupdict()
    digits = {name: int(text) for name, text in parts.items() if text is not None and text.isdecimal()}
    hours = digits.get("h", 0)
    minutes, seconds = digits.get("m", digits.get("m2", 0)), digits.get("s", digits.get("s2", 0))
    days, calendar = float(digits.get("days", 0)), "y" in digits
    if calendar:
        try:
            day = datetime(digits["y"], digits["mo"], digits["d"], hours, minutes, seconds)
        except ValueError:
            return None
        days = float(day.toordinal())
    elif seconds > 59 or ("h" in digits and minutes > 59) or ("days" in digits and hours > 23):
        return None
    finest = 1 / 60 if {"s", "s2"} & digits.keys() else 1.0 if {"m", "m2"} & digits.keys() else 60.0
    compact = calendar and "m2" in digits
    return Clock(
        text=match[0],
        start=match.start(),
        stop=match.end(),
        minutes=MINUTES_PER_DAY * days + 60 * hours + minutes + seconds / 60,
        resolution_min=finest,
        dated=calendar or "days" in digits,
        sure=not compact or hours > 0 or minutes > 0,
    )


def even_times(minutes: Sequence[float], resolution_min: float) -> tuple[float, ...]:
    """Times since the first; those of equal steps if they differ from these by no more than a clock rounds."""
    since = [one - minutes[0] for one in minutes]
    if len(since) < 2:
        return tuple(since)
    step = since[-1] / (len(since) - 1)
    even = [t * step for t in range(len(since))]
    rounded = all(abs(one - other) < resolution_min for one, other in zip(since, even, strict=True))
    return tuple(even if rounded else since)


def over_midnight(clocks: Sequence[Clock]) -> tuple[Clock, Clock] | None:
    """The last time before midnight and the first after it, of sorted times that tell no day; None if it is not passed.

    The times then go on at 0 h as they end at 24 h, and have their gap in the middle.
    """
    if len(clocks) < 3 or any(one.dated for one in clocks) or clocks[-1].minutes >= MINUTES_PER_DAY:
        return None
    steps = [after.minutes - before.minutes for before, after in itertools.pairwise(clocks)]
    around = MINUTES_PER_DAY - (clocks[-1].minutes - clocks[0].minutes)
    usual = sorted(steps)[len(steps) // 2]
    return (clocks[-1], clocks[0]) if around <= 1.5 * usual < max(steps) else None
