"""Numbers as pages print them, `1,944,529`, `−0.572`, `63 %`, `.84`, and when they agree with each other or a value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from somanet.core.errors import SomaNetError

NUMBER = r"(?<![\w.])[+−-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?<=\d)(?![\d])(?!\.\d)"
"""A number in text: not a part of a word, of a longer number or of a version with several dots."""
_ROUNDING = Decimal("1e-9")


@dataclass(frozen=True)
class Printed:
    """A number on a page.

    Attributes:
        text: as printed, without a percent sign.
        percent: it is a percentage.
    """

    text: str
    percent: bool = False

    @property
    def value(self) -> Decimal:
        """The number; a percentage as a share."""
        plain = Decimal(self.text.replace(",", "").replace("−", "-"))
        return plain / 100 if self.percent else plain

    @property
    def unit(self) -> Decimal:
        """The value of the last printed digit."""
        digits = len(self.text.partition(".")[2])
        return Decimal(1).scaleb(-digits - (2 if self.percent else 0))

    def rounds(self, exact: Decimal) -> bool:
        """Whether this is an exact value, rounded to as many digits as are printed."""
        return abs(self.value - exact) <= self.unit / 2 + _ROUNDING

    def agrees(self, other: Printed) -> bool:
        """Whether both can be of one value: the coarser is the finer one rounded, which was rounded itself."""
        units = sorted((self.unit, other.unit))
        room = units[1] / 2 + (units[0] / 2 if units[0] < units[1] else -units[1] / 2)
        return abs(self.value - other.value) <= room + _ROUNDING

    def showing(self, value: Decimal) -> Printed:
        """Another value, printed as this one is: digits, thousands, signs.

        Raises:
            SomaNetError: it is not finite.
        """
        if not value.is_finite():
            raise SomaNetError(
                f"{value} cannot be printed on a page; expected a number. Is the file that has it whole?"
            )
        digits = len(self.text.partition(".")[2])
        shown = (value * 100 if self.percent else value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
        text = f"{shown:,f}" if "," in self.text or abs(shown) >= 10_000 else f"{shown:f}"
        if self.text.lstrip("+−-").startswith("."):
            text = re.sub(r"^(-?)0\.", r"\1.", text)
        if self.text[0] == "+" and shown >= 0:
            text = f"+{text}"
        return Printed(text.replace("-", "−"), self.percent)

    def __str__(self) -> str:
        """As on the page."""
        return f"{self.text} %" if self.percent else self.text


def numbers_in(text: str) -> list[Printed]:
    """All numbers of a text."""
    return [Printed(found) for found in re.findall(NUMBER, text)]
