"""Columns, data types and units of the tables that pass between stages: every stored name is defined here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.core.limits import FRAMES
from somanet.core.numbers import to_numbers

LARGEST_ID = 2**31 - 1
"""Of an object in a label image, and so of a track."""
Dtype = Literal["string", "int64", "Int64", "float64"]
"""``Int64`` is an integer that may be missing; ``float64`` may be NaN; ``string`` may be empty."""


@dataclass(frozen=True)
class Column:
    """One column: its name, data type, unit ("" if it has none) and meaning."""

    name: str
    dtype: Dtype
    unit: str
    meaning: str


@dataclass(frozen=True)
class Schema:
    """A table's name and columns, in the order they are written."""

    name: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(column.name for column in self.columns)

    def part(self, *names: str) -> Schema:
        """The schema of some of its columns, in its order."""
        return Schema(self.name, tuple(column for column in self.columns if column.name in names))

    def frame(self, rows: list[dict[str, object]]) -> pd.DataFrame:
        """A table of rows with this schema's columns, order and data types, even without rows."""
        table = pd.DataFrame(rows, columns=list(self.names))
        return table.astype({column.name: _pandas_dtype(column.dtype) for column in self.columns})


def _pandas_dtype(dtype: Dtype) -> str:
    return "str" if dtype == "string" else dtype


_IDENTITY = (
    Column("name", "string", "", "the image's or movie's id"),
    Column("path", "string", "", "file, relative to the data set"),
    Column("sha256", "string", "", "hash of the file's bytes"),
)
_VERDICT = (
    Column("status", "string", "", "accepted | rejected"),
    Column("reason", "string", "", "why rejected, one of a few fixed words; empty if accepted"),
    Column("note", "string", "", "details, and defects that did not lead to rejection"),
)

MANIFEST = Schema(
    "manifest",
    (
        *_IDENTITY,
        Column("height_px", "Int64", "px", "rows of the image"),
        Column("width_px", "Int64", "px", "columns of the image"),
        Column("channels", "Int64", "", "1 grey, 3 RGB, 4 RGBA"),
        Column("dtype", "string", "", "number type of the pixels"),
        Column("pixel_size_um", "float64", "µm", "scale in the file's metadata; NaN if it has none"),
        Column("n_objects", "Int64", "", "labelled objects; unknown if there are no labels"),
        Column("overlap_px", "Int64", "px", "pixels that more than one mask claims"),
        *_VERDICT,
    ),
)
MOVIE_MANIFEST = Schema(
    "movie manifest",
    (
        *_IDENTITY,
        Column("n_frames", "Int64", "", "time points"),
        Column("height_px", "Int64", "px", "rows of a frame"),
        Column("width_px", "Int64", "px", "columns of a frame"),
        Column("n_channels", "Int64", "", "channels or colours in the file, of which one is read"),
        Column("n_planes", "Int64", "", "focal planes that make a frame"),
        Column("dtype", "string", "", "number type of the pixels"),
        Column("pixel_size_um", "float64", "µm", "scale in the file's metadata; NaN if it has none"),
        Column("frame_interval_min", "float64", "min", "time from frame to frame in the metadata; NaN if none"),
        *_VERDICT,
    ),
)
SPLIT = Schema(
    "split",
    (
        Column("image_id", "string", "", "name of the image in its data set"),
        Column("split", "string", "", "train, val, test, …"),
    ),
)
CROPS = Schema(
    "crops",
    (
        Column("crop", "string", "", "name of the image in its data set"),
        Column("input", "string", "", "movie or image that it was cut out of; empty if unknown"),
        Column("frame", "Int64", "", "frame number from 0; unknown for a still image"),
        Column("y_px", "Int64", "px", "row of its upper edge in that image"),
        Column("x_px", "Int64", "px", "column of its left edge"),
        Column("height_px", "int64", "px", "rows"),
        Column("width_px", "int64", "px", "columns"),
        Column("n_somas", "int64", "", "proposed masks"),
        Column("score", "float64", "", "sum over its places of doubt; NaN if crops were not chosen by doubt"),
        Column("reasons", "string", "", "why it is worth a person's time; empty if crops were not chosen by doubt"),
    ),
)
"""`crops.csv` of proposed crops. Beside labelled images only ``crop`` and ``input`` are required."""
BOXES = Schema(
    "boxes",
    (
        Column("image", "string", "", "name of the image; of a movie's frame, its number"),
        Column("x0_px", "float64", "px", "left edge; a pixel in column 3 spans 3 to 4"),
        Column("y0_px", "float64", "px", "upper edge"),
        Column("x1_px", "float64", "px", "right edge"),
        Column("y1_px", "float64", "px", "lower edge"),
        Column("score", "float64", "", "confidence, from 0 to 1"),
    ),
)
CONFIDENCE = Column(
    "confidence", "float64", "", "probability that it is right, or mean soma probability of its pixels, from 0 to 1"
)
"""Also a column of SomaNet's own tracks: NaN where tracking split or merged the network's objects."""
CONTRAST = Column(
    "contrast", "float64", "", "mean minus that of its surroundings over their spread; NaN if too little is around it"
)
OBJECT = (
    Column("label", "int64", "", "its value in the label image"),
    Column("area_px", "int64", "px²", "pixels"),
    Column("diameter_px", "float64", "px", "of the circle of the same area"),
    Column("y_px", "float64", "px", "row of its centre"),
    Column("x_px", "float64", "px", "column of its centre"),
    CONFIDENCE,
    CONTRAST,
)
_FRAME = "frame number from 0"
OBJECTS = Schema(
    "objects",
    (
        Column("image", "string", "", "name of the label image, without suffix"),
        Column("frame", "Int64", "", f"{_FRAME}; unknown for a still image"),
        *OBJECT,
    ),
)
SOMAS = Schema("somas", (Column("frame", "int64", "", _FRAME), *OBJECT))
TRACKS = Schema(
    "tracks",
    (
        Column("track_id", "int64", "", "the cell; equal to its value in label images"),
        Column("frame", "int64", "", "frame number from 0"),
        Column("t_h", "float64", "h", "time since frame 0"),
        Column("y_px", "float64", "px", "row of the soma's centre"),
        Column("x_px", "float64", "px", "column of the soma's centre"),
        Column("y_um", "float64", "µm", "y_px times the pixel size"),
        Column("x_um", "float64", "µm", "x_px times the pixel size"),
    ),
)
PARENT = Column("parent_id", "Int64", "", "the cell it divided from; empty if it did not")
"""A further column of tracks, where cells divide: each daughter is a cell of its own."""
DRIFT = Schema(
    "drift",
    (
        Column("frame", "int64", "", _FRAME),
        Column("shift_y_px", "float64", "px", "how far the background has moved down since the first frame"),
        Column("shift_x_px", "float64", "px", "how far it has moved right"),
        Column("shift_y_um", "float64", "µm", "shift_y_px times the pixel size"),
        Column("shift_x_um", "float64", "µm", "shift_x_px times the pixel size"),
        Column("error_um", "float64", "µm", "standard error of the shift per axis, added up since the first frame"),
        Column("rotation_deg", "float64", "°", "rotation since the first frame, clockwise as displayed; not removed"),
        Column("rotation_error_deg", "float64", "°", "its standard error"),
        Column("quality", "float64", "", "correlation of the registered backgrounds, 1 at best; NaN if not measured"),
        Column("measured", "int64", "", "1 if the frame was registered; else the shift is that of the frame before"),
        Column("applied", "int64", "", "1 if cells are linked and measured relative to this shift"),
    ),
)
"""The stage, from the images: one row per frame."""
SALTATIONS = Schema(
    "saltations",
    (
        Column("track_id", "int64", "", "the cell"),
        Column("start_h", "float64", "h", "start, since frame 0"),
        Column("end_h", "float64", "h", "end, since frame 0"),
        Column("length_um", "float64", "µm", "net displacement from start to end"),
        Column("speed_um_per_h", "float64", "µm/h", "length over duration"),
    ),
)


