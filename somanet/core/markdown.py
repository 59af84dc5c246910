"""Markdown tables: the only place that writes them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import pandas as pd

_DIRECTION = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_BARE_PIPE = re.compile(r"(?<!\\)((?:\\\\)*)\|")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with its columns padded to one width, so that the source is readable too.

    Cells are Markdown: bold and code stay. Since cells may hold names chosen by users, whatever would break the table
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
    flat = "".join(" " if _is_control(character) else character for character in text)
    return _BARE_PIPE.sub(r"\1\\|", " ".join(flat.split()))


def _is_control(character: str) -> bool:
    """Line breaks, other control characters, and marks that reverse the direction of the following text."""
    return unicodedata.category(character) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(character) in _DIRECTION
