"""Markdown as GitHub reads it and as the site reads it: a page that only one of them understands is a mistake."""

from __future__ import annotations

import re
from collections import Counter

COUNTED = ("blockquote", "h2", "h3", "h4", "img", "li", "ol", "pre", "table", "ul")


def elements(html: str) -> Counter[str]:
    """How often each kind of element begins in a page's content."""
    names = re.findall(r"<([a-z][a-z0-9]*)\b", html)
    return Counter(name for name in names if name in COUNTED)


def differences(markdown: str, html: str) -> list[str]:
    """What a page has more or less of than CommonMark with tables, GitHub's dialect, makes of the same text.

    Args:
        markdown: the page's source.
        html: its content on the site.
    """
    from markdown_it import MarkdownIt

    expected = elements(MarkdownIt("commonmark").enable("table").render(markdown))
    found = elements(html)
    return [f"{found[name]} <{name}> instead of {expected[name]}" for name in COUNTED if found[name] != expected[name]]
