"""Tables of other programs as cells of text: whatever separates, encodes and precedes them.

Which row is the header is for the caller to find, who knows the column names of the formats; see :class:`Head`.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.core.foreign import file_bytes, parsing
from somanet.core.limits import TABLE_BYTES, TABLE_COLUMNS
from somanet.core.numbers import to_numbers
from somanet.core.problems import FileProblem
from somanet.core.schema import Schema
from somanet.io.tables import IDENTITY, check_table_size, with_types

SEPARATORS = (",", ";", "\t", " ")
"""A space stands for any run of spaces and tabs."""
_HEAD_ROWS = 12
"""Rows, blank ones aside, among which the header is: programs write titles above it."""
_FIRST_LINE = 2
"""Of the rows, if the header is the first line."""
_LONGER = re.compile(r"in line (\d+), saw (\d+)")
"""What pandas says of a row of more cells than it expects."""
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Head:
    """A row that may be the header of a table.

    Attributes:
        row: its number, from 0.
        separator: one of :data:`SEPARATORS`; "" where cells are separate in the file, as in a spreadsheet.
        cells: the column names, if it is the header.
    """

    row: int
    separator: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """One table of a file.

    Attributes:
        path: the file.
        where: the file, and the table's name in it, for messages.
        heads: rows that may be the header, the first ones first.
        body: the cells below a header, one column per name of it, numbered from 0; the index is the line in the file
            (from 1). Blank rows are left out. Empty cells are empty texts or NaN.
    """

    path: Path
    where: str
    heads: tuple[Head, ...]
    body: Callable[[Head], pd.DataFrame]


def text_sheet(path: Path, expected: str) -> Sheet:
    """A table in a text file: CSV and its kin, in UTF-8, UTF-16 or Windows' encoding (cp1252).

    Raises:
        SomaNetError: missing or empty file, not text, or too large.
    """
    text = decoded_table(path, expected)
    if not text.strip():
        raise SomaNetError(f"{path}: expected {expected}, found an empty file.")
    heads = tuple(_heads(text))
    return Sheet(path, str(path), heads, lambda head: _body(path, text, head))


def decoded_table(path: Path, expected: str) -> str:
    """The text of a table, without a byte-order mark.

    Raises:
        FileProblem: not a regular file, too large, or not text.
    """
    data = file_bytes(path, expected, TABLE_BYTES)
    if data.startswith(_UTF16):
        with parsing(path, f"{expected} in UTF-16", remedy="Save it as CSV in UTF-8."):
            data = data.decode("utf-16").encode()
    check_table_size(data, path)
    if b"\0" in data:
        raise FileProblem(
            f"{path}: expected a CSV table ({expected}), found NUL bytes. Is it damaged, or another kind of file? "
            "Save it as CSV."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        wanted = f"a CSV table in UTF-8 or Windows' encoding ({expected})"
        with parsing(path, wanted, remedy="Save it as CSV in UTF-8."):
            text = data.decode("cp1252")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def grid_sheet(path: Path, where: str, rows: list[list[str]]) -> Sheet:
    """A table whose cells are separate, such as a spreadsheet's."""
    heads = tuple(Head(i, "", tuple(row)) for i, row in enumerate(rows[: 2 * _HEAD_ROWS]) if any(row))

    def body(head: Head) -> pd.DataFrame:
        width = len(head.cells)
        below = [(row + [""] * width)[:width] for row in rows[head.row + 1 :]]
        index = pd.RangeIndex(head.row + 2, head.row + 2 + len(below))
        return _without_blank_rows(pd.DataFrame(below, index=index, columns=range(width), dtype=str))

    return Sheet(path, where, heads[:_HEAD_ROWS], body)


def array_sheet(path: Path, columns: dict[str, pd.Series]) -> Sheet:
    """A table of numbers whose column names are known."""
    head = Head(0, "", tuple(columns))
    table = pd.DataFrame(columns)
    table = table.set_axis(range(len(columns)), axis="columns").set_axis(range(2, 2 + len(table)), axis="index")
    return Sheet(path, str(path), (head,), lambda _: table)


def typed_table(sheet: Sheet, head: Head, schema: Schema) -> pd.DataFrame:
    """The whole table: the columns of a schema in their data types, the others as numbers where all cells are.

    Decimal commas are read where commas separate no columns.

    Raises:
        SomaNetError: a cell of a schema's column that is not a number, or a column named twice.
    """
    if twice := sorted({name for name in head.cells if name and head.cells.count(name) > 1}):
        raise SomaNetError(f"{sheet.where}: two columns are called {twice[0]!r}. Remove or rename one.")
    cells = sheet.body(head)
    names = [(i, name) for i, name in enumerate(head.cells) if name]
    table = pd.DataFrame({name: cells[i].str.strip() for i, name in names}).set_index(cells.index - _FIRST_LINE)
    for name in table.columns:
        if name not in IDENTITY:
            table[name] = _as_numbers(table[name], comma=head.separator != ",", must=name in schema.names)
    return with_types(table, schema, sheet.path).reset_index(drop=True)


