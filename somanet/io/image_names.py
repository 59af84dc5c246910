"""Which images are one movie, by their names: numbers in a name count time, focal planes, channels and positions."""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from somanet.io.clock_names import even_times, over_midnight
from somanet.io.counted_names import ROLE_OF, NamedImage, by_convention, by_numbers, numbers_of, readings, with_stars
from somanet.io.images import IMAGE_SUFFIXES

Plane = tuple[int, int, int]
"""Time point, channel and focal plane, each from 0."""

_THUMBNAIL = re.compile(r"_thumb(?=[_.])", re.IGNORECASE)
_LISTED = 3
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
        clocks: these clock times as the names have them.
        says_time: the names say that they count time, planes or channels; else one plain number was taken for time.
        problem: why it is no whole movie, as one sentence; empty if it is.
        undecided: that is because several numbers change and the names do not say which of them counts time.
    """

    pattern: Path
    planes: dict[Plane, Path] = field(repr=False)
    channels: tuple[str, ...]
    n_frames: int
    n_planes: int
    times_min: tuple[float, ...] = ()
    clocks: tuple[str, ...] = ()
    says_time: bool = True
    problem: str = ""
    undecided: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """All files, in the order of time, channels and planes."""
        return tuple(self.planes[at] for at in sorted(self.planes))


_KINDS = {".tif": "TIFF", ".tiff": "TIFF", ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_DISORDER = (
    "the numbers and the clock times in the names put the images in different orders (such as {name}). Rename them by "
    "one of the two; clock times that go past midnight need a date."
)


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
    series; so are images that are stored once more in another format. Where numbers differ at several places whose
    meaning the names do not say, all are one series that is undecided.
    """
    groups: dict[tuple[str, ...], list[NamedImage]] = defaultdict(list)
    others: list[Path] = []
    for file in sorted(files):
        if is_image_name(file):
            if (named := by_convention(file)) is not None:
                groups[named.group].append(named)
            else:
                others.append(file)
    for named in by_numbers(others):
        groups[named.group].append(named)
    found = [series for group in groups.values() for series in _of_group(group) if len(series.planes) > 1]
    return sorted(found, key=lambda series: series.pattern)


def _of_group(group: list[NamedImage]) -> Iterator[Series]:
    if len(group) < 2:
        return
    if group[0].counts:
        yield from _of_formats(group, says_time=True)
        return
    columns = list(zip(*(re.findall(r"\d+", one.text) for one in group), strict=True))
    varying = [i for i, column in enumerate(columns) if len({int(number) for number in column}) > 1]
    words = [re.search(r"[A-Za-z]*$", text.rstrip("_- ")) for text in re.split(r"\d+", group[0].text)]
    roles = {i: ROLE_OF.get(word[0].lower(), "") for i in varying if (word := words[i]) is not None}
    unknown = [i for i in varying if not roles[i]]
    if len(unknown) == 1 and "t" not in roles.values():
        roles[unknown[0]] = "t"
    counted = [role for role in roles.values() if role != "p"]
    if "" in counted or len(set(counted)) < len(counted):
        yield _undecided(group, roles)
        return
    movies: dict[tuple[int, ...], list[NamedImage]] = defaultdict(list)
    for one in group:
        numbers = [(match[0], match.span()) for match in re.finditer(r"\d+", one.text)]
        counts = [(role, numbers[i][0]) for i, role in roles.items() if role != "p"]
        spans = [numbers[i][1] for i, role in roles.items() if role != "p"]
        if one.clock is not None:
            counts.append(("clock", one.clock.text))
            spans.append((one.clock.start, one.clock.stop))
        common = tuple(int(numbers[i][0]) for i, role in roles.items() if role == "p")
        pattern = with_stars(one.file, sorted(spans))
        movies[common].append(replace(one, counts=tuple(counts), pattern=pattern))
    for one_movie in movies.values():
        times = {role for role, _ in one_movie[0].counts} & {"t", "clock"}
        if times == {"t", "clock"}:
            yield from _counted_twice(one_movie, roles, says_time=not unknown)
        elif one_movie[0].counts:
            yield from _of_formats(one_movie, says_time="clock" in times or not unknown)


def _counted_twice(group: list[NamedImage], roles: dict[int, str], *, says_time: bool) -> Iterator[Series]:
    """The series of images with a number and a clock time, if these agree: the finer of the two counts frames."""
    pairs = sorted({(int(dict(one.counts)["t"]), one.clock.minutes) for one in group if one.clock is not None})
    numbers, minutes = [number for number, _ in pairs], [one for _, one in pairs]
    if len(set(numbers)) < len(pairs):  # one number at several times: a repeat at each, perhaps
        yield _undecided(group, roles)
        return
    finer = "clock" if len(set(minutes)) == len(pairs) else "t"
    kept = [
        replace(one, counts=tuple((role, at) for role, at in one.counts if role in (finer, "c", "z"))) for one in group
    ]
    if minutes == sorted(minutes):
        yield from _of_formats(kept, says_time=says_time or finer == "clock")
    elif finer == "clock":
        name = next(one.file.name for one in group if one.clock is not None and one.clock.minutes == min(minutes))
        yield from _of_formats(kept, says_time=True, problem=_DISORDER.format(name=name))


