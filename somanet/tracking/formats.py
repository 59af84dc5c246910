"""Tracks in any of the formats: recognised by content, read into one table, written by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.schema import TRACKS
from somanet.tracking.detections import Labels
from somanet.tracking.exchange import (
    GIVE_SCALE,
    read_csv,
    read_ctc,
    read_geff,
    read_napari,
    read_trackmate,
    scale_of_tracks,
    table_columns,
    write_csv,
    write_ctc,
    write_geff,
    write_napari,
    write_trackmate,
)
from somanet.tracking.recognition import FORMATS, ctc_folder, is_ctc_file, is_geff, recognise

__all__ = ["FORMATS", "format_by_name", "read_tracks", "recognise", "scale_in_file", "write_tracks"]

BY_SUFFIX = {".csv": "csv", ".geff": "geff", ".xml": "trackmate", "": "ctc"}
_READERS = {"napari": read_napari, "geff": read_geff, "trackmate": read_trackmate}


def read_tracks(path: Path | str, calibration: Calibration | None) -> pd.DataFrame:
    """Read the tracks of any file or folder that :func:`recognise` knows.

    Args:
        path: the file or folder.
        calibration: the physical scale. SomaNet's own table contains it, and is checked against this one if given;
            every other format needs it.

    Returns:
        ``schema.TRACKS`` columns, then those specific to the format, by track and frame.

    Raises:
        SomaNetError: an unknown format, no scale, or an error of the format's reader.
    """
    kind = recognise(path)
    if kind == "csv":
        return read_csv(path, calibration)
    if calibration is None:
        raise SomaNetError(f"{path}: the physical scale of these tracks ({kind}) is unknown. {GIVE_SCALE}")
    if kind == "ctc":
        return read_ctc(ctc_folder(path), calibration)
    return _READERS[kind](path, calibration)


def scale_in_file(path: Path | str) -> FileCalibration:
    """The scale of a file of tracks: SomaNet's own table has it in its physical columns; from others none is read.

    Raises:
        SomaNetError: an unknown format, or as for :func:`read_tracks`.
    """
    if recognise(path) != "csv" or not set(TRACKS.names) <= set(table_columns(path)):
        return FileCalibration()
    return scale_of_tracks(read_csv(path))


def format_by_name(path: Path | str) -> str:
    """The output format, by the suffix of the path; ``ctc`` for a folder without a suffix.

    Raises:
        SomaNetError: another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in BY_SUFFIX:
        raise SomaNetError(
            f"{path}: expected a file .csv, .xml or .geff, or a folder, found the suffix '{suffix}'. Rename it, or "
            f"give the format: {', '.join(FORMATS)}."
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
    movie: Path | str | None = None,
) -> None:
    """Write tracks in one of the formats, atomically.

    Args:
        path: the file, or the folder for ``ctc`` and ``geff``; one of that format is replaced.
        tracks: ``schema.TRACKS`` columns at least.
        calibration: the physical scale, which ``geff`` and ``trackmate`` store.
        kind: one of :data:`FORMATS`.
        labels: for ``ctc``: YX label images, value = track id, one at a time.
        shape_YX: for ``trackmate``: size of a frame; the smallest that contains all points if None.
        movie: for ``trackmate``: the movie that it displays behind the tracks.

    Raises:
        SomaNetError: another format, no scale or labels where they are needed, a folder with other files in the way,
            invalid tracks, or the files cannot be written.
    """
    path = Path(path)
    if kind not in FORMATS:
        raise SomaNetError(f"There is no track format '{kind}'; there are {', '.join(FORMATS)}.")
    _check_replaceable(path, kind)
    if kind == "csv":
        write_csv(path, tracks)
    elif kind == "napari":
        write_napari(path, tracks)
    elif kind == "ctc":
        if labels is None:
            raise SomaNetError(
                f"{path}: the Cell Tracking Challenge format includes the masks. Give the label movie with --labels."
            )
        write_ctc(path, labels, tracks)
    elif calibration is None:
        raise SomaNetError(f"{path}: this format ({kind}) stores the physical scale. {GIVE_SCALE}")
    elif kind == "geff":
        write_geff(path, tracks, calibration)
    else:
        write_trackmate(path, tracks, calibration, shape_YX=shape_YX, movie=movie)


def _check_replaceable(path: Path, kind: str) -> None:
    """Refuse to replace a folder that contains anything but tracks of the same format."""
    names = [p.name for p in path.iterdir() if p.name[0] != "."] if path.is_dir() else []
    same = is_geff(path) if kind == "geff" else all(map(is_ctc_file, names))
    if names and not (same and kind in ("ctc", "geff")):
        raise SomaNetError(f"{path} contains other files, which would be replaced. Choose another name.")
