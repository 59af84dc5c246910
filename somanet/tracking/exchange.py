"""Tracks to and from the files of other programs: the names of the formats, and the two kinds of CSV."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from somanet.core.calibration import MINUTES_PER_HOUR, Calibration, FileCalibration, usual_interval_h
from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.core.numbers import to_numbers
from somanet.core.schema import TRACKS, Column, Schema, check_tracks
from somanet.io.sheets import Head, Sheet, typed_table
from somanet.io.tables import write_table
from somanet.tracking.ctc import CtcMasks, read_ctc, write_ctc
from somanet.tracking.geffs import write_geff
from somanet.tracking.points import tracks_from_points
from somanet.tracking.raw import GIVE_SCALE, interval_of, is_default_time
from somanet.tracking.real_times import times_in_table
from somanet.tracking.table_formats import HOURS
from somanet.tracking.table_matching import is_time, plain_name
from somanet.tracking.trackmate import write_trackmate

__all__ = [
    "CtcMasks",
    "read_csv",
    "read_ctc",
    "scale_of_tracks",
    "write_csv",
    "write_ctc",
    "write_geff",
    "write_napari",
    "write_trackmate",
]

ROUNDING_PX = 0.1
"""A table rounded by a spreadsheet still agrees with its pixels; a corrected soma has moved by more."""
ROUNDING_SHARE = 1e-3
SAME_INTERVAL = 0.01
"""Usual intervals of a table and of a movie that differ by less than this share are one, rounded."""

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
    """Write SomaNet's own table of tracks, all columns, nine digits.

    Raises:
        SomaNetError: the tracks are invalid (see :func:`somanet.core.schema.check_tracks`), or the file cannot be
            written.
    """
    write_table(path, check_tracks(tracks, "The tracks"), TRACKS)


def read_csv(sheet: Sheet, head: Head, calibration: FileCalibration | None = None) -> pd.DataFrame:
    """Read SomaNet's own table of tracks, possibly corrected by hand, or a plain table of points in pixels.

    Args:
        sheet, head: a table with ``track_id`` (or ``track``), ``frame``, ``y_px``, ``x_px``, and its header. The
            physical columns ``t_h``, ``y_um`` and ``x_um`` follow from the scale: existing ones are checked, missing
            ones computed. Times of frames that are uneven in time are taken as they are if their usual interval is that
            of the scale.
        calibration: the physical scale; needed only if a physical column is missing.

    Returns:
        ``schema.TRACKS`` columns, then the others, by track and frame.

    Raises:
        SomaNetError: cells that are not numbers, two points of one track in one frame, physical columns that contradict
            the pixels, or no scale where it is needed.
    """
    path, columns = sheet.path, head.cells
    track = "track" if "track" in columns and "track_id" not in columns else "track_id"
    known = [replace(column, name=track) if column.name == "track_id" else column for column in TRACKS.columns]
    schema = Schema(TRACKS.name, tuple(column for column in known if column.name in columns))
    given = calibration or FileCalibration()
    points = typed_table(sheet, head, schema).rename(columns={track: "track_id"})
    points = _times_in_hours(points, given.frame_interval_min, str(path))
    own = scale_of_tracks(points)
    pixel, interval = given.pixel_size_um or own.pixel_size_um, given.frame_interval_min or own.frame_interval_min
    times = given.times_h if given.frame_interval_min is not None else own.times_h
    _check_scale(points, FileCalibration(pixel, interval, times), str(path))
    times = times or own.times_h
    physical = [name for name in TRACKS.names[1:] if name not in columns]
    if not physical:
        return check_tracks(points, str(path))
    if pixel is None or interval is None:
        raise SomaNetError(f"{path} lacks {physical}, which follow from the physical scale. {GIVE_SCALE}")
    return tracks_from_points(points, Calibration(pixel, interval, times), str(path))


def _times_in_hours(points: pd.DataFrame, given_min: float | None, source: str) -> pd.DataFrame:
    """The points with ``t_h`` for a column of times in another unit, such as `t (min)`, if it is the only one.

    The time of the first frame is its number times the interval: programs begin their clocks anywhere. Times of 1 s per
    frame stand for unknown ones.

    Raises:
        SomaNetError: a cell that is no number, or another interval than the one given.
    """
    name = next((column for column in map(str, points.columns) if is_time(column)), None)
    if "t_h" in points or name is None:
        return points
    hours = to_numbers(points[name]) * HOURS[plain_name(name)[1]]
    if hours.isna().any():
        wrong = points[hours.isna()].iloc[0]
        raise SomaNetError(
            f"{source}: expected a number in {name!r}, found {str(wrong[name])[:40]!r} for track {wrong['track_id']} "
            f"in frame {wrong['frame']}. Correct it, or remove the column."
        )
    points = points.drop(columns=name)
    if is_default_time(points["frame"], hours):
        return points
    minutes = interval_of(points["frame"], hours)
    if None not in (minutes, given_min) and not math.isclose(minutes or 0, given_min or 0, rel_tol=SAME_INTERVAL):
        raise SomaNetError(
            f"{source}: its frames are {minutes:g} min apart by the column {name!r}, those given {given_min:g}. Is it "
            "for another movie, or for a part of it, such as every second frame? Give the interval that the file has, "
            "or remove the column."
        )
    begin = points["frame"].min() * (minutes or 0.0) / MINUTES_PER_HOUR
    return points.assign(t_h=hours - hours.min() + begin)


def scale_of_tracks(tracks: pd.DataFrame) -> FileCalibration:
    """The scale of a table of tracks, from the medians of µm per pixel and of hours per frame.

    Args:
        tracks: some or all of the columns of ``schema.TRACKS``.

    Returns:
        The scale to seven digits; None where it cannot be inferred, such as the interval in a table of frame 0 only.
        With the times of the frames where they are uneven.
    """
    times = times_in_table(tracks) if "t_h" in tracks else None
    pixel = _median([tracks[um] / tracks[px] for um, px in (("y_um", "y_px"), ("x_um", "x_px")) if um in tracks])
    hours = _median([tracks["t_h"] / tracks["frame"]] if "t_h" in tracks else [])
    if times is not None:
        hours = usual_interval_h(times)
    return FileCalibration(pixel, None if hours is None else float(f"{hours * MINUTES_PER_HOUR:.7g}"), times)


def _median(ratios: list[pd.Series]) -> float | None:
    values = pd.concat(ratios) if ratios else pd.Series(dtype="float64")
    value = float(values[np.isfinite(values) & (values > 0)].median())
    return float(f"{value:.7g}") if math.isfinite(value) else None


def _check_scale(points: pd.DataFrame, scale: Calibration | FileCalibration, source: str) -> None:
    """Refuse points whose physical columns differ from pixels and frames times the scale by over a tenth of a pixel."""
    interval_h = None if scale.frame_interval_min is None else scale.frame_interval_min / MINUTES_PER_HOUR
    if "t_h" in points and interval_h is not None:
        times = times_in_table(points)
        agrees = times is not None and math.isclose(usual_interval_h(times), interval_h, rel_tol=SAME_INTERVAL)
        if scale.times_h is not None:
            _check_times(points, scale.times_h, source)
        if agrees or scale.times_h is not None:
            interval_h = None
    for column, per, of in (
        ("y_um", scale.pixel_size_um, "y_px"),
        ("x_um", scale.pixel_size_um, "x_px"),
        ("t_h", interval_h, "frame"),
    ):
        if column not in points or per is None:
            continue
        if found := points_off(points, column, of, per):
            raise SomaNetError(
                f"{source}: {found} Is the scale that of another movie, or was only one of the two columns corrected? "
                "Without the columns t_h, y_um and x_um they are recomputed."
            )


def points_off(points: pd.DataFrame, column: str, of: str, per: float) -> str:
    """The first point whose physical value is over a tenth of a pixel off, as a sentence; empty if there is none.

    Args:
        points: with `track_id`, `frame` and both columns.
        column: the physical one.
        of: that in pixels or frames.
        per: the one's units for each of the other's.
    """
    wrong = (points[column] / per - points[of]).abs() > ROUNDING_PX + ROUNDING_SHARE * points[of].abs()
    if not wrong.any():
        return ""
    row = points[wrong].iloc[0]
    return (
        f"track {row['track_id']:.12g} has {column} = {row[column]:g} in frame {row['frame']:.12g}, but {of} = "
        f"{row[of]:g} at {per:.7g} each is {row[of] * per:g} ({wrong.sum()} of {counted(len(points), 'point')} differ)."
    )


def _check_times(points: pd.DataFrame, times_h: tuple[float, ...], source: str) -> None:
    """Refuse points whose time is not that of their frame."""
    known = points[points["frame"].between(0, len(times_h) - 1)]
    expected = np.array(times_h)[known["frame"].to_numpy(np.int64)]
    wrong = np.abs(known["t_h"].to_numpy(float) - expected) > ROUNDING_PX * usual_interval_h(times_h)
    if wrong.any():
        row = known[wrong].iloc[0]
        raise SomaNetError(
            f"{source}: track {row['track_id']:.12g} has t_h = {row['t_h']:g} in frame {row['frame']:.12g}, which was "
            f"taken at {expected[wrong][0]:g} h ({wrong.sum()} of {len(points)} points differ). Are the tracks those "
            "of another movie? Without the column t_h it is recomputed."
        )


def write_napari(path: Path | str, tracks: pd.DataFrame) -> None:
    """Write ``track_id,t,y,x`` in frames and pixels: the data of a napari tracks layer over the unscaled movie.

    Raises:
        SomaNetError: as for :func:`write_csv`.
    """
    tracks = check_tracks(tracks, "The tracks")
    columns = {"track_id": "track_id", "frame": "t", "y_px": "y", "x_px": "x"}
    write_table(path, tracks[list(columns)].rename(columns=columns), NAPARI)
