"""Foreign text, such as the name of a file, for a screen: shown as it is, without the power to command a terminal."""

from __future__ import annotations

import unicodedata

_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
"""Control characters, halves of characters (a file's name that is not UTF-8), line and paragraph separators."""
_DIRECTION = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Marks that reverse the direction of the text that follows, so that `gnp.exe` reads `exe.png`."""


def is_control(character: str) -> bool:
    """Whether a character does something rather than show something: line breaks, escapes, marks of direction."""
    return unicodedata.category(character) in _CATEGORIES or unicodedata.bidirectional(character) in _DIRECTION


def printable(text: str, *, keep: str = "") -> str:
    r"""The text with its control characters spelt out: an escape becomes `\x1b`.

    Args:
        text: of any origin.
        keep: control characters that stay, such as line breaks between the lines of a message.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character in keep or not is_control(character) else _spelt(character) for character in text
    )


def _spelt(character: str) -> str:
    if ord(character) < 128:
        return repr(character)[1:-1]
    return character.encode("ascii", "backslashreplace").decode("ascii")
