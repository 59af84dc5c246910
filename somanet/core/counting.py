"""Numbers with their nouns, `1 cell`, `3 cells`, and many names in a line."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and what there are of it, in the singular of 1 and in the plural of all others.

    Args:
        number: how many.
        noun: in the singular, with its adjectives: `labelled crop`.
        plural: where it is not the noun with an s.
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def listed(words: Sequence[str], *, most: int = 6) -> str:
    """The first few of some names, for a message."""
    return ", ".join(words[:most]) + (", …" if len(words) > most else "")
