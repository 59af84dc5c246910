"""The cells of a table by what they mean: numbers with their lines for messages, ids, and layouts made alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.core.numbers import to_numbers
from somanet.core.schema import LARGEST_ID
from somanet.io.sheets import Head, Sheet
from somanet.tracking.table_clocks import WANTED as TIME_WANTED
from somanet.tracking.table_clocks import seconds_of
from somanet.tracking.table_formats import FRAMES, HOURS, TableFormat
from somanet.tracking.table_matching import columns_of, plain_name, stated_unit

_LONGEST_CELL = 80
EMPTY = ("", "nan", "na", "n/a", "null", "none")


@dataclass(frozen=True)
class TableCells:
    """The cells below a header.

    Attributes:
        sheet, head: the table and its header.
        cells: as from :class:`somanet.io.sheets.Sheet`, the index being the line.
        columns: role → the numbers of its columns.
        units: role → the unit that the file states for it, if any.
    """

    sheet: Sheet
    head: Head
    cells: pd.DataFrame
    columns: dict[str, list[int]]
    units: dict[str, str]

    def __contains__(self, role: str) -> bool:
        return role in self.columns

    def texts(self, role: str, part: int = 0) -> pd.Series:
        """The column as it is."""
        return self.cells[self.columns[role][part]]

    def numbers(self, role: str, part: int = 0, *, rows: pd.Series | None = None) -> pd.Series:
        """The column as float64; empty cells, `nan` and the like are NaN.

        Args:
            role: which column.
            part: which of several.
            rows: only these.
        """
        values = self.texts(role, part)
        values = values if rows is None else values[rows]
        if values.dtype.kind in "iuf":
            return values.astype(float)
        values = values.str.strip()
        numbers = self.loose_numbers(values)
        wrong = numbers.isna() & ~values.str.casefold().isin([*EMPTY, "inf", "-inf"])
        if wrong.any():
            wanted = TIME_WANTED if role == "time" else "a number"
            self.refuse(role, wrong.index[wrong][0], values[wrong].iloc[0], wanted)
        return numbers

    def loose_numbers(self, texts: pd.Series) -> pd.Series:
        """Texts as float64, NaN where they are no numbers; with decimal commas where commas separate no columns."""
        commas = self.head.separator != ","
        return as_numbers(texts.str.replace(",", ".", regex=False) if commas else texts)

    def whole(self, role: str, part: int = 0, *, rows: pd.Series | None = None) -> pd.Series:
        """The column as whole numbers in float64, NaN where it is empty."""
        numbers = self.numbers(role, part, rows=rows)
        if (wrong := numbers.notna() & ((numbers % 1 != 0) | (numbers.abs() > 2**53))).any():
            self.refuse(role, wrong.index[wrong][0], numbers[wrong].iloc[0], "a whole number")
        return numbers

    def refuse(self, role: str, line: object, found: object, expected: str) -> NoReturn:
        """Raise the error of a wrong cell."""
        name = self.head.cells[self.columns[role][0]] if len(self.columns[role]) == 1 else role
        raise SomaNetError(
            f"{self.sheet.where}, line {line}: expected {expected} in '{name}', found "
            f"'{str(found)[:_LONGEST_CELL]}'. Correct it."
        )

    def keys(self, role: str) -> pd.Series:
        """What names a point, of one or several columns, as text: `7.0` is `7`."""
        key = pd.Series("", self.cells.index)
        for part in range(len(self.columns[role])):
            text = self.texts(role, part).astype(str).str.strip()
            numbers = self.loose_numbers(text)
            key = key + " " + text.where(numbers.isna(), numbers.map("{:.17g}".format))
        return key.str.strip()


def table_cells(sheet: Sheet, head: Head, one: TableFormat, time_unit: str | None = None) -> TableCells:
    """The cells of a table; blocks of tracks and links between points become rows of points.

    Args:
        sheet, head, one: the table, its header and its format, from
            :func:`somanet.tracking.table_matching.find_format`.
        time_unit: unit of the times, if the user says one.

    Raises:
        SomaNetError: frames in a unit that is none of time.
    """
    cells, columns = sheet.body(head), columns_of(one, head)
    units = {role: stated_unit(head.cells[numbers[0]]) for role, numbers in columns.items()}
    _frames_or_times(sheet, head, columns, units, time_unit)
    if one.block:
        cells, columns = _with_blocks(sheet, head, cells, columns, one)
    cells, below = _without_header_rows(cells, columns, one)
    units |= {role: unit for role, numbers in columns.items() if (unit := _unit_below(below, numbers[0]))}
    if "source_frame" in columns:
        cells, columns = _points_of_links(cells, columns)
    return TableCells(sheet, head, _with_seconds(sheet, cells, columns, units), columns, units)


def _with_seconds(
    sheet: Sheet, cells: pd.DataFrame, columns: dict[str, list[int]], units: dict[str, str]
) -> pd.DataFrame:
    """The cells with seconds in place of times of day, durations and dates; a column of these holds no frames."""
    role = "time" if "time" in columns else "frame"
    if role not in columns or cells[columns[role][0]].dtype.kind in "iuf":
        return cells
    column = columns[role][0]
    tracks = pd.Series("", cells.index)
    for part in columns.get("track", ()):
        tracks = tracks + " " + cells[part].astype(str)
    seconds = seconds_of(cells[column].str.strip(), tracks, sheet.where)
    if seconds is None:
        return cells
    columns["time"] = columns.pop(role)
    units["time"] = "s"
    cells = cells.copy()
    cells[column] = seconds.map("{:.17g}".format).where(seconds.notna(), "")
    return cells


def _frames_or_times(
    sheet: Sheet, head: Head, columns: dict[str, list[int]], units: dict[str, str], time_unit: str | None
) -> None:
    """Take the frames for times, if their column has a unit of time, or is `t` or `time` and the user says so."""
    if "frame" not in columns:
        return
    name, unit = head.cells[columns["frame"][0]], units["frame"]
    if unit and unit not in HOURS and unit not in FRAMES:
        raise SomaNetError(
            f"{sheet.where}: expected frames, or times in s, min or h, in {name!r}. Name the unit of the column so."
        )
    said = time_unit in HOURS and not unit and plain_name(name)[0] in ("t", "time")
    if unit in HOURS or (said and "time" not in columns):
        columns["time"], units["time"] = columns.pop("frame"), units.pop("frame")


def number_names(texts: pd.Series, numbers: pd.Series) -> tuple[pd.Series, list[str] | None]:
    """Ids as whole numbers: as they are, or numbered from 1 in the order of the table if they are names.

    Names are texts; and numbers that are not whole, are larger than SomaNet's ids can be, or are one number in several
    spellings, such as 1 and 01.

    Args:
        texts: the ids; empty where there is none.
        numbers: the same as float64, NaN where they are none.

    Returns:
        The ids in float64, NaN where there is none; and the names in order, None if the ids are as they were.
    """
    empty = texts.str.casefold().isin(EMPTY) | (numbers < 0)
    spelling = texts.str.replace(r"[.,]0*$", "", regex=True)
    known, words = numbers[~empty], spelling[~empty]
    one_each = words.nunique() == known.nunique()
    if (known.notna() & (known % 1 == 0) & (known <= LARGEST_ID)).all() and one_each:
        return numbers, None
    codes, names = pd.factorize(texts.where(~empty))
    return pd.Series(np.where(codes < 0, np.nan, codes + 1.0), texts.index), list(names)


def note_on_names(names: list[str]) -> str:
    """What to say of ids that were given anew."""
    return (
        f"Tracks were numbered anew: their names are not all whole numbers up to {LARGEST_ID}, each in one spelling "
        f"({names[0]!r} is 1)."
    )


def as_numbers(values: pd.Series) -> pd.Series:
    """Texts as float64, NaN where they are no numbers."""
    numbers: pd.Series = to_numbers(values).astype(float)
    return numbers


def _without_header_rows(
    cells: pd.DataFrame, columns: dict[str, list[int]], one: TableFormat
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows from the first number on, and those between it and the header."""
    if not one.header_rows:
        return cells, cells.iloc[:0]
    top = cells.iloc[: one.header_rows][columns["frame"][0]]
    n_rows = int(as_numbers(top).isna().cummin().sum()) if len(top) else 0
    return cells.iloc[n_rows:], cells.iloc[:n_rows]


