"""What the name of one image counts: by the conventions of microscopes, or by its numbers and a clock time."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from somanet.io.clock_names import Clock, find_clocks

_CONVENTIONS = tuple(
    re.compile(pattern)
    for pattern in (
        # Micro-Manager 1.4 and 2
        r"img_(?P<t>\d{9})_(?P<c>.*)_(?P<z>\d{3})",
        r"img_channel(?P<c>\d+)_position(?P<p>\d+)_time(?P<t>\d+)_z(?P<z>\d+)",
        # Incucyte: experiment, well and field, then the time since the start or by the clock
        r"(?P<p>.+_[A-Z]{1,2}\d{1,2}_\d+)_(?P<clock>\d+d\d{2}h\d{2}m|\d{4}y\d{2}m\d{2}d_\d{2}h\d{2}m)",
        # MetaMorph: the name, then wavelength, stage and time
        r"(?P<p>.+?)_w(?P<c>\d+[^_]*)(?P<p2>_s\d+)?_t(?P<t>\d+)",
    )
)
"""Names that microscopes give; `t`, `z`, `c` count time, planes and channels, `p` is what one movie has in common."""

_ROLES = {
    "t": ("t", "tp", "time", "timepoint", "frame", "frames"),
    "z": ("z", "slice", "plane"),
    "c": ("c", "ch", "channel", "w", "wavelength"),
    "p": ("s", "series", "p", "pos", "position", "xy", "fov", "field", "site", "well"),
}
ROLE_OF = {word: role for role, words in _ROLES.items() for word in words}
"""What the word before a number says that it counts; `p` is a position, a movie of its own."""
_CLOCK_PLACE = "\0"
"""Stands for each character of a clock time in a name; no file's name has it."""


@dataclass(frozen=True)
class NamedImage:
    """An image file and what its name says.

    Attributes:
        file: the image.
        group: what it shares with the others of its series, whatever their formats.
        counts: what its name counts, by role: `t`, `clock`, `c`, `z`; empty while the numbers' roles are not known.
        pattern: its name with `*` for what counts.
        text: its name without suffix, with a clock time blanked, where roles are not known.
        clock: that time.
    """

    file: Path
    group: tuple[str, ...]
    counts: tuple[tuple[str, str], ...] = ()
    pattern: str = ""
    text: str = ""
    clock: Clock | None = None


def by_convention(file: Path) -> NamedImage | None:
    """A file that is named as a microscope names it; None for others."""
    for number, convention in enumerate(_CONVENTIONS):
        if match := convention.fullmatch(file.stem):
            places = match.groupdict()
            clock = next((one for one in find_clocks(file.stem) if one.text == places.get("clock")), None)
            if places.get("clock") is not None and clock is None:  # no such time: a 30th of February
                continue
            counted = [(role, match[role]) for role in match.re.groupindex if role in ("t", "z", "c", "clock")]
            spans = sorted(match.span(role) for role, _ in counted)
            common = [match[role] or "" for role in ("p", "p2") if role in match.re.groupindex]
            key = (str(number), str(file.parent), *common)
            return NamedImage(file, key, tuple(counted), with_stars(file, spans), clock=clock)
    return None


def by_numbers(files: Iterable[Path]) -> Iterator[NamedImage]:
    """Files by the numbers and the clock time in their names; what does not change from file to file counts nothing."""
    by_clocks: dict[tuple[str, ...], list[tuple[Path, tuple[Clock, ...]]]] = defaultdict(list)
    for file in files:
        clocks = find_clocks(file.stem)
        by_clocks[_skeleton(file, _blanked(file.stem, clocks))].append((file, clocks))
    for members in by_clocks.values():
        columns = list(zip(*(clocks for _, clocks in members), strict=True))
        varying = [column for column in columns if len({clock.text for clock in column}) > 1]
        timed = len(varying) == 1 and any(clock.sure for clock in varying[0])
        for i, (file, _) in enumerate(members):
            clock = varying[0][i] if timed else None
            text = _blanked(file.stem, () if clock is None else (clock,))
            yield NamedImage(file, ("numbers", *_skeleton(file, text)), text=text, clock=clock)


def _blanked(stem: str, clocks: Iterable[Clock]) -> str:
    for clock in clocks:
        stem = stem[: clock.start] + _CLOCK_PLACE * (clock.stop - clock.start) + stem[clock.stop :]
    return stem


def with_stars(file: Path, spans: list[tuple[int, int]]) -> str:
    """A file's name with `*` for the given places of its stem."""
    text, at = "", 0
    for start, stop in spans:
        text += file.stem[at:start] + "*"
        at = stop
    return text + file.stem[at:] + file.suffix


def numbers_of(one: NamedImage, roles: Mapping[int, str]) -> list[tuple[str, tuple[int, int], str]]:
    """What changes in a name, in its order: the role, the place in the stem, and the text.

    Args:
        one: an image.
        roles: those of the numbers in its text by their place; the role of a clock time is `clock`.
    """
    found = list(re.finditer(r"\d+", one.text))
    parts = [(role, found[i].span(), found[i][0]) for i, role in roles.items()]
    if one.clock is not None:
        parts.append(("clock", (one.clock.start, one.clock.stop), one.clock.text))
    return sorted(parts, key=lambda part: part[1])


def readings(group: Sequence[NamedImage], roles: Mapping[int, str]) -> Iterator[tuple[str, int]]:
    """Patterns that choose one movie of images with several numbers, and how many images each has.

    In each one number counts time: one that says so, or one that says nothing if none does. Those of channels and
    planes vary with it, if there is one of each, and the others are as in the image that comes first.
    """
    parts = [numbers_of(one, roles) for one in group]
    its_roles = [role for role, _, _ in parts[0]]
    times = {"t", "clock"} if {"t", "clock"} & set(its_roles) else {""}
    varies = [i for i, role in enumerate(its_roles) if role in ("c", "z") and its_roles.count(role) == 1]
    for time in (i for i, role in enumerate(its_roles) if role in times):
        fixed = [i for i in range(len(its_roles)) if i != time and i not in varies]
        chosen = [one for one in parts if all(one[i][2] == parts[0][i][2] for i in fixed)]
        if len({one[time][2] for one in chosen}) > 1:
            spans = [span for i, (_, span, _) in enumerate(parts[0]) if i not in fixed]
            yield with_stars(group[0].file, spans), len(chosen)


def _skeleton(file: Path, text: str) -> tuple[str, ...]:
    return (str(file.parent), *re.split(r"\d+", re.sub(f"{_CLOCK_PLACE}+", _CLOCK_PLACE, text)))
