"""Tables that are no text: NumPy arrays, spreadsheets, btrack's HDF5; and MTrackJ's text, which is no table."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.core.extras import require
from somanet.core.foreign import check_file, parsing
from somanet.core.limits import TABLE_BYTES, TABLE_COLUMNS, TABLE_ROWS
from somanet.core.problems import FileProblem
from somanet.core.processes import python_command
from somanet.io import workbook_process
from somanet.io.bounded_decoding import decode_bounded
from somanet.io.sheets import Sheet, array_sheet, decoded_table, grid_sheet

NUMPY, HDF5 = b"\x93NUMPY", b"\x89HDF\r\n\x1a\n"
SPREADSHEETS = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04")
"""First bytes of .xls and of .xlsx."""
MTRACKJ = b"MTrackJ"
_EXTRA = "track-files"
_DEFLATE, _SHUFFLE, _CHECKSUM = 1, 2, 3
"""HDF5's numbers of its filters: gzip, a change of order, Fletcher's checksum of 4 bytes."""
_CHECKSUM_BYTES = 4
_ROW, _CELL = re.compile(rb'<row[^>]*\sr="(\d{1,9})"'), re.compile(rb'<c[^>]*\sr="([A-Z]{1,4})\d')


def numpy_sheet(path: Path) -> Sheet:
    """The data of a napari tracks layer, saved with ``numpy.save``: id, frame, [z,] y, x.

    Raises:
        SomaNetError: another shape or data type, Python objects in the file, or too many rows.
    """
    expected = "an array of tracks with the columns id, t, (z,) y, x"
    check_file(path, expected, limit=TABLE_BYTES)
    with parsing(path, expected), path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    if len(shape) != 2 or shape[1] not in (4, 5) or dtype.kind not in "iuf":
        raise SomaNetError(
            f"{path}: expected {expected}, found an array of {' × '.join(map(str, shape)) or 'no axis'} ({dtype}). "
            "Save the layer's data: numpy.save('tracks.npy', layer.data)."
        )
    TABLE_ROWS.check(shape[0], path)
    with parsing(path, expected):
        array = np.load(path, allow_pickle=False).astype(float)
    names = ("track_id", "t", "z", "y", "x") if shape[1] == 5 else ("track_id", "t", "y", "x")
    return array_sheet(path, {name: pd.Series(array[:, i]) for i, name in enumerate(names)})


def spreadsheet_sheets(path: Path) -> list[Sheet]:
    """The sheets of a .xls or .xlsx file.

    Raises:
        SomaNetError: the extra is not installed, not a spreadsheet, or one too large.
    """
    expected = "a spreadsheet of tracks"
    check_file(path, expected, limit=TABLE_BYTES)
    require(_EXTRA, purpose=f"{path}: reading spreadsheets", otherwise=", or save it as CSV")
    with parsing(path, expected, remedy="Is it damaged, or another kind of file? Save it as CSV."):
        if zipfile.is_zipfile(path):
            _check_extent(path)
    sheets = []
    for name, rows in _grids(path, expected):
        TABLE_ROWS.check(len(rows), path)
        TABLE_COLUMNS.check(max(map(len, rows), default=0), path)
        sheets.append(grid_sheet(path, f"{path}, sheet {name!r}", rows))
    return sheets


def _grids(path: Path, expected: str) -> list[tuple[str, list[list[str]]]]:
    """The sheets' names and texts, read in a process of its own: see :mod:`somanet.io.workbook_process`."""
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(
        [*python_command("-m", workbook_process.__name__), str(path.resolve())],
        env=environment, capture_output=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    if ended.returncode == 0:
        return [(str(name), rows) for name, rows in json.loads(ended.stdout)]
    words = ended.stderr.decode("utf-8", "replace").strip()
    if ended.returncode == 1 and words:
        reason = words.splitlines()[-1][:200].removesuffix(".")
        raise FileProblem(
            f"{path}: expected {expected}, but it cannot be read ({reason}). Is it damaged, or another kind of file? "
            "Save it as CSV."
        )
    raise FileProblem(
        f"{path}: expected {expected}, but reading it takes over {workbook_process.MEMORY_BYTES >> 30} GB of memory. "
        "Is it damaged, or does it have a cell far out? Save it as CSV.",
        "too large",
    )


def _check_extent(path: Path) -> None:
    """Refuse what would unpack to too much, and cells so far out that the grid of them would not fit the memory."""
    with zipfile.ZipFile(path) as archive:
        TABLE_BYTES.check(sum(one.file_size for one in archive.infolist()), path, declared="unpacked, it")
        for one in archive.infolist():
            if not one.filename.startswith("xl/worksheets/"):
                continue
            content = archive.read(one)
            rows = max((int(row) for row in _ROW.findall(content)), default=0)
            columns = max((_column(letters) for letters in set(_CELL.findall(content))), default=0)
            TABLE_ROWS.check(rows, path, declared=one.filename)
            TABLE_COLUMNS.check(columns, path, declared=one.filename)
            TABLE_BYTES.check(rows * columns, path, declared=f"the grid of {one.filename}")


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


def hdf5_sheet(path: Path) -> Sheet:
    """The tracks of a btrack HDF5 file, as rows of ``id, t, x, y, z, parent, dummy``.

    ``dummy`` is 1 for points that btrack put where it saw nothing.

    Raises:
        SomaNetError: the extra is not installed, or the file has no tracks of btrack.
    """
    expected = "a HDF5 file with tracks of btrack"
    check_file(path, expected)
    require(_EXTRA, purpose=f"{path}: reading HDF5")
    import h5py

    with parsing(path, expected), h5py.File(path, "r") as file:
        kinds = list(_group(file, "tracks", path))
        if len(kinds) != 1:
            raise SomaNetError(
                f"{path}: expected {expected} of one kind, found {kinds or 'no tracks'}. Export the tracks as CSV."
            )
        tracks, objects = f"tracks/{kinds[0]}", f"objects/{kinds[0]}"
        found = [_array(file, f"{tracks}/{name}", path) for name in ("tracks", "map", "LBEPR")]
        members, bounds, lineage = (array.astype(np.int64) for array in found)
        coords = _array(file, f"{objects}/coords", path)
        has_dummies = "dummies" in _group(file, tracks, path)
        dummies = _array(file, f"{tracks}/dummies", path) if has_dummies else coords[:0]
        if not np.all((bounds[:, 0] >= 0) & (bounds[:, 0] <= bounds[:, 1]) & (bounds[:, 1] <= len(members))):
            raise SomaNetError(
                f"{path}: expected tracks that lie within the {len(members)} points of {tracks}/tracks, found others "
                f"in {tracks}/map. Was the file written whole?"
            )
        lengths = bounds[:, 1] - bounds[:, 0]
        TABLE_ROWS.check(sum(lengths.tolist()), path)
        rows = np.concatenate([members[a:b] for a, b in bounds] or [members[:0]])
        of_track = np.repeat(np.arange(len(bounds)), lengths)
        dummy = rows < 0
        points = np.empty((len(rows), 4))
        points[~dummy] = coords[rows[~dummy], :4]
        points[dummy] = dummies[-rows[dummy] - 1, :4]
        columns = {"id": lineage[of_track, 0], **dict(zip("txyz", points.T, strict=True))}
        columns |= {"parent": lineage[of_track, 3], "dummy": dummy.astype(int)}
        return array_sheet(path, {name: pd.Series(values) for name, values in columns.items()})


def _is_inside(file: Any, name: str) -> bool:
    """Whether a name and all groups on the way to it lie in this file, at no end of a link.

    A link may lead to another file, and to a pipe, on which opening it waits for ever.
    """
    import h5py

    parts = name.split("/")
    ways = ("/".join(parts[: n + 1]) for n in range(len(parts)))
    return all(isinstance(file.get(way, getlink=True), h5py.HardLink) for way in ways)


def _group(file: Any, name: str, path: Path) -> Any:
    import h5py

    if not _is_inside(file, name) or not isinstance(file[name], h5py.Group):
        raise SomaNetError(
            f"{path}: expected a HDF5 file with tracks of btrack, found none in {list(file)[:5]}. Is it another file?"
        )
    return file[name]


def _array(file: Any, name: str, path: Path) -> NDArray[Any]:
    """An array that lies in this file itself, of a size that its declaration allows."""
    import h5py

    array = file[name] if _is_inside(file, name) else None
    if not isinstance(array, h5py.Dataset) or array.is_virtual or array.external or array.dtype.kind not in "iuf":
        raise SomaNetError(f"{path}: expected btrack's array {name}, found none. Was the file written whole?")
    TABLE_ROWS.check(int(array.shape[0]) if array.ndim else 0, path)
    TABLE_BYTES.check(array.nbytes, path, declared=name)
    if array.chunks is not None:
        _check_chunks(array, name, path)
    return np.asarray(array[()])


def _check_chunks(array: Any, name: str, path: Path) -> None:
    """Refuse chunks that unpack to more than the declared size: HDF5 itself would go on to the end."""
    made = array.id.get_create_plist()
    filters = [made.get_filter(i)[0] for i in range(made.get_nfilters())]
    declared = math.prod(array.chunks) * array.dtype.itemsize
    TABLE_BYTES.check(declared, path, declared=f"a chunk of {name}")
    if not set(filters) <= {_DEFLATE, _SHUFFLE, _CHECKSUM} or filters.count(_DEFLATE) > 1:
        raise FileProblem(f"{path}: expected {name} compressed once, by gzip, or not at all, found other filters.")
    for i in range(array.id.get_num_chunks()):
        chunk = array.id.get_chunk_info(i)
        TABLE_BYTES.check(chunk.size, path, declared=f"a stored chunk of {name}")
        skipped, data = array.id.read_direct_chunk(chunk.chunk_offset)
        if _DEFLATE in filters and not skipped >> filters.index(_DEFLATE) & 1:
            if _CHECKSUM in filters[filters.index(_DEFLATE) :]:  # stored behind
                data = data[:-_CHECKSUM_BYTES]
            decode_bounded("zlib", data, declared + _CHECKSUM_BYTES)


def mtrackj_sheet(path: Path) -> Sheet:
    """The points of an MTrackJ file, as rows of ``assembly, cluster, track, point, x, y, z, t, channel``.

    Raises:
        SomaNetError: not an MTrackJ file, or a line that is none of it.
    """
    rows = list(_points(path))
    names = ("assembly", "cluster", "track", "point", "x", "y", "z", "t", "channel")
    return array_sheet(path, {name: pd.Series([row[i] for row in rows], dtype=float) for i, name in enumerate(names)})


def _points(path: Path) -> Iterator[tuple[float, ...]]:
    place = {"Assembly": 0, "Cluster": 0, "Track": 0}
    for number, line in enumerate(decoded_table(path, "an MTrackJ file").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        with parsing(f"{path}, line {number}", "Point with its number, x, y, z, t and channel"):
            if words[0] in place:
                place[words[0]] = int(words[1])
            elif words[0] == "Point":
                _, point, x, y, z, t, channel = words[:7]
                yield (*place.values(), *(float(word) for word in (point, x, y, z, t, channel)))
