"""Markdown tables, the only place that writes them, and foreign text in Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from somanet.core.text import is_control

_MARKUP = re.compile(r"[\\`*<\[\]|~]|(?<!\w)_|_(?!\w)")
"""What begins markup. An underscore inside a word does not."""
_BARE_PIPE = re.compile(r"(?<!\\)((?:\\\\)*)\|")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with its columns padded to one width, so that the source is readable too.

    Cells are Markdown: bold and code stay, and foreign text passes :func:`plain` before. Whatever would break the table
    is neutralised: unescaped bars, line breaks, and control and direction characters.

    Args:
        head: column titles; a title may be empty or occur twice.
        rows: one cell per column each.
    """
    width = len(head)
    frame = pd.DataFrame([list(map(cell, row)) for row in rows], columns=range(width), dtype=object)
    # Without disable_numparse 0.50 would become 0.5.
    return str(frame.to_markdown(index=False, headers=list(map(cell, head)), tablefmt="github", disable_numparse=True))


def cell(text: str) -> str:
    """Markdown that stays in its cell: one line, with bars escaped."""
    return _BARE_PIPE.sub(r"\1\\|", _flat(text))


def plain(text: str) -> str:
    """Foreign text, such as a network's or a file's name, as Markdown that shows it as it is: one line, no markup."""
    return _MARKUP.sub(r"\\\g<0>", _flat(text))


def code(text: str) -> str:
    """Foreign text as a code span, also inside a table; a backtick becomes an apostrophe, a bar a slash."""
    return f"`{_flat(text).replace('`', chr(39)).replace('|', '/')}`"


def _flat(text: str) -> str:
    return " ".join("".join(" " if is_control(character) else character for character in text).split())
