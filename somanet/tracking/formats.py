"""Tracks in any of the formats: recognised by content, read into one table, written by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.files import check_replaced
from somanet.core.schema import TRACKS, check_tracks
from somanet.io.label_movies import write_label_movie
from somanet.tracking.ctc import CtcMasks, complete_labels
from somanet.tracking.deepcell import open_trk, read_trk, write_trk
from somanet.tracking.detections import Labels
from somanet.tracking.exchange import (
    read_ctc,
    write_csv,
    write_ctc,
    write_geff,
    write_napari,
    write_trackmate,
)
from somanet.tracking.geffs import raw_geff
from somanet.tracking.label_tracks import open_label_tiff, read_label_tracks
from somanet.tracking.own_table import OWN, own_table
from somanet.tracking.raw import GIVE_SCALE, Given, ImageFacts, RawTracks, TracksFile, refuse_units
from somanet.tracking.recognition import FORMATS, Recognised, ctc_folder, is_ctc_file, is_geff, recognise
from somanet.tracking.relabel import relabel_movie
from somanet.tracking.scaling import to_tracks
from somanet.tracking.table_formats import CMSO
from somanet.tracking.table_points import raw_package, raw_tracks
from somanet.tracking.trackmate_reading import raw_trackmate

__all__ = [
    "FORMATS",
    "Given",
    "TracksFile",
    "format_by_name",
    "open_masks",
    "open_tracks",
    "read_tracks",
    "recognise",
    "scale_in_file",
    "write_tracks",
]

BY_SUFFIX = {
    ".csv": "csv", ".geff": "geff", ".xml": "trackmate", ".trk": "deepcell", ".tif": "labels", ".tiff": "labels",
    "": "ctc",
}  # fmt: skip
WITH_MASKS = ("ctc", "deepcell", "labels")
"""Formats that consist of masks, and so are written from a label movie."""


_MANY_POINTS = 10
"""Points of which some belong together, if they are of tracks."""


def open_tracks(path: Path | str, given: Given | None = None) -> TracksFile:
    """Read the tracks of any file or folder that :func:`somanet.tracking.recognition.recognise` knows.

    Cells that divide end there, and each daughter is a cell of its own (``parent_id``); where tracks fuse, they end,
    and what follows is a new cell. Depth is projected, with a note.

    Args:
        path: the file or folder.
        given: the physical scale, units, or movie, as far as the user names them. A scale that the file itself has is
            used where none is given, and is checked against one that is.

    Raises:
        SomaNetError: an unknown format or scale, tracks of another movie, or an error of the format's reader.
    """
    given = given or Given()
    found = _open(path, recognise(path), given)
    n_points = len(found.tracks)
    alone = not found.tracks["track_id"].duplicated().any() and found.tracks["frame"].nunique() > 1
    if n_points >= _MANY_POINTS and alone:
        raise SomaNetError(
            f"{path}: expected tracks of several points, found that each of its {n_points} points is a track of its "
            "own. Is the column taken for the tracks that of the points? Name the tracks' own column track_id."
        )
    return found


def _open(path: Path | str, found: Recognised, given: Given) -> TracksFile:
    if found.table is not None and found.kind == OWN:
        return own_table(found.table.sheet, found.table.head, given)
    if found.kind in WITH_MASKS:
        refuse_units(given, found.kind, str(path))
        if found.kind == "labels":
            return read_label_tracks(Path(path), given)
        scale = given.scale
        if scale.pixel_size_um is None or scale.frame_interval_min is None:
            raise SomaNetError(f"{path}: the physical scale of these tracks ({found.kind}) is unknown. {GIVE_SCALE}")
        calibration = Calibration(scale.pixel_size_um, scale.frame_interval_min, scale.times_h)
        if found.kind == "deepcell":
            return read_trk(Path(path), calibration, given)
        masks = CtcMasks(ctc_folder(path))
        image = ImageFacts(len(masks), masks[0].shape)
        return TracksFile(read_ctc(ctc_folder(path), calibration), calibration, "ctc", image)
    return to_tracks(_raw(path, found, given), given, found.kind, str(path))


def _raw(path: Path | str, found: Recognised, given: Given) -> RawTracks:
    if found.table is not None and found.kind == CMSO.kind:
        return raw_package(found.table.sheet, found.table.head, given.time_unit)
    if found.table is not None:
        units = given.position_unit, given.time_unit
        return raw_tracks(found.table.sheet, found.table.head, found.table.format, *units)
    refuse_units(given, found.kind, str(path))
    return raw_geff(path) if found.kind == "geff" else raw_trackmate(path)


@contextmanager
def open_masks(path: Path | str, kind: str, tracks: pd.DataFrame) -> Iterator[Iterable[Labels] | None]:
    """The label images of tracks in a format that consists of them, value = track id; None in another format.

    Args:
        path: the file or folder.
        kind: its format.
        tracks: as :func:`open_tracks` read them.
    """
    if kind == "ctc":
        yield relabel_movie(CtcMasks(ctc_folder(path)), tracks)
    elif kind == "deepcell":
        with open_trk(Path(path)) as trk:
            yield trk.masks
    elif kind == "labels":
        with open_label_tiff(Path(path)) as movie:
            yield movie
    else:
        yield None


def read_tracks(path: Path | str, calibration: Calibration | None) -> pd.DataFrame:
    """Only the table of :func:`open_tracks`: ``schema.TRACKS`` columns, then those that the format keeps.

    Raises:
        SomaNetError: as for :func:`open_tracks`.
    """
    return open_tracks(path, Given.of(calibration)).tracks


def scale_in_file(path: Path | str) -> FileCalibration:
    """The scale that a file of tracks itself has; None where it has none.

    Raises:
        SomaNetError: an unknown format, or as for :func:`open_tracks`.
    """
    found = recognise(path)
    if found.kind in ("ctc", "deepcell"):
        return FileCalibration()
    if found.kind == "labels":
        with open_label_tiff(Path(path)) as movie:
            return movie.file_calibration
    if found.table is not None and found.kind == OWN:
        whole = set(TRACKS.names) <= set(found.table.head.cells)
        return own_table(found.table.sheet, found.table.head, Given()).image.scale if whole else FileCalibration()
    return _raw(path, found, Given()).image.scale


def format_by_name(path: Path | str) -> str:
    """The output format, by the suffix of the path; ``ctc`` for a folder without a suffix.

    Raises:
        SomaNetError: another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in BY_SUFFIX:
        raise SomaNetError(
            f"{path}: expected a file .csv, .xml, .geff, .trk or .tif, or a folder, found the suffix '{suffix}'. "
            f"Rename it, or give the format: {', '.join(FORMATS)}."
        )
    return BY_SUFFIX[suffix]