def _unit_below(rows: pd.DataFrame, column: int) -> str:
    units = [plain_name(f"unit {cell}")[1] for cell in rows[column]] if len(rows) else []
    return next((unit for unit in units if unit), "")


def _with_blocks(
    sheet: Sheet, head: Head, cells: pd.DataFrame, columns: dict[str, list[int]], one: TableFormat
) -> tuple[pd.DataFrame, dict[str, list[int]]]:
    """A table in which a row of its own begins each track, as one with a column of the track."""
    above = [other.cells[1] for other in sheet.heads if other.row < head.row and other.cells[0].casefold() == one.block]
    begins = cells[0].str.strip().str.casefold() == one.block
    track = cells[1].where(begins).ffill().fillna(above[-1] if above else "")
    is_point = as_numbers(cells[columns["frame"][0]].str.replace(",", ".", regex=False)).notna() & ~begins
    width = len(head.cells)
    return cells.join(track.rename(width))[is_point], {"track": [width], **columns}


def _points_of_links(cells: pd.DataFrame, columns: dict[str, list[int]]) -> tuple[pd.DataFrame, dict[str, list[int]]]:
    """The points at both ends of each link, those of the targets with the source as their parent."""
    place = {end: [columns[f"{end}_{role}"][0] for role in ("frame", "y", "x")] for end in ("source", "target")}
    source = cells[place["source"]].set_axis(range(3), axis="columns")
    target = cells[place["target"]].set_axis(range(3), axis="columns")
    parents = source.set_axis(range(3, 6), axis="columns")
    none = pd.DataFrame("", cells.index, range(3, 6))
    rows = pd.concat([source.join(none), target.join(parents)], ignore_index=True)
    return rows, {"frame": [0], "y": [1], "x": [2], "node": [0, 1, 2], "parent_node": [3, 4, 5]}
