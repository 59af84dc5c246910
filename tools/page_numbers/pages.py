"""Places on a page: the text around a number, found whatever the page's line breaks, emphasis and links."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from somanet.core.errors import SomaNetError
from tools.page_numbers.printed import NUMBER, Printed

_TOKEN = re.compile(r"(?P<mark>\*\*|`|\[(?=[^\]]*\]\()|\]\([^)\s]*\))|(?P<space>\s+)|.")
_SHOWN = re.compile(r"^```.*?^```[^\n]*$", re.DOTALL | re.MULTILINE)
_GAP, _NUMBER, _PERCENT, _AFTER = "…", "{}", "{%}", " >> "
_LONGEST_GAP = 400


@dataclass(frozen=True)
class Page:
    """The words of a page.

    Attributes:
        name: its path.
        text: without emphasis, code marks and the targets of links; each run of white space is one space.
        positions: of each character of `text`, its position in the page.
        raw: the page as it is.
    """

    name: str
    text: str
    positions: Sequence[int]
    raw: str

    def line(self, position: int) -> int:
        """The line, from 1, of a character of `text`."""
        return self.raw.count("\n", 0, self.positions[position]) + 1


@dataclass(frozen=True)
class Place:
    """Where a page prints the numbers of a quantity: the place, and the span of each number on the page."""

    page: str
    line: int
    numbers: tuple[Printed, ...]
    spans: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        """As in messages."""
        return f"{self.page}:{self.line}"


def read_page(name: str, raw: str) -> Page:
    """A page from its Markdown."""
    text: list[str] = []
    positions: list[int] = []
    for token in _TOKEN.finditer(raw):
        if token["mark"] is None:
            text.append(" " if token["space"] else token[0])
            positions.append(token.start())
    return Page(name, "".join(text), positions, raw)


def find_place(page: Page, words: str) -> Place:
    """The one place of a page with these words.

    Args:
        page: the page.
        words: as on the page, with `{}` for each number, `{%}` for each percentage and `…` for whatever stands
            between two parts; `HEADING >> WORDS` is the first place with the words after those of the heading.

    Raises:
        SomaNetError: the words name no number, are not on the page, or stand on it more than once.
    """
    before, _, about = words.rpartition(_AFTER)
    pattern, percents = _pattern(about, page.name)
    start = page.text.find(read_page(page.name, before.strip()).text)
    found = list(pattern.finditer(page.text, max(start, 0)))
    if before:
        found = found[:1]
    if len(found) != 1 or start < 0:
        why = "are not on the page" if not found or start < 0 else f"stand there {len(found)} times"
        raise SomaNetError(
            f"{page.name}: the words '{words}' {why}; expected one place. Was it reworded? Correct docs/numbers.yaml."
        )
    [match] = found
    spans = [match.span(group + 1) for group in range(len(percents))]
    return Place(
        page.name,
        page.line(spans[0][0]),
        tuple(Printed(page.text[a:b], percent) for (a, b), percent in zip(spans, percents, strict=True)),
        tuple((page.positions[a], page.positions[b - 1] + 1) for a, b in spans),
    )


def share_checked(page: Page, places: Sequence[Place]) -> tuple[int, int]:
    """How many of a page's numbers stand in places that are checked, and how many there are; commands left out."""
    shown = [match.span() for match in _SHOWN.finditer(page.raw)]
    links = [match.span() for match in re.finditer(r"\]\([^)\s]*\)", page.raw)]
    starts = {match.start() for match in re.finditer(NUMBER, page.raw)}
    starts -= {at for at in starts for first, last in (*shown, *links) if first <= at < last}
    checked = {first for place in places if place.page == page.name for first, _ in place.spans}
    return len(starts & checked), len(starts)


def _pattern(words: str, page: str) -> tuple[re.Pattern[str], list[bool]]:
    parts = re.split(r"(\{\}|\{%\}|…)", read_page(page, words).text.strip())
    percents = [part == _PERCENT for part in parts if part in (_NUMBER, _PERCENT)]
    if not percents:
        raise SomaNetError(f"docs/numbers.yaml, {page}: '{words}' has no {{}}, so that no number is compared.")
    meaning = {_GAP: rf".{{0,{_LONGEST_GAP}}}?", _NUMBER: f"({NUMBER})", _PERCENT: f"({NUMBER})"}
    return re.compile("".join(meaning.get(part) or re.escape(part) for part in parts)), percents
