"""Building blocks of a page with foreign text: a branch's names for its networks must not become markup."""

from __future__ import annotations

from collections.abc import Sequence


def folded(summary: str, lines: Sequence[str]) -> list[str]:
    """Lines in a folded section; GitHub needs the empty ones to recognise a table."""
    return ["<details>", f"<summary>{summary}</summary>", "", *lines, "", "</details>"]


def cell(text: str) -> str:
    """Text that stays within its table cell and is not markup."""
    flat = " ".join(text.split())
    for character in "\\|*<`[]":
        flat = flat.replace(character, f"\\{character}")
    return flat


def code(text: str | None) -> str:
    """Text for a code span."""
    return " ".join((text or "").replace("`", "'").replace("|", "/").split())


def count(n: int, noun: str) -> str:
    """`1 network`, `2 networks`."""
    return f"{n} {noun}{'s' * (n != 1)}"
