"""Tables that a person made in a spreadsheet program: every cell is text, however the program separated and encoded it.

Excel writes semicolons where the comma is the decimal sign, Windows' own encoding unless told otherwise, and rows of
separators below the table; its "Unicode text" is UTF-16, and it may name the separator in a line above the header.
People capitalise headings, and macOS decomposes umlauts.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from pathlib import Path

import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.core.foreign import file_bytes, parsing
from somanet.core.limits import TABLE_BYTES, TABLE_COLUMNS
from somanet.core.problems import FileProblem
from somanet.core.schema import Schema
from somanet.io.tables import check_table_size

SEPARATORS = ",;\t|"
_SAVE = "Save it as CSV UTF-8 (Excel: Save as; LibreOffice: character set Unicode)."
_WORKBOOKS = {b"PK\3\4": "a workbook (.xlsx or .ods) or a zip", b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NAMED_SEPARATOR = re.compile(r"\"?sep=(.)\"?[ \t]*(?:\r\n|\r|\n)", re.IGNORECASE)
_QUOTED_TEXT = re.compile(r'="(.*)"', re.DOTALL)
"""Of a cell that Excel keeps as text: `="01"`."""
_UNSEEN = dict.fromkeys(map(ord, "\u200b\u200e\u200f\u2060\ufeff\u00ad"))
"""Characters without width, which come along with pasted text and would make a second group of the same name."""
_MAC_OR_WINDOWS = re.compile("[ƒŠŒŽšœžŸ€†‡ˆ‰˜›]|…(?=[a-zß-ÿ])")  # noqa: RUF001 - looked for
"""In bytes of these an older Excel for Mac has its ä, é, ö, ü, Ä, Ö and Ü."""


def read_spreadsheet(path: Path, schema: Schema, *, also: str = "") -> pd.DataFrame:
    """Read a table whose cells are text: `01` and `1` stay two ids.

    The separator is the one that the header has most often, or that a line `sep=;` names; the encoding is UTF-8 or
    UTF-16, or else Windows' (cp1252).

    Args:
        path: CSV, or text separated by semicolons, tabs or bars.
        schema: the columns that it must have; their data types are not used. Further columns are kept.
        also: all columns that such a table can have, in words, for the message about one that lacks some.

    Returns:
        The rows that are not blank, in the order of the file. Columns are in lower case. Cells are in Unicode's
        composed form (NFC), without spaces around them and characters that have no width, and empty where there is
        nothing. The index is the line in the file.

    Raises:
        SomaNetError: missing or empty file, a workbook, letters of an unknown encoding, columns missing or named
            twice, or a row of more cells than the header.
    """
    expected = f"a {schema.name} table"
    if not path.exists():
        raise SomaNetError(f"{path}: no such {schema.name} table. Check the path.")
    text = unicodedata.normalize("NFC", _decoded(path, expected))
    named = _NAMED_SEPARATOR.match(text)
    above = 0 if named is None else 1
    text = text[named.end() :] if named else text
    header = next((line for line in text.splitlines() if line.strip()), "")
    separator = named[1] if named else max(SEPARATORS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows, lines, begins = [], [], 1
    with parsing(path, f"{expected} as CSV", remedy="Is a quotation mark not closed? Save it as CSV."):
        for cells in reader:
            row = [_cell(cell) for cell in cells]
            if any(row):
                rows.append(row)
                lines.append(begins + above)
            begins = reader.line_num + 1
    if not rows:
        raise SomaNetError(f"{path}: expected {expected} with {list(schema.names)}, found an empty file.")
    names = [name.casefold() for name in rows[0]]
    TABLE_COLUMNS.check(len(names), path)
    columns = [name for name in names if name]
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise SomaNetError(f"{path}, line {lines[0]}: two columns are called {twice[0]!r}. Remove or rename one.")
    if missing := [name for name in schema.names if name not in columns]:
        header_line = next((line for line, row in zip(lines, rows, strict=True) if _names_all(row, schema)), None)
        step = f"Name the columns in the first row{f': {also}' if also else ''}"
        raise SomaNetError(
            f"{path}, line {lines[0]}: the {schema.name} table lacks {missing}; it has {columns}. "
            f"{step if header_line is None else f'Remove what is above line {header_line}'}."
        )
    for line, row in zip(lines[1:], rows[1:], strict=True):
        if surplus := [cell for cell in row[len(names) :] if cell]:
            raise SomaNetError(
                f"{path}, line {line}: expected {len(names)} cells, as the header has, found one more: "
                f"{surplus[0][:80]!r}. Put a text that contains the separator in quotation marks."
            )
    width = len(names)
    filled = [[*row, *[""] * (width - len(row))][:width] for row in rows[1:]]
    return pd.DataFrame(filled, columns=names, index=pd.Index(lines[1:], name="line"), dtype=object)[columns]


def _names_all(row: list[str], schema: Schema) -> bool:
    return set(schema.names) <= {cell.casefold() for cell in row}


def _cell(text: str) -> str:
    text = text.translate(_UNSEEN).strip()
    quoted = _QUOTED_TEXT.fullmatch(text)
    return quoted[1].strip() if quoted else text


def _decoded(path: Path, expected: str) -> str:
    data = file_bytes(path, expected, TABLE_BYTES)
    for magic, what in _WORKBOOKS.items():
        if data.startswith(magic):
            raise FileProblem(f"{path}: expected {expected} as text, found {what}. {_SAVE}", "wrong type")
    if data.startswith(_UTF16):
        with parsing(path, f"{expected} in UTF-16", remedy=_SAVE):
            data = data.decode("utf-16").encode("utf-8")
    check_table_size(data, path)
    if b"\0" in data:
        raise FileProblem(f"{path}: expected {expected} as text, found NUL bytes. Is it damaged? {_SAVE}")
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        with parsing(path, "a table in UTF-8 or Windows' encoding (cp1252)", remedy=_SAVE):
            text = data.decode("cp1252")
    if unclear := _MAC_OR_WINDOWS.search(text):
        around = (
            re.split(r"[\r\n,;\t|]", text[: unclear.end()])[-1] + re.split(r"[\r\n,;\t|]", text[unclear.end() :])[0]
        )
        raise FileProblem(
            f"{path}: expected {expected} in UTF-8, found letters that Windows and Mac write differently, such as in "
            f"{around[:40]!r} (Windows) or {around[:40].encode('cp1252').decode('mac_roman')!r} (Mac). {_SAVE}",
            "wrong type",
        )
    return text
