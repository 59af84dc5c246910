"""Splits into training, validation and test images: read from a table, or drawn without dividing a movie."""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath

import numpy as np
import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.core.schema import SPLIT
from somanet.io.spreadsheets import read_spreadsheet
from somanet.io.tables import write_table

PARTS = ("train", "val", "test")
_WORDS = {part: part for part in PARTS} | {"training": "train", "validation": "val", "valid": "val", "testing": "test"}


def read_split(path: Path | str, *, names: Iterable[str] | None = None) -> dict[str, tuple[str, ...]]:
    """Read a split from CSV with the columns ``image_id,split``, as a program or a person wrote it.

    Args:
        path: the table (see :func:`somanet.io.spreadsheets.read_spreadsheet`).
        names: the data set's images; if given, an id that is not among them, with its suffix or without, is refused.
            Images without a split are left out (see :func:`describe_left_out`).

    Returns:
        Part → image names, in the order train, val and test, and sorted. Capitals do not matter, and training,
        validation, valid and testing mean the same.

    Raises:
        SomaNetError: no such table, missing columns, empty cells, a part that is none of these, a duplicate id or
            one in two parts, unknown ids.
    """
    table = read_spreadsheet(Path(path), SPLIT)
    if not len(table):
        raise SomaNetError(f"{path}: expected one row per image, found none. Was the table cut short?")
    known = {unicodedata.normalize("NFC", name): name for name in names or ()}
    ids = [known.get(one, known.get(PurePath(one).stem, one)) for one in table["image_id"]]
    splits = [_WORDS.get(text.casefold(), text) for text in table["split"]]
    for number, pair in zip(table.index, zip(ids, splits, strict=True), strict=True):
        if not all(pair):
            raise SomaNetError(f"{path}, line {number}: expected an image_id and a split, found an empty cell.")
        if pair[1] not in PARTS:
            near = difflib.get_close_matches(pair[1].casefold(), _WORDS, 1)
            meant = f"Did you mean {_WORDS[near[0]]}? " if near else ""
            raise SomaNetError(
                f"{path}, line {number}: expected train, val or test as the split, found {pair[1][:40]!r}. {meant}"
                "Images of no part have no row."
            )
    of: dict[str, str] = {}
    for name, split in zip(ids, splits, strict=True):
        if name in of and of[name] != split:
            raise SomaNetError(
                f"{path}: '{name}' is in '{of[name]}' and in '{split}'. An image in both inflates the scores; keep one "
                "row."
            )
        if name in of:
            raise SomaNetError(f"{path}: '{name}' is listed twice in '{split}'. Keep one row.")
        of[name] = split
    if names is not None:
        unknown = sorted(set(of) - set(known.values()))
        if unknown:
            raise SomaNetError(
                f"{path}: {len(unknown)} of {len(of)} ids are not in the data set, such as '{unknown[0]}'. "
                "Does the split belong to another data set?"
            )
    return _by_split(of)


def read_part(path: Path | str, part: str, *, names: Iterable[str]) -> tuple[str, ...]:
    """The images of one part of a split.

    Raises:
        SomaNetError: as :func:`read_split`, or there is no such part.
    """
    part = _WORDS.get(part.casefold(), part)
    parts = read_split(path, names=names)
    if part not in parts:
        raise SomaNetError(f"{path} has no part {part!r}; it has {', '.join(parts)}.")
    return parts[part]


def describe_left_out(path: Path | str, parts: Mapping[str, Iterable[str]], names: Iterable[str]) -> tuple[str, ...]:
    """A line about the images of a data set that a split has no part for; none if it has one for each."""
    every = sorted(names)
    rest = sorted(set(every).difference(*parts.values()))
    return (f"{path}: {len(rest)} of {len(every)} images are in no part, such as {rest[0]!r}",) if rest else ()


def make_split(
    names: Iterable[str],
    *,
    fractions: Mapping[str, float],
    seed: int,
    group: Callable[[str], str] | Mapping[str, str] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Draw a split. The result does not depend on the order of the names.

    Groups are shuffled, sorted by decreasing size, and each goes to the split that lacks most images; every split gets
    at least one group. With few large groups the shares can be far from the fractions: the price of avoiding leakage.

    Args:
        names: the images, unique.
        fractions: split name → share of the images; the shares sum to 1.
        seed: seed of the shuffle.
        group: the group (movie, donor) of a name; a group is never divided. By default each image is a group.

    Returns:
        Split name → image names in sorted order.

    Raises:
        SomaNetError: duplicate names, shares that do not sum to 1, a name without a group, fewer groups than splits.
    """
    names = list(names)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SomaNetError(f"Cannot split: the name '{twice[0]}' occurs twice. Names must be unique.")
    shares = dict(fractions)
    if not shares or not all(math.isfinite(f) and f > 0 for f in shares.values()):
        raise SomaNetError(f"Cannot split by {shares}: expected shares above 0.")
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise SomaNetError(f"Cannot split by {shares}: expected shares that sum to 1, found {sum(shares.values()):g}.")
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        groups[_group_of(name, group)].append(name)
    if len(groups) < len(shares):
        raise SomaNetError(
            f"Cannot split {len(groups)} groups into {len(shares)} parts ({', '.join(shares)}): a group is never "
            "divided. Use fewer parts or more movies."
        )
    keys = sorted(groups)
    order = np.random.default_rng(seed).permutation(len(keys))
    queue = sorted((keys[i] for i in order), key=lambda key: -len(groups[key]))
    lacking = {split: share * len(names) for split, share in shares.items()}
    empty = set(shares)
    of: dict[str, str] = {}
    for position, key in enumerate(queue):
        # The last groups go to parts that have none yet, if they are just enough for them.
        open_to = [s for s in shares if s in empty] if len(queue) - position <= len(empty) else list(shares)
        split = max(open_to, key=lambda s: lacking[s])
        empty.discard(split)
        lacking[split] -= len(groups[key])
        of |= dict.fromkeys(groups[key], split)
    return _by_split(of)


def write_split(path: Path | str, split: Mapping[str, Iterable[str]]) -> None:
    """Write a split for :func:`read_split`, rows sorted by id."""
    rows = sorted((name, part) for part, names in split.items() for name in names)
    write_table(path, pd.DataFrame(rows, columns=list(SPLIT.names)), SPLIT)


def _group_of(name: str, group: Callable[[str], str] | Mapping[str, str] | None) -> str:
    if group is None:
        return name
    if callable(group):
        return group(name)
    if name not in group:
        raise SomaNetError(f"Cannot split: no group is given for '{name}'. Every image needs its movie.")
    return group[name]


def _by_split(of: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    parts = sorted(set(of.values()), key=lambda s: (PARTS.index(s) if s in PARTS else len(PARTS), s))
    return {part: tuple(sorted(name for name, split in of.items() if split == part)) for part in parts}
