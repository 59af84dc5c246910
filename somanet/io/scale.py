"""Units in image metadata: a number and a unit in, µm or minutes out. Nothing is assumed.

Values go through exact fractions, so a scale written by SomaNet is read back as the same number.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

from somanet.core.problems import FileProblem

_UM_PER_UNIT = {
    "nm": Fraction(1, 1000),
    "µm": Fraction(1),
    "mm": Fraction(1000),
    "cm": Fraction(10_000),
    "m": Fraction(1_000_000),
    "inch": Fraction(25_400),
}
_UM_NAMES = {
    "um": "µm", "micron": "µm", "micrometer": "µm", "micrometre": "µm",
    "nanometer": "nm", "nanometre": "nm",
    "millimeter": "mm", "millimetre": "mm",
    "centimeter": "cm", "centimetre": "cm",
    "meter": "m", "metre": "m",
    "in": "inch", '"': "inch", "inche": "inch",
}  # fmt: skip
_MIN_PER_UNIT = {
    "µs": Fraction(1, 60_000_000),
    "ms": Fraction(1, 60_000),
    "s": Fraction(1, 60),
    "min": Fraction(1),
    "h": Fraction(60),
    "d": Fraction(1440),
}
_MIN_NAMES = {
    "us": "µs", "microsecond": "µs",
    "msec": "ms", "millisecond": "ms",
    "sec": "s", "second": "s",
    "minute": "min", "mn": "min",
    "hr": "h", "hour": "h",
    "day": "d",
}  # fmt: skip


def _unit(text: str, factors: dict[str, Fraction], names: dict[str, str]) -> Fraction | None:
    """The factor of a unit in any spelling that programs use: `micron`, `um`, `Hours`; None if unknown."""
    unit = text.strip().lower().replace("\\u00b5", "µ").replace("\u03bc", "µ").rstrip(".")
    for candidate in (unit, unit.removesuffix("s")):
        candidate = names.get(candidate, candidate)
        if candidate in factors:
            return factors[candidate]
    return None


def exact(value: object) -> Fraction | None:
    """A positive finite number as a fraction of its shortest decimal form; None for anything else."""
    try:
        number = float(str(value))
        if not math.isfinite(number) or number <= 0:
            return None
        return Fraction(str(value).strip())
    except (ValueError, ZeroDivisionError):
        return None


def to_um(value: object, unit: str) -> float | None:
    """A length in µm; None if the unit is not a length ("pixel") or the value is not positive and finite."""
    return _convert(value, _unit(unit, _UM_PER_UNIT, _UM_NAMES))


def to_minutes(value: object, unit: str) -> float | None:
    """A duration in minutes; None if the unit is not a time or the value is not positive and finite."""
    return _convert(value, _unit(unit, _MIN_PER_UNIT, _MIN_NAMES))


def _convert(value: object, factor: Fraction | None) -> float | None:
    number = value if isinstance(value, Fraction) and value > 0 else exact(value)
    if number is None or factor is None:
        return None
    try:
        result = float(number * factor)
    except OverflowError:  # 1e308 m
        return None
    return result if 0 < result < math.inf else None


_INTERVAL = re.compile(
    r"(?:frame|time|cycle)[ _]?(?:lapse[ _]?)?(?:interval|increment|step)[ _]?"
    r"(?:[\[(]?(?P<before>[a-zµμ]+)[\])]?)?\s*[=:]\s*(?P<value>[\d.]+(?:e[+-]?\d+)?)\s*(?P<after>[a-zµμ]+)?",
    re.IGNORECASE,
)


def interval_in_text(text: str) -> float | None:
    """The frame interval in minutes from text such as `Frame Interval (s) = 720`; None without a unit."""
    for match in _INTERVAL.finditer(text):
        for unit in (match["after"], match["before"]):
            if unit and (minutes := to_minutes(match["value"], unit)) is not None:
                return minutes
    return None


SQUARE_TOLERANCE = 0.01


def square_um(x_um: float | None, y_um: float | None, source: str) -> float | None:
    """The size of square pixels.

    Raises:
        FileProblem: they are not square.
    """
    if x_um is not None and y_um is not None and abs(x_um - y_um) > SQUARE_TOLERANCE * max(x_um, y_um):
        raise FileProblem(
            f"{source}: expected square pixels, found {x_um:g} µm wide by {y_um:g} µm high. Distances would be wrong; "
            "check the metadata or resample the movie (Fiji: Image > Scale).",
            "wrong shape",
        )
    return x_um