def _undecided(group: list[NamedImage], roles: dict[int, str]) -> Series:
    """Images that are movies for all one knows, in the order of their names; the problem names ways to read them.

    Args:
        group: images of one group.
        roles: what the changing numbers of a name count, by their place; empty where it is not known.
    """
    folder = group[0].file.parent
    ways = [f"'{folder / pattern}' ({number} images)" for pattern, number in readings(group, roles)]
    choose = f"Name one movie by a pattern in quotes: {' or '.join(ways)}. " if ways else ""
    return Series(
        folder / with_stars(group[0].file, [span for _, span, _ in numbers_of(group[0], roles)]),
        {(i, 0, 0): one.file for i, one in enumerate(group)},
        ("0",),
        len(group),
        1,
        says_time=False,
        problem=f"several numbers in the names change, and the names do not say which of them counts time. {choose}"
        "If the images are no movie, `somanet predict` segments them one by one; those of a data set belong into a "
        "folder named images.",
        undecided=True,
    )


def _of_formats(group: list[NamedImage], *, says_time: bool, problem: str = "") -> Iterator[Series]:
    """One series, or one for each format if one of them has all images; images that no format has all of are mixed."""
    by_kind: dict[str, list[NamedImage]] = defaultdict(list)
    for one in group:
        by_kind[_KINDS[one.file.suffix.lower()]].append(one)
    places = {kind: {one.counts for one in members} for kind, members in by_kind.items()}
    if len(by_kind) == 1 or any(len(own) == len(set().union(*places.values())) for own in places.values()):
        for members in by_kind.values():
            yield _series(members, says_time=says_time, problem=problem)
        return
    most = max(by_kind, key=lambda kind: len(by_kind[kind]))
    odd = [(kind, one.file.name) for kind, members in by_kind.items() if kind != most for one in members]
    listed = ", ".join(name for _, name in odd[:_LISTED]) + (", …" if len(odd) > _LISTED else "")
    mixed = (
        f"expected images of one format, found {len(by_kind[most])} {most} and {len(odd)} "
        f"{' and '.join(sorted({kind for kind, _ in odd}))} ({listed}), which are parts of one series by their names. "
        "Save all in one format (Fiji: Process > Batch > Convert), or move those that do not belong elsewhere."
    )
    yield _series(group, says_time=says_time, problem=problem or mixed)


def _series(group: list[NamedImage], *, says_time: bool, problem: str = "") -> Series:
    """The planes of one movie in order."""
    folder = group[0].file.parent
    patterns = {one.pattern for one in group}
    pattern = folder / (patterns.pop() if len(patterns) == 1 else _common(sorted(patterns)))
    clock_of = {one.clock.text: one.clock for one in group if one.clock is not None and "clock" in dict(one.counts)}
    roles = ("clock" if clock_of else "t", "c", "z")

    def order(text: str) -> tuple[int, float | str]:
        return (0, clock_of[text].minutes) if text in clock_of else _order(text)

    counts = [tuple(dict(one.counts).get(role, "") for role in roles) for one in group]
    values = [sorted({texts[i] for texts in counts}, key=order) for i in range(len(roles))]
    places = [{key: i for i, key in enumerate(dict.fromkeys(map(order, texts)))} for texts in values]
    planes: dict[Plane, Path] = {}
    for one, (time, channel, plane) in zip(group, counts, strict=True):
        at = (places[0][order(time)], places[1][order(channel)], places[2][order(plane)])
        if at in planes and not problem:
            problem = f"{planes[at].name} and {one.file.name} have the same number or time. Remove one of them."
        planes[at] = one.file
    clocks = [clock_of[text] for text in values[0]] if clock_of else []
    if not problem and (around := over_midnight(clocks)):
        problem = (
            f"the clock times in the names go past midnight, from {around[0].text} to {around[1].text}, and do not say "
            "the day. Rename the images with dates, or with numbers in the order of time."
        )
    n_frames, _, n_planes = map(len, places)
    return Series(
        pattern,
        planes,
        tuple(text or str(i) for i, text in enumerate(values[1])),
        n_frames,
        n_planes,
        even_times([one.minutes for one in clocks], max(one.resolution_min for one in clocks)) if clocks else (),
        tuple(one.text for one in clocks),
        says_time,
        problem or _hole(planes, values, timed=bool(clocks)),
    )


def _hole(planes: dict[Plane, Path], values: list[list[str]], *, timed: bool) -> str:
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
    numbers = [] if timed else [int(text) for text in values[0] if text.isdecimal()]
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


def _order(text: str) -> tuple[int, float | str]:
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
