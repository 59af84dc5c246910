"""Recognise the format of a file or folder of tracks by its content."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from somanet.core.documents import xml_root_tag
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object
from somanet.core.foreign import check_file, check_kind, parsing
from somanet.io.binary_tables import (
    HDF5,
    MTRACKJ,
    NUMPY,
    SPREADSHEETS,
    hdf5_sheet,
    mtrackj_sheet,
    numpy_sheet,
    spreadsheet_sheets,
)
from somanet.io.sheets import Head, Sheet, text_sheet
from somanet.io.tar_members import GZIP, is_tar
from somanet.tracking.ctc import TABLES
from somanet.tracking.label_tracks import TIFF
from somanet.tracking.table_formats import CMSO, TableFormat
from somanet.tracking.table_matching import find_format, unknown_table

FORMATS = ("csv", "napari", "ctc", "geff", "trackmate", "deepcell", "labels")
_MASK = re.compile(r"(?:mask|man_track)\d+\.tiff?")
_HEAD_BYTES = 1 << 16
"""Bytes in which an XML file's first element begins."""
_ZARR_METADATA = ("zarr.json", ".zattrs")
TABLE = "a table of tracks"
OBJECTS, LINKS = "objects.csv", "links.csv"
"""The files of a CMSO package (Cell Migration Standardisation Organisation)."""


@dataclass(frozen=True)
class Table:
    """A table of a known format, its header found."""

    sheet: Sheet
    head: Head
    format: TableFormat


@dataclass(frozen=True)
class Recognised:
    """What a file or folder of tracks is.

    Attributes:
        kind: ``ctc``, ``geff``, ``trackmate``, ``deepcell``, ``labels``, or the kind of a table.
        table: if it is one.
    """

    kind: str
    table: Table | None = None


def recognise(path: Path | str) -> Recognised:
    """What a file or folder of tracks is, by its content.

    Raises:
        SomaNetError: the path is missing, or has no known format.
    """
    path = Path(path)
    check_kind(path, "tracks")
    if path.is_dir():
        return _kind_of_folder(path)
    if not path.exists():
        raise SomaNetError(f"{path}: no such file or folder of tracks. Check the path.")
    head = _head(path)
    if path.suffix.lower() == ".xml" or head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<"):
        return Recognised(_kind_of_xml(path, head))
    if head.startswith(TIFF):
        return Recognised("labels")
    if is_tar(head) or head.startswith(GZIP):
        return Recognised("deepcell")
    sheets = _sheets(path, head)
    found = find_format(sheets)
    if found is None:
        raise unknown_table(sheets)
    _refuse_second_table(found, sheets)
    return Recognised(found[2].kind, Table(*found))


def _refuse_second_table(found: tuple[Sheet, Head, TableFormat], sheets: Sequence[Sheet]) -> None:
    """Refuse a workbook with other tracks in a second sheet: they may be of another movie."""
    sheet, head, one = found
    for other in sheets:
        second = None if other is sheet else find_format([other], [one])
        if second is not None and not second[0].body(second[1]).equals(sheet.body(head)):
            places = " and ".join(one.where.rsplit(", ", 1)[-1] for one in (sheet, other))
            raise SomaNetError(
                f"{sheet.path}: expected the tracks of one movie, found two tables of them: {places}. Save each sheet "
                "as a file of its own, such as CSV."
            )


def _sheets(path: Path, head: bytes) -> Sequence[Sheet]:
    if head.startswith(NUMPY):
        return [numpy_sheet(path)]
    if head.startswith(HDF5):
        return [hdf5_sheet(path)]
    if head.startswith(SPREADSHEETS):
        return spreadsheet_sheets(path)
    if head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(MTRACKJ):
        return [mtrackj_sheet(path)]
    return [text_sheet(path, TABLE)]


def _head(path: Path) -> bytes:
    expected = "a file of tracks"
    check_file(path, expected)
    with parsing(path, expected), path.open("rb") as handle:
        return handle.read(_HEAD_BYTES)


def _kind_of_xml(path: Path, head: bytes) -> str:
    root = xml_root_tag(head, path, "a TrackMate XML file")
    if root == "Tracks":
        raise SomaNetError(
            f"{path}: expected TrackMate's own file, found its export of bare tracks. Use TrackMate's Save button."
        )
    if root != "TrackMate":
        raise SomaNetError(f"{path}: expected a TrackMate XML file, found <{root[:80]}>. Is it another file?")
    return "trackmate"


def _kind_of_folder(folder: Path) -> Recognised:
    inner = ctc_folder(folder)
    if any(is_ctc_file(p.name) for p in inner.iterdir()):
        return Recognised("ctc")
    if is_geff(folder):
        return Recognised("geff")
    if all((folder / name).is_file() for name in (OBJECTS, LINKS)):
        found = find_format([text_sheet(folder / OBJECTS, TABLE)], [CMSO])
        if found is not None:
            return Recognised(CMSO.kind, Table(*found))
    inside = sorted(p.name for p in folder.iterdir())
    listed = ", ".join(inside[:4]) + (", …" if len(inside) > 4 else "")
    raise SomaNetError(
        f"{folder}: expected a Cell Tracking Challenge folder (mask000.tif … and res_track.txt), a GEFF or a CMSO "
        f"package, found "
        f"{listed or 'an empty folder'}. Check the path."
    )


def is_geff(folder: Path) -> bool:
    """Whether a folder is a zarr group with GEFF's metadata."""
    contents = (json_object(folder / name) for name in _ZARR_METADATA)
    return any("geff" in content or "geff" in (content.get("attributes") or ()) for content in contents)


def is_ctc_file(name: str) -> bool:
    """Whether a file of this name belongs to a Cell Tracking Challenge folder."""
    return name in TABLES or _MASK.fullmatch(name) is not None


def ctc_folder(path: Path | str) -> Path:
    """The folder with the masks of a Cell Tracking Challenge folder: ``TRA`` in a reference, else the folder itself."""
    inner = Path(path) / "TRA"
    return inner if inner.is_dir() else Path(path)
