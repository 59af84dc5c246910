"""Links in Markdown: finding them, and leading them elsewhere."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path

_FENCED = re.compile(r"(^ *(?:```|~~~).*?^ *(?:```|~~~) *$)", re.MULTILINE | re.DOTALL)
_TARGET = re.compile(r"(\]\(|(?:src|href)=\")([^)\s\"]+)")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def relinked(text: str, change: Callable[[str], str]) -> str:
    """The text with every link and image led elsewhere; blocks of code stay as they are.

    Args:
        text: Markdown, with inline links and HTML attributes.
        change: from a link's target to its new one.
    """
    parts = _FENCED.split(text)
    parts[::2] = [_TARGET.sub(lambda found: found[1] + change(found[2]), part) for part in parts[::2]]
    return "".join(parts)


def targets(text: str) -> list[str]:
    """Where the links and images of a text lead, in order."""
    found: list[str] = []

    def note(target: str) -> str:
        found.append(target)
        return target

    relinked(text, note)
    return found


def is_local(target: str) -> bool:
    """Whether a link stays within the repository: no address, and no anchor of the same page."""
    return not (_ELSEWHERE.match(target) or target.startswith("#"))


def within(page: str, target: str) -> tuple[str, str]:
    """The path of a local link from the root of the tree that the page's path starts from, and its anchor or ``""``.

    >>> within("docs/start/biologist.md", "../faq.md#no-scale")
    ('docs/faq.md', 'no-scale')
    """
    path, _, anchor = target.partition("#")
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path)), anchor


def absolute(text: str, *, url: str, ref: str, root: Path) -> str:
    """A README whose links lead from any place to the files of one version on GitHub.

    A package index shows a README without the files beside it.

    Args:
        text: the README, at the root of the repository.
        url: the repository's address, ``https://github.com/OWNER/NAME``.
        ref: a tag, branch or commit.
        root: the checkout, which says which targets are folders.
    """
    raw = url.replace("https://github.com/", "https://raw.githubusercontent.com/", 1)

    def change(target: str) -> str:
        if not is_local(target):
            return target
        path, anchor = within("README.md", target)
        if path.endswith((".png", ".svg", ".jpg", ".gif")):
            return f"{raw}/{ref}/{path}"
        kind = "tree" if (root / path).is_dir() else "blob"
        return f"{url}/{kind}/{ref}/{path}" + (f"#{anchor}" if anchor else "")

    return relinked(text, change)
