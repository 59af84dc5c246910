"""Pieces of a page that others' words are put into: what a branch calls its networks must not become markup."""

from __future__ import annotations

from collections.abc import Sequence


def folded(summary: str, lines: Sequence[str]) -> list[str]:
    """Lines that a reader unfolds; GitHub needs the empty ones to see a table."""
    return ["<details>", f"<summary>{summary}</summary>", "", *lines, "", "</details>"]


def cell(text: str) -> str:
    """Text that stays in its table cell and is no markup."""
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
