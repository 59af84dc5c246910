"""Tables that a person made in a spreadsheet program: every cell is text, however the program separated and encoded it.

Excel writes semicolons where the comma is the decimal sign, Windows' own encoding unless told otherwise, and rows of
separators below the table; people capitalise headings, and macOS decomposes umlauts.
"""

from __future__ import annotations

import codecs
import csv
import io
import unicodedata
from pathlib import Path

import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.core.foreign import parsing
from somanet.core.limits import TABLE_COLUMNS
from somanet.core.schema import Schema
from somanet.io.tables import table_bytes

SEPARATORS = ",;\t"


def read_spreadsheet(path: Path, schema: Schema) -> pd.DataFrame:
    """Read a table whose cells are text: `01` and `1` stay two ids.

    The separator is the one that the header has most often; the encoding is UTF-8, or else Windows' (cp1252).

    Args:
        path: CSV, or text separated by semicolons or tabs.
        schema: the columns that it must have; their data types are not used. Further columns are kept.

    Returns:
        The rows that are not blank, in the order of the file. Columns are in lower case, cells in Unicode's composed
        form (NFC) and without spaces around them, empty where there is nothing; the index is the line in the file.

    Raises:
        SomaNetError: missing or empty file, columns missing or named twice, or a row of more cells than the header.
    """
    expected = f"a {schema.name} table"
    if not path.exists():
        raise SomaNetError(f"{path}: no such {schema.name} table. Check the path.")
    text = unicodedata.normalize("NFC", _decoded(path, table_bytes(path, expected)))
    header = next((line for line in text.splitlines() if line.strip()), "")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(SEPARATORS, key=header.count), strict=True)
    rows, lines, begins = [], [], 1
    with parsing(path, f"{expected} as CSV", remedy="Is a quotation mark not closed? Save it as CSV."):
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if any(row):
                rows.append(row)
                lines.append(begins)
            begins = reader.line_num + 1
    if not rows:
        raise SomaNetError(f"{path}: expected {expected} with {list(schema.names)}, found an empty file.")
    names = [name.casefold() for name in rows[0]]
    TABLE_COLUMNS.check(len(names), path)
    named = [name for name in names if name]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise SomaNetError(f"{path}, line {lines[0]}: two columns are called {twice[0]!r}. Remove or rename one.")
    for line, row in zip(lines[1:], rows[1:], strict=True):
        if surplus := [cell for cell in row[len(names) :] if cell]:
            raise SomaNetError(
                f"{path}, line {line}: expected {len(names)} cells, as the header has, found one more: "
                f"{surplus[0][:80]!r}. Put a text that contains the separator in quotation marks."
            )
    width = len(names)
    filled = [[*row, *[""] * (width - len(row))][:width] for row in rows[1:]]
    table = pd.DataFrame(filled, columns=names, index=pd.Index(lines[1:], name="line"), dtype=object)[named]
    if missing := [name for name in schema.names if name not in named]:
        raise SomaNetError(
            f"{path}, line {lines[0]}: the {schema.name} table lacks {missing}; it has {named}. Name the columns in "
            "the first row."
        )
    return table


def _decoded(path: Path, data: bytes) -> str:
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        with parsing(path, "a table in UTF-8 or Windows' encoding (cp1252)", remedy="Save it as CSV in UTF-8."):
            return data.decode("cp1252")
