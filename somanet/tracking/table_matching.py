"""Which of the known tables of tracks a table is, by the names of its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from somanet.core.errors import SomaNetError
from somanet.io.sheets import Head, Sheet
from somanet.tracking.table_formats import HOURS, NO_TRACKS, TABLES, TIME, Names, TableFormat

_UNIT = re.compile(r"(.*?)[\s_]*[(\[]\s*([^()\[\]]*?)\s*[)\]]")
_TIME_SUFFIX = re.compile(rf"({TIME})[\s_.]({'|'.join(HOURS)})")
_LENGTH_SUFFIX = re.compile(r".*_(px|um)")
_ALTERNATIVE = re.compile(r"(?:[^|()]|\([^()]*\))+")
"""One of the alternatives of a pattern, whose groups have no groups within."""


def plain_name(cell: str) -> tuple[str, str]:
    """A column's name in lower case, and its unit if it has one: `Position X [µm]` → position x, µm.

    Of times also without brackets: `time_min` → time, min.
    """
    text = cell.strip().strip("\"'").strip().casefold().replace("μ", "µ")
    match = _UNIT.fullmatch(text) or _TIME_SUFFIX.fullmatch(text)
    return (match[1], match[2]) if match and match[1] else (text, "")


def stated_unit(cell: str) -> str:
    """The unit in a column's name: as :func:`plain_name`, or the end of `y_um` and `x_px`."""
    name, unit = plain_name(cell)
    ending = _LENGTH_SUFFIX.fullmatch(name)
    return unit or (ending[1] if ending else "")


def is_time(cell: str) -> bool:
    """Whether a column is of times, in a unit that it names."""
    name, unit = plain_name(cell)
    return re.fullmatch(TIME, name) is not None and unit in HOURS


def find_format(
    sheets: Sequence[Sheet], formats: Sequence[TableFormat] = TABLES
) -> tuple[Sheet, Head, TableFormat] | None:
    """The first sheet, and in it the first row, that is the header of a known table; None if there is none."""
    for sheet in sheets:
        for head in sheet.heads:
            names = [plain_name(cell)[0] for cell in head.cells]
            for one in formats:
                if _fits(one, names):
                    return sheet, head, one
    return None


def columns_of(one: TableFormat, head: Head) -> dict[str, list[int]]:
    """Role → the numbers of its columns, of a header that fits."""
    names = [plain_name(cell)[0] for cell in head.cells]
    found = {
        role: [_index(part, names) for part in _parts(wanted)]
        for role, wanted in {**one.optional, **one.columns}.items()
    }
    columns = {role: [i for i in numbers if i is not None] for role, numbers in found.items() if None not in numbers}
    if "frame" in columns:
        same = [i for i, name in enumerate(names) if name == names[columns["frame"][0]]]
        columns["frame"] = [next((i for i in same if not is_time(head.cells[i])), same[0])]
        times = [i for i, cell in enumerate(head.cells) if is_time(cell) and i not in columns["frame"]]
        if times and "time" not in columns:
            columns["time"] = times[:1]
    return columns


def unknown_table(sheets: Sequence[Sheet]) -> SomaNetError:
    """What to say of a table of no known format: what it is, if that is known, and which columns it has."""
    heads = [(sheet, head) for sheet in sheets for head in sheet.heads]
    for sheet, head in heads:
        names = [plain_name(cell)[0] for cell in head.cells]
        for other in NO_TRACKS:
            if all(_index(wanted, names) is not None for wanted in other.columns):
                return SomaNetError(
                    f"{sheet.where}: expected tracks, found {other.what}. {_spots_beside(sheet) or other.instead}."
                )
    if (near := _nearly(heads)) is not None:
        return near
    programs = ", ".join(dict.fromkeys(one.program.split(",")[0] for one in TABLES[1:] if "plain" not in one.program))
    where = sheets[0].where
    found = "no table"
    if heads:
        sheet, head = heads[0]
        first = [other for _, other in heads if other.row == head.row]
        split = next((other for other in first if other.separator != " "), first[0])
        where, found = sheet.where, f"the columns {[cell[:40] for cell in split.cells[:20]]}"
    return SomaNetError(
        f"{where}: expected a table of tracks by SomaNet, {programs}; or with the columns track_id, frame, y_px, x_px "
        f"(in µm: y_um, x_um), found {found}. Is it another table of the same program? If it is tracks, name its "
        "columns so."
    )


def _spots_beside(sheet: Sheet) -> str:
    """What to say if TrackMate's table of spots lies beside its table of edges or of tracks."""
    stem = re.sub("(edges|tracks)$", "spots", sheet.path.stem)
    spots = sheet.path.with_name(stem + sheet.path.suffix)
    return f"Give {spots.name}, which lies beside it" if stem != sheet.path.stem and spots.is_file() else ""


def _nearly(heads: Sequence[tuple[Sheet, Head]]) -> SomaNetError | None:
    """What to say of a table that would be of a known format if it had one column more: of the nearest."""
    near: list[tuple[int, SomaNetError]] = []
    for sheet, head in heads:
        names = [plain_name(cell)[0] for cell in head.cells]
        for one in TABLES:
            wanted = [part for names_of in one.columns.values() for part in _parts(names_of)]
            lacking = [part.split("|")[0] for part in wanted if _index(part, names) is None]
            marked = all(_index(mark, names) is not None for mark in one.marks)
            if len(lacking) == 1 and len(wanted) > 2 and marked and not any(set(part) & set("\\(") for part in lacking):
                what = one.program if "plain" in one.program else f"{one.program.split(',')[0]}'s tracks"
                error = SomaNetError(
                    f"{sheet.where}: expected the columns of {what}; it lacks {lacking} and has "
                    f"{[cell[:40] for cell in head.cells[:20]]}. Export it with that column, or rename the one it is."
                )
                near.append((len(wanted), error))
    return max(near, key=lambda pair: pair[0])[1] if near else None


def _fits(one: TableFormat, names: list[str]) -> bool:
    wanted = [part for names_of in one.columns.values() for part in _parts(names_of)]
    found = [_index(part, names) for part in wanted]
    if None in found or any(_index(mark, names) is None for mark in one.marks):
        return False
    return not one.ordered or found == sorted(i for i in found if i is not None)


def _parts(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def _index(pattern: str, names: list[str]) -> int | None:
    """The column that matches, by the alternatives of the pattern in their order: of `track_id|id` the track."""
    alternatives = _ALTERNATIVE.findall(pattern)
    return next((i for part in alternatives for i, name in enumerate(names) if re.fullmatch(part, name)), None)