def _as_numbers(texts: pd.Series, *, comma: bool, must: bool) -> pd.Series:
    """Numbers if all cells are; of a column that must be numbers, texts whose wrong cells its conversion names."""
    filled = texts.where(~texts.str.casefold().isin(["", "nan"]))
    for values in (filled, filled.str.replace(",", ".", regex=False)) if comma else (filled,):
        numbers = to_numbers(values)
        if (numbers.notna() | filled.isna()).all():
            return numbers
    return filled if must else texts


def _heads(text: str) -> Iterator[Head]:
    found = 0
    for row, line in enumerate(io.StringIO(text)):
        if not line.strip():
            continue
        most = 0
        for separator in SEPARATORS:
            cells = tuple(line.split()) if separator == " " else _split(line, separator)
            if separator == " " and most > 2:
                continue  # the spaces are in the names
            most = max(most, len(cells))
            if len(cells) > 1:
                yield Head(row, separator, tuple(cell.strip().strip('"').strip() for cell in cells))
        found += 1
        if found == _HEAD_ROWS:
            return


def _split(line: str, separator: str) -> tuple[str, ...]:
    try:
        return tuple(next(csv.reader([line.rstrip("\r\n")], delimiter=separator)))
    except csv.Error:
        return ()


def _body(path: Path, text: str, head: Head) -> pd.DataFrame:
    width = len(head.cells)
    TABLE_COLUMNS.check(width, path)
    if text.count("\n", 0, len(text.rstrip())) <= head.row:
        return pd.DataFrame(columns=range(width), dtype=str)
    with parsing(path, "a CSV table", remedy="Is a quotation mark not closed? Save it again."):
        try:
            table = _parsed(text, head)
        except pd.errors.ParserError as error:
            if (found := _LONGER.search(str(error))) is None:
                raise
            raise _too_long(path, found[1], width, f"{found[2]} cells") from error
    table.index = pd.RangeIndex(head.row + 2, head.row + 2 + len(table))
    table = _without_blank_rows(table)
    longer = table[width].str.strip() != ""
    much_longer = (table.iloc[:, width + 1 :].map(str.strip) != "").any(axis="columns")
    if much_longer.any():
        line = much_longer.index[much_longer][0]
        raise _too_long(path, line, width, f"{1 + _last_filled(table.loc[line])} cells")
    if len(table) and longer.all() and _has_row_names(table.iloc[:, : width + 1], text, head):
        return table.iloc[:, 1 : width + 1].set_axis(range(width), axis="columns")
    if longer.any():
        line, surplus = longer.index[longer][0], table[width][longer].iloc[0]
        raise _too_long(path, line, width, f"one more: {surplus[:80]!r}")
    return table.iloc[:, :width]


def _last_filled(row: pd.Series) -> int:
    return int(row.index[row.str.strip() != ""][-1])


def _has_row_names(table: pd.DataFrame, text: str, head: Head) -> bool:
    """Whether the first cells of all rows are their names, whose column R and pandas leave out of the header.

    A decimal comma makes rows longer as well. Names are unique; between commas, they are in quotation marks, or the
    table has decimal points, and so no decimal commas.
    """
    if table[0].duplicated().any():
        return False
    if head.separator != ",":
        return True
    first = text.split("\n", head.row + 2)[head.row + 1].lstrip()
    return first.startswith('"') or bool(table.apply(lambda cells: cells.str.contains(r"\d\.\d")).to_numpy().any())


def _parsed(text: str, head: Head) -> pd.DataFrame:
    """The rows below a header as texts, with at least one column more than it has, and as many as the first row."""
    first = text.split("\n", head.row + 2)[head.row + 1]
    n_first = len(first.split()) if head.separator == " " else len(_split(first, head.separator))
    table = pd.read_csv(
        io.StringIO(text),
        sep=r"\s+" if head.separator == " " else head.separator,
        header=None,
        names=range(max(len(head.cells) + 1, n_first)),
        index_col=False,
        skiprows=head.row + 1,
        dtype=str,
        keep_default_na=False,
        skip_blank_lines=False,
    )
    return table.fillna("")


def _too_long(path: Path, line: object, width: int, found: str) -> SomaNetError:
    return SomaNetError(
        f"{path}, line {line}: expected {width} cells, as the header has, found {found}. Is a comma a decimal sign? "
        "Save it with semicolons or tabs between columns."
    )


def _without_blank_rows(table: pd.DataFrame) -> pd.DataFrame:
    blank = pd.Series(True, table.index)
    for name in table.columns:
        blank &= table[name].str.strip() == ""
    return table[~blank]
