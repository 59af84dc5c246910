"""Recognise the format of a file or folder of tracks by its content."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from somanet.core.documents import xml_root_tag
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object
from somanet.core.foreign import check_file, check_kind, parsing
from somanet.tracking.ctc import TABLES
from somanet.tracking.exchange import NAPARI, table_columns

FORMATS = ("csv", "napari", "ctc", "geff", "trackmate")
_MASK = re.compile(r"(?:mask|man_track)\d+\.tiff?")
_HEAD_BYTES = 1 << 16
"""Bytes in which an XML file's first element begins."""
_ZARR_METADATA = ("zarr.json", ".zattrs")


def recognise(path: Path | str) -> str:
    """The format of a file or folder of tracks, one of :data:`FORMATS`, by its content.

    ``csv`` is SomaNet's own table, or a plain table of points in pixels (see
    :func:`somanet.tracking.exchange.read_csv`).

    Raises:
        SomaNetError: the path is missing, or has none of these formats.
    """
    path = Path(path)
    check_kind(path, "tracks")
    if path.is_dir():
        return _kind_of_folder(path)
    if not path.exists():
        raise SomaNetError(f"{path}: no such file or folder of tracks. Check the path.")
    if path.suffix.lower() == ".xml" or _begins_with(path, b"<"):
        return _kind_of_xml(path)
    return "napari" if set(NAPARI.names) <= set(table_columns(path)) else "csv"


def _begins_with(path: Path, mark: bytes) -> bool:
    return _head(path).removeprefix(codecs.BOM_UTF8).lstrip().startswith(mark)


def _head(path: Path) -> bytes:
    expected = "a file of tracks"
    check_file(path, expected)
    with parsing(path, expected), path.open("rb") as handle:
        return handle.read(_HEAD_BYTES)


def _kind_of_xml(path: Path) -> str:
    root = xml_root_tag(_head(path), path, "a TrackMate XML file")
    if root == "Tracks":
        raise SomaNetError(
            f"{path}: expected TrackMate's own file, found its export of bare tracks. Use TrackMate's Save button."
        )
    if root != "TrackMate":
        raise SomaNetError(f"{path}: expected a TrackMate XML file, found <{root[:80]}>. Is it another file?")
    return "trackmate"


def _kind_of_folder(folder: Path) -> str:
    inner = ctc_folder(folder)
    if any(is_ctc_file(p.name) for p in inner.iterdir()):
        return "ctc"
    if is_geff(folder):
        return "geff"
    found = sorted(p.name for p in folder.iterdir())
    listed = ", ".join(found[:4]) + (", …" if len(found) > 4 else "")
    raise SomaNetError(
        f"{folder}: expected a Cell Tracking Challenge folder (mask000.tif … and res_track.txt) or a GEFF, found "
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