def check_columns(df: pd.DataFrame, schema: Schema, source: str) -> None:
    """Refuse a table that lacks columns; additional columns are allowed.

    Args:
        df: the table.
        schema: the expected columns.
        source: where it came from, for the message.

    Raises:
        SomaNetError: naming the missing columns and those found.
    """
    missing = [name for name in schema.names if name not in df.columns]
    if missing:
        found = [str(name) for name in df.columns]
        raise SomaNetError(
            f"{source}: the {schema.name} table lacks {missing}; it has {found}. "
            "Was it written by an older version, or is it another table? The command that wrote it writes it anew."
        )


def check_tracks(tracks: pd.DataFrame, source: str) -> pd.DataFrame:
    """Refuse an impossible table of tracks; otherwise return it sorted by track and frame.

    Args:
        tracks: :data:`TRACKS` columns at least, rows in any order.
        source: where it came from, for messages.

    Raises:
        SomaNetError: missing columns, two points of one track in one frame, ids below 1, frames below 0, a missing or
            infinite position or time, or time that does not increase.
    """
    check_columns(tracks, TRACKS, source)
    twice = tracks.duplicated(["track_id", "frame"])
    if twice.any():
        track, frame = tracks.loc[twice, ["track_id", "frame"]].iloc[0]
        raise SomaNetError(
            f"{source}: track {track:.12g} has two points in frame {frame:.12g}; expected one per frame. Remove one of "
            "them. If it divides there, give each daughter a track id of its own; if the tables of several movies were "
            "joined, give each movie its own."
        )
    if (tracks["track_id"] < 1).any() or (tracks["frame"] < 0).any():
        raise SomaNetError(
            f"{source}: expected track ids from 1 and frames from 0, found {tracks['track_id'].min()} and "
            f"{tracks['frame'].min()}. Are the columns in a different order?"
        )
    FRAMES.check(int(tracks["frame"].max()) + 1 if len(tracks) else 0, source, declared="the table of tracks")
    if (tracks["track_id"] > LARGEST_ID).any():
        raise SomaNetError(
            f"{source}: expected track ids of 1 to {LARGEST_ID}, found {tracks['track_id'].max()}. Number them anew."
        )
    numbers = tracks[["t_h", "y_px", "x_px", "y_um", "x_um"]]
    wrong = ~(numbers.abs() < float("inf")).all(axis=1)
    if wrong.any():
        track, frame = tracks.loc[wrong, ["track_id", "frame"]].iloc[0]
        raise SomaNetError(
            f"{source}: the point of track {track:.12g} in frame {frame:.12g} lacks a position or time. Give it, or "
            "leave the row out: a missing row is a gap."
        )
    if PARENT.name in tracks:
        parents = to_numbers(tracks[PARENT.name])
        known = parents.where(parents.isin(tracks["track_id"]))  # a mother that was deleted has no daughters
        tracks = tracks.assign(**{PARENT.name: known.astype("Int64")})
    ordered = tracks.sort_values(["track_id", "frame"], ignore_index=True)
    still = (ordered["track_id"].diff() == 0) & (ordered["t_h"].diff() <= 0)
    if still.any():
        track, frame = ordered.loc[still, ["track_id", "frame"]].iloc[0]
        raise SomaNetError(
            f"{source}: t_h does not increase with frame within a track (track {track:.12g}, frame {frame:.12g}). It "
            "is the time in hours since frame 0: was the frame interval 0, or are the times from another movie?"
        )
    return ordered
