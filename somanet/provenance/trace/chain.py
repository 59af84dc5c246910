"""The provenance chain of a file, and its text: one block per link, with missing and changed items in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

SHOWN = 8
"""Characters of a hash in the text; the JSON has all of them."""
WIDTH = 240
"""Characters of a line of metadata; the JSON has all of them."""


@dataclass(frozen=True)
class Link:
    """One thing in the chain.

    Attributes:
        what: ``file``, ``analysis``, ``cohort``, ``predictions``, ``scores``, ``stage``, ``network``, ``run`` or
            ``data``.
        name: distinguishes it from others of its kind.
        metadata: its recorded metadata: hashes, parameters, versions, commit.
        made_from: ids of the links that it was made from.
        missing: what should be here but is not.
        changed: what no longer matches its record.
        moved: at which other commit the code is; results are committed after they are made, so that is no damage.
    """

    what: str
    name: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    made_from: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Its id, by which other links refer to it."""
        return f"{self.what} {self.name}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "id": self.id,
            "what": self.what,
            "name": self.name,
            **{key: value for key, value in self.metadata.items() if key not in ("what", "name", "id")},
            "made_from": list(self.made_from),
            "missing": list(self.missing),
            "changed": list(self.changed),
            "moved": list(self.moved),
        }


@dataclass(frozen=True)
class Chain:
    """A file and everything it was made from.

    Attributes:
        links: the file first, its raw data last.
        code: commit, uncommitted changes and versions of the code that runs the trace.
    """

    links: tuple[Link, ...]
    code: Mapping[str, Any]

    @property
    def missing(self) -> tuple[str, ...]:
        """Entries of all links, each with its link's id."""
        return tuple(f"{link.id}: {text}" for link in self.links for text in link.missing)

    @property
    def changed(self) -> tuple[str, ...]:
        """Entries of all links, each with its link's id."""
        return tuple(f"{link.id}: {text}" for link in self.links for text in link.changed)

    @property
    def moved(self) -> tuple[str, ...]:
        """Entries of all links, each with its link's id."""
        return tuple(f"{link.id}: {text}" for link in self.links for text in link.moved)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "file": self.links[0].name,
            "links": [link.as_dict() for link in self.links],
            "missing": list(self.missing),
            "changed": list(self.changed),
            "moved": list(self.moved),
            "now": dict(self.code),
        }


def chain_text(chain: Chain) -> str:
    """The chain as readable text."""
    blocks = ["\n".join(_block(link)) for link in chain.links]
    n_changed, n_missing, n_moved = len(chain.changed), len(chain.missing), len(chain.moved)
    verdict = f"Changed since (!): {n_changed}." if n_changed else "Everything that could be checked is as recorded."
    if n_missing:
        verdict += f" Missing or not checked (?): {n_missing}."
    if n_moved:
        verdict += f" Made by the code of another commit (~): {n_moved}."
    return "\n\n".join([*blocks, verdict])


def _block(link: Link) -> Iterator[str]:
    yield link.id if link.what != "file" else link.name
    for key, value in link.metadata.items():
        if value not in (None, {}, [], "", ()):
            line = f"    {key.replace('_', ' ')}: {_short(value)}"
            yield line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
    if link.made_from:
        yield f"    ← {', '.join(_short_id(one) for one in link.made_from)}"
    yield from (f"  ! {text}" for text in link.changed)
    yield from (f"  ~ {text}" for text in link.moved)
    yield from (f"  ? {text}" for text in link.missing)


def _short_id(name: str) -> str:
    what, _, rest = name.partition(" ")
    return f"{what} {_short(rest)}"


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {_short(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_short(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    stem = text.removesuffix(".dir")
    is_hash = len(stem) in range(32, 65) and all(c in "0123456789abcdef" for c in stem)
    return f"{text[:SHOWN]}…" if is_hash else text
