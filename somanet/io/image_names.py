"""Which images are one movie, by their names: numbers in a name count time, focal planes, channels and positions."""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from somanet.io.images import IMAGE_SUFFIXES

Plane = tuple[int, int, int]
"""Time point, channel and focal plane, each from 0."""

_THUMBNAIL = re.compile(r"_thumb(?=[_.])", re.IGNORECASE)
_LABELS = re.compile(r"(man_track|man_seg_?|mask)\d+(_\d+)?", re.IGNORECASE)
"""Names of the Cell Tracking Challenge for labels, which lie in folders of their own."""


@dataclass(frozen=True)
class Series:
    """Images that are the planes of one movie.

    Attributes:
        pattern: their folder and common name, with `*` for the numbers: `exp/img_t*_ch*.tif`.
        planes: the file of each plane.
        channels: names of the channels, as in the files' names.
        n_frames: time points.
        n_planes: focal planes.
        times_min: minutes of each time point since the first, where names are clock times; else empty.
        says_time: the names say that they count time, planes or channels; else one plain number was taken for time.
        problem: why it is no whole movie, as one sentence; empty if it is.
    """

    pattern: Path
    planes: dict[Plane, Path] = field(repr=False)
    channels: tuple[str, ...]
    n_frames: int
    n_planes: int
    times_min: tuple[float, ...] = ()
    says_time: bool = True
    problem: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """All files, in the order of time, channels and planes."""
        return tuple(self.planes[at] for at in sorted(self.planes))


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
_ROLE_OF = {word: role for role, words in _ROLES.items() for word in words}
_CLOCK = re.compile(r"(?:(?P<days>\d+)d|(?P<y>\d{4})y(?P<mo>\d{2})m(?P<d>\d{2})d_)(?P<h>\d{2})h(?P<m>\d{2})m")


def leave_out_thumbnails(files: Iterable[Path]) -> list[Path]:
    """The files without the thumbnails that MetaMorph writes beside its images: `a_t1_thumb.TIF` with `a_t1.TIF`."""
    files = list(files)
    names = {file.name for file in files}
    return [file for file in files if (full := _THUMBNAIL.sub("", file.name)) == file.name or full not in names]


def is_image_name(path: Path) -> bool:
    """Whether a file may be one image of a series, by its name."""
    return path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "." and not is_label_name(path)


def is_label_name(path: Path) -> bool:
    """Whether a file is called as labels of the Cell Tracking Challenge are: `man_track000.tif`, `mask000.tif`."""
    return _LABELS.fullmatch(path.stem) is not None


def find_series(files: Iterable[Path]) -> list[Series]:
    """The series among the image files of one folder; a file that is alone belongs to none.

    Names are compared, no file is opened. Names that count differently, such as those of two positions, are several
    series. Where numbers differ at several places whose meaning the names do not say, there is none.
    """
    groups: dict[tuple[str, ...], list[_Named]] = defaultdict(list)
    for file in sorted(files):
        if is_image_name(file):
            named = _by_convention(file) or _Named(file, ("numbers", *_skeleton(file)))
            groups[named.group].append(named)
    found = [series for group in groups.values() for series in _of_group(group) if len(series.planes) > 1]
    return sorted(found, key=lambda series: series.pattern)


@dataclass(frozen=True)
class _Named:
    """A file, what it shares with the others of its series, and what its name counts."""

    file: Path
    group: tuple[str, ...]
    counts: tuple[tuple[str, str], ...] = ()
    pattern: str = ""


def _by_convention(file: Path) -> _Named | None:
    for number, convention in enumerate(_CONVENTIONS):
        if (match := convention.fullmatch(file.stem)) and _is_time(match.groupdict().get("clock")):
            counted = [(role, match[role]) for role in match.re.groupindex if role in ("t", "z", "c", "clock")]
            spans = sorted(match.span(role) for role, _ in counted)
            common = [match[role] or "" for role in ("p", "p2") if role in match.re.groupindex]
            key = (str(number), str(file.parent), *common, file.suffix.lower())
            return _Named(file, key, tuple(counted), _with_stars(file, spans))
    return None


def _with_stars(file: Path, spans: list[tuple[int, int]]) -> str:
    text, at = "", 0
    for start, stop in spans:
        text += file.stem[at:start] + "*"
        at = stop
    return text + file.stem[at:] + file.suffix


def _skeleton(file: Path) -> tuple[str, ...]:
    return (str(file.parent), *re.split(r"\d+", file.stem), file.suffix.lower())