def write_tracks(
    path: Path | str,
    tracks: pd.DataFrame,
    calibration: Calibration | None,
    *,
    kind: str,
    labels: Iterable[Labels] | None = None,
    shape_YX: tuple[int, int] | None = None,
    n_frames: int | None = None,
    movie: Path | str | None = None,
    frames: Sequence[NDArray[np.generic]] | None = None,
) -> None:
    """Write tracks in one of the formats, atomically.

    Args:
        path: the file, or the folder for ``ctc`` and ``geff``; one of that format is replaced.
        tracks: ``schema.TRACKS`` columns at least.
        calibration: the physical scale, which ``geff`` and ``trackmate`` store.
        kind: one of :data:`FORMATS`.
        labels: for :data:`WITH_MASKS`: YX label images, value = track id, one at a time.
        shape_YX: for ``trackmate``: size of a frame; the smallest that contains all points if None. For ``labels``
            needed.
        n_frames: for ``trackmate``: of the movie; up to the last point if None. For ``labels`` needed.
        movie: for ``trackmate``: the movie that it displays behind the tracks.
        frames: for ``deepcell``: YX images of the movie, which are part of the file.

    Raises:
        SomaNetError: another format, no scale or labels where they are needed, a folder with other files in the way,
            invalid tracks, or the files cannot be written.
    """
    path = Path(path)
    if kind not in FORMATS:
        raise SomaNetError(f"There is no track format '{kind}'; there are {', '.join(FORMATS)}.")
    geff = kind == "geff" and is_geff(path)
    check_replaced(
        path, lambda child: geff or (kind == "ctc" and is_ctc_file(child.name)), what=f"tracks in the format {kind}"
    )
    if kind == "csv":
        write_csv(path, tracks)
    elif kind == "napari":
        write_napari(path, tracks)
    elif kind in WITH_MASKS:
        if labels is None:
            raise SomaNetError(f"{path}: this format ({kind}) includes the masks. Give the label movie with --labels.")
        if kind == "ctc":
            write_ctc(path, labels, tracks)
        elif kind == "deepcell":
            if frames is None:
                raise SomaNetError(f"{path}: DeepCell's format includes the images. Give the movie with --movie.")
            write_trk(path, frames, labels, tracks)
        else:
            _write_label_tiff(path, labels, tracks, calibration, shape_YX, n_frames)
    elif calibration is None:
        raise SomaNetError(f"{path}: this format ({kind}) stores the physical scale. {GIVE_SCALE}")
    elif kind == "geff":
        write_geff(path, tracks, calibration)
    else:
        write_trackmate(path, tracks, calibration, shape_YX=shape_YX, n_frames=n_frames, movie=movie)


def _write_label_tiff(
    path: Path,
    labels: Iterable[Labels],
    tracks: pd.DataFrame,
    calibration: Calibration | None,
    shape_YX: tuple[int, int] | None,
    n_frames: int | None,
) -> None:
    if shape_YX is None or n_frames is None:
        raise SomaNetError(f"{path}: the size of its frames is unknown. Give the movie with --movie.")
    rows = check_tracks(tracks, "The tracks")
    checked = relabel_movie(complete_labels(labels, rows), rows.assign(label=rows["track_id"]))
    largest = int(rows["track_id"].max()) if len(rows) else 0
    scale = calibration or FileCalibration()
    write_label_movie(path, checked, n_frames=n_frames, shape_YX=shape_YX, largest_id=largest, calibration=scale)
