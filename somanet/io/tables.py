"""CSV tables: equal tables give equal bytes, so that hashes show whether results changed."""

from __future__ import annotations

import codecs
import io
from pathlib import Path

import numpy as np
import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.core.foreign import file_bytes, parsing
from somanet.core.limits import LINE_BYTES, TABLE_BYTES, TABLE_COLUMNS, TABLE_ROWS
from somanet.core.numbers import to_numbers
from somanet.core.problems import FileProblem
from somanet.core.schema import Column, Schema, check_columns

_LARGEST_WHOLE = 2**53
"""Up to here float64, through which pandas may read them, holds every whole number."""
_LONGEST_CELL = 80
"""Characters of a wrong cell that a message shows."""
IDENTITY = ("movie", "donor", "group", "batch")
"""Columns that name something, and are text in any table: the donors `01` and `1` are two."""
FLOAT_FORMAT = "%.9g"
"""Nine digits: finer than any measurement here, coarse enough to hide the last bits, which differ between machines."""


def write_table(path: Path | str, df: pd.DataFrame, schema: Schema | None = None) -> None:
    """Write a table as CSV, atomically, without its index.

    Args:
        path: the CSV file.
        df: the table; NaN and missing values become empty cells.
        schema: if given, its columns are required and come first, in its order.

    Raises:
        SomaNetError: a column is missing, or the file cannot be written.
    """
    if schema is not None:
        check_columns(df, schema, str(path))
        df = df[[*schema.names, *(name for name in df.columns if name not in schema.names)]]
    with atomic_path(path) as temporary:
        df.to_csv(temporary, index=False, float_format=FLOAT_FORMAT, lineterminator="\n", encoding="utf-8")


def read_table(path: Path | str, schema: Schema) -> pd.DataFrame:
    """Read a CSV table and convert its columns to their data types.

    Args:
        path: the CSV file.
        schema: the expected columns. Further columns are kept, as pandas reads them, but for
            :data:`IDENTITY`, which are text.

    Returns:
        The table, rows in file order. A name such as `NA`, `null` or `007` stays text.

    Raises:
        SomaNetError: missing or empty file, not CSV, missing columns, or a cell that is not a number (named with its
            line).
    """
    path = Path(path)
    names = {*IDENTITY, *schema.names}
    numeric = [column.name for column in schema.columns if column.dtype != "string"]
    if not path.exists():
        raise SomaNetError(f"{path}: no such {schema.name} table. Check the path, or run the previous stage.")
    data = table_bytes(path, f"a {schema.name} table")
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        raise SomaNetError(f"{path}: expected a {schema.name} table with {list(schema.names)}, found an empty file.")
    with parsing(path, "a CSV table in UTF-8", remedy="Save it as CSV."):
        header = pd.read_csv(io.BytesIO(data), nrows=0, encoding="utf-8-sig")
        check_columns(header, schema, str(path))
        # By default pandas reads ids such as "NA" as missing; numbers are converted below.
        df = pd.read_csv(
            io.BytesIO(data),
            dtype=dict.fromkeys(names, "str"),
            keep_default_na=False,
            na_values={name: ["", "nan", "NaN"] for name in [*numeric, *(set(header.columns) - names)]},
            encoding="utf-8-sig",
        )
    return with_types(df, schema, path)


def with_types(df: pd.DataFrame, schema: Schema, path: Path) -> pd.DataFrame:
    """A table of texts with the columns of a schema converted to their data types.

    Args:
        df: the table; its index plus 2 is the line in the file.
        schema: the columns.
        path: the file, for messages.

    Raises:
        SomaNetError: a cell is no number where one is expected, named with its line.
    """
    return df.assign(**{column.name: _convert(df[column.name], column, path) for column in schema.columns})


def table_bytes(path: Path, expected: str) -> bytes:
    """The bytes of a text table of a possible size: rows and columns are counted before a table is built of them.

    Raises:
        FileProblem: not a regular file, too many bytes, rows or columns, or NUL bytes.
    """
    data = file_bytes(path, expected, TABLE_BYTES)
    check_table_size(data, path)
    if b"\0" in data:
        raise FileProblem(
            f"{path}: expected a CSV table in UTF-8 ({expected}), found NUL bytes. Is it damaged, or UTF-16? Save "
            "it as CSV."
        )
    return data


def check_table_size(data: bytes, path: Path) -> None:
    """Count the rows and columns of a text table before anything is built of them.

    Raises:
        FileProblem: too many rows or columns, or too long a line.
    """
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    TABLE_ROWS.check(max(len(ends), data.count(b"\r")), path)
    longest = int(np.diff(ends, prepend=-1, append=len(data)).max())
    LINE_BYTES.check(longest, path, declared="the longest line")
    end = data.find(b"\n")
    TABLE_COLUMNS.check(data.count(b",", 0, end if end >= 0 else len(data)) + 1, path)


def _convert(values: pd.Series, column: Column, path: Path) -> pd.Series:
    if column.dtype == "string":
        return values
    numbers = to_numbers(values)
    wrong = numbers.isna() & values.notna()
    if column.dtype != "float64":
        wrong |= numbers.notna() & ((numbers % 1 != 0) | (numbers.abs() > _LARGEST_WHOLE))
    if column.dtype == "int64":
        wrong |= numbers.isna()
    if wrong.any():
        row = wrong[wrong].index[0]
        # Line 1 is the header.
        kind = "number" if column.dtype == "float64" else "whole number"
        cell = values[wrong].iloc[0]
        found = "" if pd.isna(cell) else str(cell)[:_LONGEST_CELL]
        raise SomaNetError(
            f"{path}, line {int(str(row)) + 2}: expected a {kind} in '{column.name}', found '{found}'. Correct it."
        )
    return numbers.astype(column.dtype)
