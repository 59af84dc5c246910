"""Networks of several seeds: `yolo9-t seed 1` is one of the group `yolo9-t`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")
_SEED = " seed "


def name_of(group: str, seed: int) -> str:
    """The name of a network of a group."""
    return f"{group}{_SEED}{seed}"


def group_of(name: str) -> str:
    """The group of a network: its name without its seed."""
    return name.rpartition(_SEED)[0] or name


def by_group(systems: Mapping[str, T]) -> dict[str, list[T]]:
    """The values of each group, in order of first occurrence."""
    groups: dict[str, list[T]] = {}
    for name, value in systems.items():
        groups.setdefault(group_of(name), []).append(value)
    return groups


def first_of_each(names: Iterable[str]) -> list[str]:
    """One network of each group: the first."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(group_of(name), name)
    return list(first.values())


def spread(values: Sequence[float | None], *, form: str = ".3f", short: str = ".2f") -> str:
    """The mean of several seeds with the range in parentheses, or a single value; undefined ones do not count."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    if not known:
        return "–"
    text = f"{sum(known) / len(known):{form}}"
    if len(values) > 1:
        text += f" ({min(known):{short}}–{max(known):{short}})"
    return text.replace("-", "−")
