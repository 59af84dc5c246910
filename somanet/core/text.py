"""Foreign text, such as the name of a file, for a screen: shown as it is, without the power to command a terminal."""

from __future__ import annotations

import unicodedata

_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Control and invisible format characters (direction, joiners, zero widths), halves of characters (a file's name that
is not UTF-8), line and paragraph separators."""
_FILLERS = {*map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0xE0100, 0xE01F0)))}
"""Other characters that show nothing, by which two names can look the same."""


def is_control(character: str) -> bool:
    """Whether a character does something or nothing rather than show something: line breaks, escapes, zero widths.

    Marks of direction reverse the text that follows, so that `gnp.exe` reads `exe.png`.
    """
    return unicodedata.category(character) in _CATEGORIES or character in _FILLERS


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
