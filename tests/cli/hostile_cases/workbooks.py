"""Spreadsheets (.xlsx), made by hand: what no spreadsheet program would write."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.cli.hostile import LAUGHS
from tests.cli.hostile_cases.base import Cases, Maker

CASES: Cases = {}
MEASURE = "tracks measure t.xlsx --output out --pixel-size-um 1 --frame-interval-min 5"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
ONE = '<row r="1"><c r="A1" t="inlineStr"><is><t>track_id</t></is></c></row>'
FAR = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'


def sheet(rows: str, *, head: str = "") -> str:
    return f'{head}<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData></worksheet>'


def workbook(content: str, *, place: str = "worksheets/sheet1.xml", strings: str = "", times: int = 1) -> Maker:
    """A workbook of one sheet, which lies at a place within `xl`; its spaces are so many times as many."""

    def relations(kind: str, target: str) -> str:
        one = f'<Relationship Id="rId1" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        return f'<Relationships xmlns="{_PACKAGE}/relationships">{one}</Relationships>'

    book = f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets>'

    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / "t.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("_rels/.rels", relations("officeDocument", "xl/workbook.xml"))
            archive.writestr("xl/workbook.xml", f"{book}</workbook>")
            archive.writestr("xl/_rels/workbook.xml.rels", relations("worksheet", place))
            archive.writestr(f"xl/{place}", content if times == 1 else content.replace(" " * 9, " " * 9 * times))
            if strings:
                archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{_MAIN}" {strings}</sst>')

    return make


LONG = f"><si><t>{'x' * (1 << 20)}</t></si>"
REPEATED = "".join(f'<row r="{i}"><c r="A{i}" t="s"><v>0</v></c></row>' for i in range(1, 3000))
for kind, maker, words in (
    ("that unpacks to 400 MB", workbook(sheet(" " * 9), times=(400 << 20) // 9), "TABLE_BYTES"),
    ("that laughs", workbook(sheet(ONE.replace("track_id", "&a9;"), head=LAUGHS)), "entity"),
    ("with a cell far out", workbook(sheet(FAR)), "TABLE_COLUMNS=16384"),
    ("with a cell far out, in other quotes", workbook(sheet(FAR.replace('"', "'"))), "GB of memory"),
    ("with a cell far out, in a sheet elsewhere", workbook(sheet(FAR), place="other/s.xml"), "GB of memory"),
    ("that announces 10 billion texts", workbook(sheet(ONE), strings='uniqueCount="9999999999">'), "GB of memory"),
    ("with a text of 1 MB in 3000 cells", workbook(sheet(REPEATED), strings=LONG), "GB of memory"),
    (
        "with a text of 1 MB in 400 cells",
        workbook(sheet(REPEATED[: REPEATED.index('<row r="401"')]), strings=LONG),
        "GB",
    ),
    (
        "with a text of 2 MB, of letters of two bytes, in 150 cells",
        workbook(sheet(REPEATED[: REPEATED.index('<row r="151"')]), strings=LONG.replace("x", "é")),
        "GB",
    ),
    ("with a text that is not there", workbook(sheet(REPEATED)), "cannot be read"),
    ("with a formula", workbook(sheet('<row r="1"><c r="A1"><f>[1]x!A1</f><v>2</v></c></row>')), "found the columns"),
):
    CASES[f"a workbook {kind}"] = maker, MEASURE, words
