"""The cells of a table by what they mean: numbers with their lines for messages, ids, and layouts made alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.io.sheets import Head, Sheet
from somanet.tracking.table_formats import TableFormat, columns_of, plain_name

_LONGEST_CELL = 80
EMPTY = ("", "nan", "na", "null", "none")


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
            self.refuse(role, wrong.index[wrong][0], values[wrong].iloc[0], "a number")
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


def table_cells(sheet: Sheet, head: Head, one: TableFormat) -> TableCells:
    """The cells of a table; blocks of tracks and links between points become rows of points.

    Args:
        sheet, head, one: the table, its header and its format, from
            :func:`somanet.tracking.table_formats.find_format`.
    """
    cells, columns = sheet.body(head), columns_of(one, head)
    units = {role: plain_name(head.cells[numbers[0]])[1] for role, numbers in columns.items()}
    if one.block:
        cells, columns = _with_blocks(sheet, head, cells, columns, one)
    cells, below = _without_header_rows(cells, columns, one)
    units |= {role: unit for role, numbers in columns.items() if (unit := _unit_below(below, numbers[0]))}
    if "source_frame" in columns:
        cells, columns = _points_of_links(cells, columns)
    return TableCells(sheet, head, cells, columns, units)


def as_numbers(values: pd.Series) -> pd.Series:
    """Texts as float64, NaN where they are no numbers."""
    numbers: pd.Series = pd.to_numeric(values, errors="coerce").astype(float)
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
