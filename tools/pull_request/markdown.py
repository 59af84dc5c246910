"""Building blocks of a page: folded sections and counts."""

from __future__ import annotations

from collections.abc import Sequence


def folded(summary: str, lines: Sequence[str]) -> list[str]:
    """Lines in a folded section; GitHub needs the empty ones to recognise a table."""
    return ["<details>", f"<summary>{summary}</summary>", "", *lines, "", "</details>"]


def count(n: int, noun: str) -> str:
    """`1 network`, `2 networks`."""
    return f"{n} {noun}{'s' * (n != 1)}"
