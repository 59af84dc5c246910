"""Markdown tables, the only place that writes them, foreign text in Markdown, and our own Markdown as HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

import pandas as pd

from somanet.core.text import is_control

_MARKUP = re.compile(r"[\\`*<\[\]|~]|(?<!\w)_|_(?!\w)")
"""What begins markup. An underscore inside a word does not."""
_INLINE = re.compile(r"\\(?P<escaped>[\\`*<\[\]|~_])|\*\*(?P<bold>.+?)(?<!\\)\*\*")
_HEADING, _ITEM = re.compile(r"(#{1,4}) (.+)"), re.compile(r"- (.+)")
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


def to_html(text: str, *, top: int = 1) -> str:
    """Markdown as SomaNet writes it, as HTML: headings, paragraphs, lists of dashes, bold; all else is escaped.

    Args:
        text: whose foreign parts passed :func:`plain`.
        top: the level of `<h1>` to `<h6>` that the highest heading gets.
    """
    parts: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        if heading := _HEADING.fullmatch(block):
            level = min(6, top + len(heading[1]) - 1)
            parts.append(f"<h{level}>{_inline(heading[2])}</h{level}>")
        elif all(_ITEM.fullmatch(line) for line in lines):
            parts.append(f"<ul>{''.join(f'<li>{_inline(line[2:])}</li>' for line in lines)}</ul>")
        else:
            parts.append(f"<p>{_inline(' '.join(lines))}</p>")
    return "\n".join(parts)


def _inline(text: str) -> str:
    found, end = [], 0
    for part in _INLINE.finditer(text):
        inside = escape(part["escaped"]) if part["escaped"] else f"<b>{_inline(part['bold'])}</b>"
        found += [escape(text[end : part.start()]), inside]
        end = part.end()
    return "".join([*found, escape(text[end:])])


def _flat(text: str) -> str:
    return " ".join("".join(" " if is_control(character) else character for character in text).split())
