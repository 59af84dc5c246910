"""`python -m somanet.io.workbook_process FILE`: the cells of a workbook as JSON, read in a process of bounded memory.

The parser ends its whole process when memory runs out, and a few kilobytes can make it ask for any amount: a cell far
out, a declared number of texts, one long text in thousands of cells.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from datetime import date, datetime, timedelta

from somanet.core.limits import TABLE_BYTES

_DAY_0_OF_EXCEL = datetime(1899, 12, 31)
MEMORY_BYTES = 2 << 30
"""Addresses that the process may take, with its libraries."""


def main(path: str) -> None:
    """Print a list of sheets, each a name and rows of texts."""
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limit; or there is a lower one already
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    from python_calamine import CalamineWorkbook

    try:
        workbook = CalamineWorkbook.from_path(path)
        sheets = [
            (name, [[_text(cell) for cell in row] for row in workbook.get_sheet_by_name(name).to_python()])
            for name in workbook.sheet_names
        ]
    except BaseException as error:  # its parser's own failures are no Exception
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        sys.exit("" if isinstance(error, MemoryError) else first)
    # What is printed, which the reading process holds as bytes, as text and as cells: each with its quotes and comma.
    if sum(len(cell.encode()) + 4 for _, rows in sheets for row in rows for cell in row) > TABLE_BYTES.value:
        sys.exit("")
    json.dump(sheets, sys.stdout, ensure_ascii=False)


def _text(cell: object) -> str:
    """A cell as text; times and durations as `36:00:00`, with the hours of a duration that Excel counts from 1900."""
    if isinstance(cell, float):
        return f"{cell:.17g}"
    if isinstance(cell, date) and (cell.year, cell.month) < (1900, 3):
        midnight = datetime(cell.year, cell.month, cell.day)
        cell = (cell if isinstance(cell, datetime) else midnight) - _DAY_0_OF_EXCEL
    if isinstance(cell, timedelta):
        seconds = cell.total_seconds()
        return f"{int(seconds // 3600)}:{int(seconds // 60 % 60):02d}:{seconds % 60:09.6f}".removesuffix(".000000")
    return str(cell).strip()


if __name__ == "__main__":
    main(sys.argv[1])
