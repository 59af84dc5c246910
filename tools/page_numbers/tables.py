"""Tables on a page that repeat those of a file: the same rows must have the same cells under the same heads."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tools.page_numbers.printed import NUMBER, numbers_in


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        line: of the page, from 1.
        cells: by head; of several equal heads the second is `HEAD 2`, and so on.
    """

    line: int
    cells: dict[str, str]

    @property
    def name(self) -> tuple[str, str]:
        """The head of the first column, and its cell."""
        return next(iter(self.cells.items()))


def rows_of(text: str) -> Iterator[Row]:
    """The rows of all tables of a Markdown text."""
    heads: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith("|"):
            heads = None
        elif heads is None:
            seen: Counter[str] = Counter()
            heads = []
            for cell in _cells(line):
                seen[cell] += 1
                heads.append(cell if seen[cell] == 1 else f"{cell} {seen[cell]}")
        elif not re.fullmatch(r"[\s|:-]+", line) and len(heads) == len(_cells(line)):
            yield Row(number, dict(zip(heads, _cells(line), strict=True)))


def differing_rows(page: str, text: str, source: str, source_text: str) -> list[str]:
    """Cells of a page that differ from those of the source, one line each; a page with no row of it is a difference.

    Emphasis counts: in these tables it says that an interval excludes 0.
    """
    known = list(rows_of(source_text))
    shared = [
        (row, max(same, key=lambda one: len(one.cells.keys() & row.cells)))  # a name may stand in several tables
        for row in rows_of(text)
        if (same := [one for one in known if one.name == row.name])
    ]
    if not shared:
        return [f"{page}: no row of a table is one of {source}. Was it reworded? Correct docs/numbers.yaml."]
    return [
        f"{page}:{row.line}: {row.name[1]}, {head}: {cell}, but {source}:{right.line} has {right.cells[head]}"
        for row, right in shared
        for head, cell in row.cells.items()
        if head in right.cells and _content(cell) != _content(right.cells[head])
    ]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _content(cell: str) -> tuple[str, list[tuple[Decimal, Decimal]]]:
    """A cell's words, and its numbers with their digits: −0.000 and +0.000 are 0.000."""
    return re.sub(NUMBER, "#", cell), [(number.value, number.unit) for number in numbers_in(cell)]
