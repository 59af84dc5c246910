"""Markdown tables as tests read them."""

from __future__ import annotations

import re


def unpadded(markdown: str) -> str:
    """The same text with tables whose columns are not brought to one width: `| a | 0.50 |`."""
    return re.sub(r"(?<=\|)-+(?=\|)", " --- ", re.sub(r" {2,}(?=\|)", " ", markdown))
