"""Each quantity of `docs/numbers.yaml`: its places on pages, held against its source, or against its first place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from somanet.core.errors import SomaNetError
from tools.page_numbers.pages import Page, Place, find_place, read_page
from tools.page_numbers.printed import Printed
from tools.page_numbers.sources import value_of

LIST = Path("docs", "numbers.yaml")
PARTS = {"quantities", "tables", "known_differences", "foreign_options"}


@dataclass(frozen=True)
class Difference:
    """A number on a page that is not that of its source.

    Attributes:
        quantity: its name.
        place: where it stands.
        printed: the number there.
        span: its span on the page.
        right: as it should be printed there; None if its source has fewer digits.
        source: what has another number, in words.
    """

    quantity: str
    place: Place
    printed: Printed
    span: tuple[int, int]
    right: Printed | None
    source: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.place}: {self.quantity}: {self.printed}, but {self.source}"


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        differences: numbers that are not those of their source.
        problems: quantities that could not be compared, one line each.
        places: all places that were found.
        n_quantities: how many quantities are listed, and how many of them come from a file or the code.
        n_sourced: see `n_quantities`.
        pages: the pages with a place.
        known: differences that are known, with the reasons.
    """

    differences: tuple[Difference, ...]
    problems: tuple[str, ...]
    places: tuple[Place, ...]
    n_quantities: int
    n_sourced: int
    pages: Mapping[str, Page]
    known: Mapping[str, str]


def check(root: Path) -> Checked:
    """Compare all quantities.

    Raises:
        SomaNetError: `docs/numbers.yaml` is no list of quantities.
    """
    quantities = _quantities(root)
    pages: dict[str, Page] = {}
    differences: list[Difference] = []
    problems: list[str] = []
    places: list[Place] = []
    for name, about in quantities.items():
        try:
            found = [find_place(_page(root, page, pages), words) for page, words in _places(name, about)]
            places += found
            differences += _compare(name, found, about.get("from"), root)
        except SomaNetError as error:
            problems.append(f"{name}: {error}")
    known: Mapping[str, str] = read_list(root)["known_differences"]
    differing = {found.quantity for found in differences}
    problems += [
        f"{LIST}: {name} no longer differs: remove it from known_differences." for name in known.keys() - differing
    ]
    differences = [found for found in differences if found.quantity not in known]
    sourced = sum("from" in about for about in quantities.values())
    return Checked(tuple(differences), tuple(problems), tuple(places), len(quantities), sourced, pages, known)


def mended(page: Page, differences: Sequence[Difference]) -> str:
    """The page with the numbers of its sources, printed with as many digits as before."""
    text = page.raw
    spans = {
        found.span: found.right for found in differences if found.place.page == page.name and found.right is not None
    }
    for (first, last), right in sorted(spans.items(), reverse=True):
        text = text[:first] + right.text + text[last:]
    return text


def read_list(root: Path) -> Mapping[str, Any]:
    """`docs/numbers.yaml`: its quantities, tables and options of other programs.

    Raises:
        SomaNetError: it has other parts.
    """
    content = yaml.safe_load((root / LIST).read_text(encoding="utf-8"))
    if not isinstance(content, dict) or set(content) != PARTS:
        raise SomaNetError(f"{LIST}: expected the parts {', '.join(sorted(PARTS))}.")
    return content


def _quantities(root: Path) -> Mapping[str, Mapping[str, Any]]:
    content: Mapping[str, Mapping[str, Any]] = read_list(root)["quantities"]
    for name, about in content.items():
        if not set(about) <= {"from", "pages"} or not about.get("pages"):
            raise SomaNetError(
                f"{LIST}: {name}: expected `pages`, and `from` or not; found {', '.join(map(str, about))}."
            )
    return content


def _page(root: Path, name: str, pages: dict[str, Page]) -> Page:
    if name not in pages:
        try:
            pages[name] = read_page(name, (root / name).read_bytes().decode("utf-8"))
        except OSError:
            raise SomaNetError(f"{name}: no such page. Was it moved? Correct {LIST}.") from None
    return pages[name]


def _places(name: str, about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Page and words of each place, in the order of the list."""
    found = [
        (str(page), str(words))
        for page, several in about["pages"].items()
        for words in (several if isinstance(several, list) else [several])
    ]
    if "from" not in about and len(found) < 2:
        raise SomaNetError("one place and no source: there is nothing to compare. Name a second place, or `from`.")
    return found


def _compare(name: str, places: Sequence[Place], source: Any, root: Path) -> list[Difference]:
    sources = source if isinstance(source, list) else [source] * (source is not None)
    count = len(sources) if sources else len(places[0].numbers)
    if odd := [place for place in places if len(place.numbers) != count]:
        raise SomaNetError(
            f"{odd[0]} gives {len(odd[0].numbers)} numbers, expected {count}: as many {{}} in each place as sources."
        )
    if sources:
        return [
            difference
            for position, one in enumerate(sources)
            for difference in _with_source(name, places, position, value_of(one, root), _shown(one))
        ]
    return [difference for position in range(count) for difference in _among_places(name, places, position)]


def _with_source(name: str, places: Sequence[Place], at: int, value: Decimal, source: str) -> list[Difference]:
    return [
        Difference(name, place, number, place.spans[at], number.showing(value), f"{source} has {value.normalize():f}")
        for place in places
        if not (number := place.numbers[at]).rounds(value)
    ]


def _among_places(name: str, places: Sequence[Place], at: int) -> list[Difference]:
    first = places[0].numbers[at]
    return [
        Difference(
            name,
            place,
            number,
            place.spans[at],
            number.showing(first.value) if first.unit <= number.unit else None,
            f"{places[0]} has {first}",
        )
        for place in places[1:]
        if not (number := place.numbers[at]).agrees(first)
    ]


def _shown(source: Any) -> str:
    return source if isinstance(source, str) else " ".join(str(part) for pair in source.items() for part in pair)