def _of_group(group: list[_Named]) -> Iterator[Series]:
    if len(group) < 2:
        return
    if group[0].counts:
        yield _series(group, says_time=True)
        return
    columns = list(zip(*(re.findall(r"\d+", one.file.stem) for one in group), strict=True))
    varying = [i for i, column in enumerate(columns) if len({int(number) for number in column}) > 1]
    words = [re.search(r"[A-Za-z]*$", text.rstrip("_- ")) for text in re.split(r"\d+", group[0].file.stem)]
    roles = {i: _ROLE_OF.get(word[0].lower(), "") for i in varying if (word := words[i]) is not None}
    unknown = [i for i in varying if not roles[i]]
    says_time = not unknown
    if len(unknown) == 1 and "t" not in roles.values():
        roles[unknown[0]] = "t"
    elif unknown:
        return
    counted = [role for role in roles.values() if role != "p"]
    if len(set(counted)) < len(counted):
        return
    movies: dict[tuple[int, ...], list[_Named]] = defaultdict(list)
    for one in group:
        numbers = [(match[0], match.span()) for match in re.finditer(r"\d+", one.file.stem)]
        counts = tuple((role, numbers[i][0]) for i, role in roles.items() if role != "p")
        pattern = _with_stars(one.file, [numbers[i][1] for i, role in roles.items() if role != "p"])
        common = tuple(int(numbers[i][0]) for i, role in roles.items() if role == "p")
        movies[common].append(_Named(one.file, one.group, counts, pattern))
    for one_movie in movies.values():
        if one_movie[0].counts:
            yield _series(one_movie, says_time=says_time)


def _series(group: list[_Named], *, says_time: bool) -> Series:
    """The planes of one movie in order."""
    folder = group[0].file.parent
    patterns = {one.pattern for one in group}
    pattern = folder / (patterns.pop() if len(patterns) == 1 else _common(sorted(patterns)))
    clocks = "clock" in dict(group[0].counts)
    roles = ("clock" if clocks else "t", "c", "z")
    counts = [tuple(dict(one.counts).get(role, "") for role in roles) for one in group]
    values = [sorted({texts[i] for texts in counts}, key=_order) for i in range(len(roles))]
    places = [{key: i for i, key in enumerate(dict.fromkeys(map(_order, texts)))} for texts in values]
    planes: dict[Plane, Path] = {}
    problem = ""
    for one, (time, channel, plane) in zip(group, counts, strict=True):
        at = (places[0][_order(time)], places[1][_order(channel)], places[2][_order(plane)])
        if at in planes:
            problem = f"{planes[at].name} and {one.file.name} have the same number. Remove one of them."
        planes[at] = one.file
    times = tuple(_minutes(text) for text in values[0]) if clocks else ()
    n_frames, _, n_planes = map(len, places)
    return Series(
        pattern,
        planes,
        tuple(text or str(i) for i, text in enumerate(values[1])),
        n_frames,
        n_planes,
        tuple(minutes - times[0] for minutes in times),
        says_time,
        problem or _hole(planes, values),
    )


def _hole(planes: dict[Plane, Path], values: list[list[str]]) -> str:
    """What is missing in a series, as one sentence: times after it would be wrong. Empty if it is whole."""
    sizes = [len(texts) for texts in values]
    if len(planes) < math.prod(sizes):
        first = next(at for at in itertools.product(*map(range, sizes)) if at not in planes)
        where = ", ".join(
            f"{what} {texts[i]}"
            for texts, what, i in zip(values, ("time", "channel", "plane"), first, strict=True)
            if len(texts) > 1
        )
        return (
            f"expected {math.prod(sizes)} images (time × channel × plane: {' × '.join(map(str, sizes))}), found "
            f"{len(planes)}; the first that is missing: {where}. Fetch it again, or move the incomplete part elsewhere."
        )
    numbers = [int(text) for text in values[0] if text.isdecimal()]
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    if steps and len(set(steps)) > 1:
        usual = min(steps)
        gap = next(i for i, step in enumerate(steps) if step != usual)
        return (
            f"expected images numbered in equal steps, found {numbers[gap]} and then {numbers[gap + 1]}: "
            f"{numbers[gap] + usual} is missing, and times after it would be wrong. Fetch it again, or move the images "
            "before or after the gap elsewhere."
        )
    return ""


def _order(text: str) -> tuple[int, int | str]:
    """Numbers in their order whatever their leading zeros, before other names."""
    return (0, int(text)) if text.isdecimal() and text.isascii() else (1, text)


def _common(patterns: list[str]) -> str:
    """One pattern for several, by their common beginning and end."""
    first, last = patterns[0], patterns[-1]
    start = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    ends = [pattern[start:][::-1] for pattern in patterns]
    stop = 0
    while all(len(end) > stop and end[stop] == ends[0][stop] for end in ends):
        stop += 1
    return f"{first[:start]}*{first[len(first) - stop :] if stop else ''}"


def _is_time(clock: str | None) -> bool:
    """Whether a clock time, if there is one, exists: no 30th of February."""
    try:
        return clock is None or _minutes(clock) >= 0
    except ValueError:
        return False


def _minutes(clock: str) -> float:
    """Minutes of a clock time, from any moment on."""
    match = _CLOCK.fullmatch(clock)
    assert match is not None  # the convention that found it is as strict
    days = int(match["days"]) if match["days"] else date(int(match["y"]), int(match["mo"]), int(match["d"])).toordinal()
    return 1440.0 * days + 60 * int(match["h"]) + int(match["m"])
