"""The Cell Tracking Challenge's result folder: one mask image per frame, and a text file of the tracks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path, make_folder, write_text
from somanet.core.foreign import file_text
from somanet.core.limits import TABLE_BYTES, TABLE_ROWS
from somanet.core.schema import PARENT, check_tracks
from somanet.io.images import read_labels, write_labels
from somanet.tracking.detections import Labels, detect_cells
from somanet.tracking.linking import as_tracks
from somanet.tracking.relabel import relabel_movie

_MOST_DIGITS = 10
TABLES = ("res_track.txt", "man_track.txt")


def write_ctc(folder: Path | str, labels: Iterable[Labels], tracks: pd.DataFrame) -> None:
    """Write ``mask000.tif`` … and ``res_track.txt`` (label, first frame, last frame, parent).

    The format's tracks have no gaps: a cell that was missed continues under a new label, whose parent is the old one.

    Args:
        folder: replaced if it exists.
        labels: YX label images, value = track id, one at a time.
        tracks: ``schema.TRACKS`` columns.

    Raises:
        SomaNetError: a frame's objects differ from the tracks' points in that frame, or the files cannot be written.
    """
    rows = check_tracks(tracks, "The tracks")
    ids, frames = rows["track_id"].to_numpy(), rows["frame"].to_numpy()
    new_cell = np.diff(ids, prepend=-1) != 0
    new_part = new_cell | (np.diff(frames, prepend=0) != 1)
    # The first part of a cell keeps its id; the others are numbered after the last one.
    names = np.where(new_cell, ids, 0)
    extra = new_part & ~new_cell
    names[extra] = ids.max(initial=0) + 1 + np.arange(extra.sum())
    starts = np.flatnonzero(new_part)
    ends = np.append(starts, len(rows))[1:] - 1
    of_part = np.repeat(names[starts], ends - starts + 1)
    mothers = _last_parts(rows, of_part)
    parents = [mothers.get(int(ids[s]), 0) if new_cell[s] else int(of_part[s - 1]) for s in starts]
    lines = [
        f"{names[s]} {frames[s]} {frames[e]} {parent}\n" for s, e, parent in zip(starts, ends, parents, strict=True)
    ]
    parts = pd.DataFrame({"track_id": of_part, "frame": frames, "label": ids})
    with atomic_path(folder) as temporary:
        make_folder(temporary)
        for t, masks in enumerate(relabel_movie(complete_labels(labels, rows), parts)):
            write_labels(temporary / f"mask{t:03d}.tif", masks)
        write_text(temporary / TABLES[0], "".join(sorted(lines, key=lambda line: int(line.split()[0]))))


def _last_parts(rows: pd.DataFrame, parts: NDArray[np.int64]) -> dict[int, int]:
    """Daughter → the label under which its mother ends; rows by track and frame."""
    if PARENT.name not in rows:
        return {}
    last = dict(zip(rows["track_id"].tolist(), parts.tolist(), strict=True))
    born = rows.dropna(subset=[PARENT.name]).drop_duplicates("track_id")
    return {cell: last[mother] for cell, mother in zip(born["track_id"], born[PARENT.name], strict=True)}


def complete_labels(labels: Iterable[Labels], tracks: pd.DataFrame) -> Iterator[Labels]:
    """Pass the label images through; refuse objects that belong to no track."""
    by_frame = {int(str(t)): set(rows["track_id"]) for t, rows in tracks.groupby("frame")}
    for t, labels_YX in enumerate(labels):
        unknown = set(np.unique(labels_YX).tolist()) - by_frame.get(t, set()) - {0}
        if unknown:
            raise SomaNetError(
                f"Frame {t} has the labels {sorted(unknown)}, which no track has. Relabel the movie by its tracks."
            )
        yield labels_YX


class CtcMasks(Sequence[NDArray[np.int32]]):
    """The mask images of a Cell Tracking Challenge folder, read on demand: a sequence of YX int32 labels.

    Args:
        folder: folder with ``mask000.tif`` … (a result) or ``man_track000.tif`` … (a reference).

    Raises:
        SomaNetError: no such images, or a number is missing.
    """

    def __init__(self, folder: Path | str) -> None:
        folder = Path(folder)
        found = {
            int(match[1]): path
            for path in (folder.iterdir() if folder.is_dir() else ())
            if (match := re.fullmatch(rf"(?:mask|man_track)(\d{{1,{_MOST_DIGITS}}})\.tiff?", path.name, re.ASCII))
        }
        if not found or sorted(found) != list(range(len(found))):
            lacking = next((t for t in range(len(found) + 1) if t not in found), 0)
            raise SomaNetError(
                f"{folder}: expected the images mask000.tif, mask001.tif, … of a Cell Tracking Challenge result; "
                f"number {lacking} is missing. Is it the right folder, and complete?"
            )
        self._paths = [found[t] for t in range(len(found))]

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, t):  # type: ignore[no-untyped-def]
        """Frame ``t``."""
        return read_labels(self._paths[t])


def read_ctc(folder: Path | str, calibration: Calibration) -> pd.DataFrame:
    """Read the tracks of a Cell Tracking Challenge folder.

    A track with a single child is one cell that was missed for a while; with several children it divided, and each
    child is a separate cell, with the former as its ``parent_id``.
    ``relabel_movie(CtcMasks(folder), tracks)`` is the label movie of these cells.

    Returns:
        As from :func:`somanet.tracking.linking.link_cells`, without intensities; ``label`` is the value in the mask
        image.

    Raises:
        SomaNetError: a missing or malformed table, or masks that differ from it.
    """
    folder = Path(folder)
    masks = CtcMasks(folder)
    cells = _cells(folder)
    for label, (first, last, *_) in cells.items():
        if not first <= last < len(masks):
            raise SomaNetError(
                f"{folder}: label {label} extends from frame {first} to {last}, but the masks are {len(masks)} frames. "
                "Do they belong to the same result?"
            )
    detections = detect_cells(masks)
    rows = list(zip(detections["frame"].tolist(), detections["label"].tolist(), strict=True))
    listed = {(t, label) for label, (first, last, *_) in cells.items() for t in range(first, last + 1)}
    if wrong := set(rows) ^ listed:
        t, label = min(wrong)
        where = "in the table, not in the image" if (t, label) in listed else "in the image, not in the table"
        raise SomaNetError(f"{folder}: label {label} of frame {t} is {where}. Do they belong to the same result?")
    ids = np.array([cells[label][2] for _, label in rows], np.int64)
    tracks = as_tracks(detections, ids, calibration)
    if mothers := {cell: mother for _, _, cell, mother in cells.values() if mother}:
        tracks[PARENT.name] = tracks["track_id"].map(mothers).astype("Int64")
    return check_tracks(tracks, str(folder))


def cells_of_ctc(folder: Path | str) -> dict[int, int]:
    """Label → the label that identifies the whole cell, of a Cell Tracking Challenge folder's table.

    Raises:
        SomaNetError: a missing or malformed table.
    """
    return {label: cell for label, (_, _, cell, _) in _cells(Path(folder)).items()}


def _cells(folder: Path) -> dict[int, tuple[int, int, int, int]]:
    """Label → first frame, last frame, the label that identifies the whole cell, and that of its mother or 0."""
    path = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    if path is None:
        raise SomaNetError(f"{folder}: expected {' or '.join(TABLES)}, found neither. Is it the right folder?")
    parents: dict[int, tuple[int, int, int]] = {}
    lines = file_text(path, "a table of tracks", TABLE_BYTES).splitlines()
    TABLE_ROWS.check(len(lines), path)
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        whole = len(words) == 4 and all(word.isdecimal() and len(word) <= _MOST_DIGITS for word in words)
        if not whole or int(words[0]) == 0 or int(words[0]) in parents:
            raise SomaNetError(
                f"{path}, line {number}: expected a new label, first frame, last frame and parent, found '{line[:80]}'."
            )
        label, first, last, parent = map(int, words)
        parents[label] = (first, last, parent)
    children = Counter(parent for _, _, parent in parents.values())
    cells: dict[int, tuple[int, int, int, int]] = {}
    for label in sorted(parents, key=lambda name: parents[name][0]):
        first, last, parent = parents[label]
        if parent and (parent not in cells or cells[parent][1] >= first):
            raise SomaNetError(f"{path}: label {label} has the parent {parent}, which does not end before it.")
        alone = parent != 0 and children[parent] == 1
        _, _, cell, mother = cells.get(parent, (0, 0, 0, 0))
        cells[label] = (first, last, cell, mother) if alone else (first, last, label, cell)
    return cells
