"""Foreign text on a screen: every control character is spelt out, everything else is as it was."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from somanet.core.text import is_control, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name.tif", "plain name.tif"),
        ("Zellkörper µ 細胞", "Zellkörper µ 細胞"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("two\nlines\r\tand", "two\\nlines\\r\\tand"),
        ("\x9b31m", "\\x9b31m"),  # an escape sequence in one byte
        ("photo\u202egnp.exe", "photo\\u202egnp.exe"),
        ("\u2028", "\\u2028"),
        ("a\u200bb\u00adc\ufeff", "a\\u200bb\\xadc\\ufeff"),  # zero widths, and a hyphen that is not shown
        ("tag\U000e0041\U000e0101", "tag\\U000e0041\\U000e0101"),
        ("\u3164", "\\u3164"),  # a letter without a shape
        ("byte \udcff", "byte \\udcff"),
        ("a\\nb", "a\\nb"),
    ],
)
def test_control_characters_are_spelt_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_line_breaks_of_the_message_itself_can_stay() -> None:
    assert printable("one\ntwo\x07", keep="\n") == "one\ntwo\\x07"


def test_every_character_is_safe_afterwards_and_can_be_written_as_utf_8() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    shown = printable(everything)
    shown.encode("utf-8")
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in shown)
    assert not any(is_control(c) for c in shown)
    kept = [c for c in map(chr, range(0xFE00, 0xFE10)) if not is_control(c)]
    assert len(kept) == 16  # they choose between two drawings of the character before, such as those of ❤
