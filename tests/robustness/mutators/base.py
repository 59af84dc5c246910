"""Values that break readers, shared by the mutators."""

from __future__ import annotations

from random import Random
from typing import Any


class Unfit(Exception):
    """The input has nothing that this mutator changes."""


INTEGERS = (0, 1, -1, 2, 127, 255, 256, 32767, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 10**7, 10**9,
            10**12, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -(2**31), -(2**63))  # fmt: skip
NUMBERS = ("0", "-0", "-1", "1e308", "-1e308", "1e-308", "1e400", "nan", "NaN", "inf", "-inf", ".inf", "Infinity",
           "99999999999999999999", "2147483647", "2147483648", "4294967296", "9223372036854775807",
           "9223372036854775808", "10000000", "0x10", "1_000", "1,5", "1e3", "0.1", "٣", "½", "1e", "--1",
           "9" * 400, "9" * 5000)  # fmt: skip
WORDS = ("", " ", "\t", "null", "true", "no", "../../x", "/etc/passwd", "C:\\x", "~", "a" * 300, "a" * 70000, "é",
         "\ud800",
         "\u202e", "\x1b[31mred", "a\nb", "a\rb", "|", "`x`", "<b>", "=1+1", "$(touch x)", "${x}", "%s%n", "{0}", "{}",
         "\x00",
         "\ufeff", "2001-13-45", "nan", "中文", "👩‍🔬", "-", "--help", ".", "..")  # fmt: skip


def hostile_value(rng: Random) -> Any:
    """A JSON value that is not what stood there."""
    return rng.choice((
        lambda: rng.choice(INTEGERS), lambda: rng.choice((1e308, -1e308, 1e-308, 0.5, float("nan"), float("inf"))),
        lambda: rng.choice(WORDS), lambda: None, lambda: rng.choice((True, False)), list, dict,
        lambda: [[]], lambda: [None], lambda: {"": None}, lambda: ["x"] * 5, lambda: [1, 2], lambda: nested(100),
        lambda: 10**400, lambda: str(rng.choice(INTEGERS)), lambda: [rng.choice(INTEGERS)],
    ))()  # fmt: skip


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value
