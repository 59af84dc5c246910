"""Tracks to and from the files of other programs: one name per format, and the two kinds of CSV."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from somanet.calibration import Calibration
from somanet.io.tables import read_table, write_table
from somanet.schema import TRACKS, Column, Schema
from somanet.tracking.ctc import CtcMasks, read_ctc, write_ctc
from somanet.tracking.geffs import read_geff, write_geff
from somanet.tracking.points import check_tracks, tracks_from_points
from somanet.tracking.trackmate import read_trackmate, write_trackmate

__all__ = [
    "CtcMasks",
    "read_csv",
    "read_ctc",
    "read_geff",
    "read_napari",
    "read_trackmate",
    "write_csv",
    "write_ctc",
    "write_geff",
    "write_napari",
    "write_trackmate",
]

NAPARI = Schema(
    "napari tracks",
    (
        Column("track_id", "int64", "", "the cell"),
        Column("t", "int64", "", "frame number from 0"),
        Column("y", "float64", "px", "row"),
        Column("x", "float64", "px", "column"),
    ),
)


def write_csv(path: Path | str, tracks: pd.DataFrame) -> None:
    """Write our own table of tracks, all columns, nine digits.

    Raises:
        SomaNetError: the tracks make no sense (see :func:`somanet.tracking.points.check_tracks`), or the disk refuses.
    """
    write_table(path, check_tracks(tracks, "The tracks"), TRACKS)


def read_csv(path: Path | str) -> pd.DataFrame:
    """Read our own table of tracks, perhaps corrected by hand.

    Raises:
        SomaNetError: missing file or columns, cells that are no numbers, two points of one track in one frame.
    """
    return check_tracks(read_table(path, TRACKS), str(path))


def write_napari(path: Path | str, tracks: pd.DataFrame) -> None:
    """Write ``track_id,t,y,x`` in frames and pixels: the data of a napari tracks layer, over the movie as it is.

    Raises:
        SomaNetError: as :func:`write_csv`.
    """
    tracks = check_tracks(tracks, "The tracks")
    columns = {"track_id": "track_id", "frame": "t", "y_px": "y", "x_px": "x"}
    write_table(path, tracks[list(columns)].rename(columns=columns), NAPARI)


def read_napari(path: Path | str, calibration: Calibration) -> pd.DataFrame:
    """Read ``track_id,t,y,x`` in frames and pixels; further columns are kept.

    Raises:
        SomaNetError: as :func:`read_csv`.
    """
    points = read_table(path, NAPARI).rename(columns={"t": "frame", "y": "y_px", "x": "x_px"})
    return tracks_from_points(points, calibration, str(path))
