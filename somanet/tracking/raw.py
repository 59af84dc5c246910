"""Tracks as a file of another program has them, and their conversion to SomaNet's table by the physical scale."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import MINUTES_PER_HOUR, Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.schema import LARGEST_ID, PARENT
from somanet.tracking.lineages import without_living_mothers
from somanet.tracking.points import tracks_from_points

GIVE_SCALE = (
    "Give it: --pixel-size-um and --frame-interval-min, or, to `tracks convert` and `tracks score`, --movie MOVIE."
)
UNEVEN = "Frames are not equally far apart in time: the file's own times were used (t_h)."
DEFAULT_INTERVAL_MIN = 1 / 60
"""1 s per frame: what Fiji and TrackMate say of a movie whose frame interval nobody set."""
_SAME = 1e-3
"""Relative difference up to which two scales are one: programs round them."""
_OFF_GRID = 0.1
"""Of a frame: nearer to their frame than this, times are multiples of the frame interval."""


@dataclass(frozen=True)
class ImageFacts:
    """What a file of tracks says of the movie that they were made from; None where it does not.

    Attributes:
        n_frames: of the movie.
        shape_YX: of a frame.
        scale: of the movie.
    """

    n_frames: int | None = None
    shape_YX: tuple[int, int] | None = None
    scale: FileCalibration = field(default_factory=FileCalibration)


@dataclass(frozen=True)
class Given:
    """What the user says of a file of tracks, or the movie that the tracks are to be laid over.

    Attributes:
        scale: of the movie.
        position_unit: ``px`` or ``um``: of the positions in a file that does not state it.
        time_unit: ``frame``, ``s``, ``min`` or ``h``: of its times.
        n_frames, shape_YX: of the movie; None if there is none.
    """

    scale: FileCalibration = field(default_factory=FileCalibration)
    position_unit: str | None = None
    time_unit: str | None = None
    n_frames: int | None = None
    shape_YX: tuple[int, int] | None = None

    @classmethod
    def of(cls, scale: Calibration | None) -> Given:
        """Nothing but a scale."""
        if scale is None:
            return cls()
        return cls(FileCalibration(scale.pixel_size_um, scale.frame_interval_min, scale.times_h))


@dataclass(frozen=True)
class RawTracks:
    """Tracks before the physical scale is applied.

    Attributes:
        points: ``track_id`` (from 0 or 1), ``frame`` (from 0) or ``time`` or both, ``y``, ``x``; further, if there,
            ``z``, ``parent_id``, and columns that are kept.
        um_per_unit: µm in the unit of ``y`` and ``x``; None for pixels, NaN if unknown.
        hours_per_unit: hours in the unit of ``time``; NaN if unknown.
        image: what the file says of the movie.
        notes: for the reader of the results.
        relative: whether positions are relative to where each cell was first seen.
    """

    points: pd.DataFrame
    um_per_unit: float | None
    hours_per_unit: float = math.nan
    image: ImageFacts = field(default_factory=ImageFacts)
    notes: tuple[str, ...] = ()
    relative: bool = False


@dataclass(frozen=True)
class TracksFile:
    """The tracks of a file.

    Attributes:
        tracks: ``schema.TRACKS`` columns, and ``parent_id`` if cells divide, then those that the format keeps.
        scale: the physical scale.
        kind: the format.
        image: what the file says of the movie.
        notes: for the reader of the results.
        relative: whether positions are relative to where each cell was first seen, and not to the image.
    """

    tracks: pd.DataFrame
    scale: Calibration
    kind: str
    image: ImageFacts = field(default_factory=ImageFacts)
    notes: tuple[str, ...] = ()
    relative: bool = False


def to_tracks(raw: RawTracks, given: Given, kind: str, source: str) -> TracksFile:
    """Apply the physical scale: the one given, or else the file's own.

    Raises:
        SomaNetError: the scale or a unit is unknown, the file's own scale or the movie's size is another, or the
            points are invalid (see :func:`somanet.core.schema.check_tracks`).
    """
    check_same_movie(raw.image, given, source)
    um_per_unit = _um_per_unit(raw, given, kind, source)
    own = raw.image.scale
    pixel = given.scale.pixel_size_um or own.pixel_size_um
    interval = given.scale.frame_interval_min or own.frame_interval_min
    if pixel is None or interval is None:
        lacking = {"pixel size": (pixel, "--pixel-size-um"), "frame interval": (interval, "--frame-interval-min")}
        unknown = {name: option for name, (value, option) in lacking.items() if value is None}
        raise SomaNetError(
            f"{source}: the {' and the '.join(unknown)} of these tracks ({kind}) is unknown, and the physical scale is "
            f"needed. Give {' and '.join(unknown.values())}."
        )
    scale = Calibration(pixel, interval, given.scale.times_h)
    points, notes = _with_frames(raw, given, scale, source)
    factor = 1.0 if um_per_unit is None else um_per_unit / pixel
    points = points.assign(y_px=points["y"] * factor, x_px=points["x"] * factor).drop(columns=["y", "x"])
    if "z" in points:
        notes += tuple(_note_on_depth(points["z"]))
        points = points.drop(columns="z")
    real_h = points.pop("t_h") if "t_h" in points else None
    tracks = tracks_from_points(points, scale, source, real_h=real_h)
    tracks, on_mothers = without_living_mothers(tracks)
    notes += on_mothers
    if PARENT.name in tracks and tracks[PARENT.name].isna().all():
        tracks = tracks.drop(columns=PARENT.name)
    return TracksFile(tracks, scale, kind, raw.image, (*raw.notes, *notes), raw.relative)


def refuse_units(given: Given, kind: str, source: str) -> None:
    """Refuse units that the user gives for a format that has its own.

    Raises:
        SomaNetError: naming the option.
    """
    for option, value in (("--position-unit", given.position_unit), ("--time-unit", given.time_unit)):
        if value is not None:
            raise SomaNetError(
                f"{source}: this format ({kind}) has its own units, and needs no {option}. Leave it out."
            )


def check_same_movie(image: ImageFacts, given: Given, source: str) -> None:
    """Refuse tracks of another movie, or of a part of it: by number and size of frames, and the scale.

    Raises:
        SomaNetError: naming all that differs.
    """
    differs = []
    for what, unit, own, other in (
        ("its pixels are", "µm wide", image.scale.pixel_size_um, given.scale.pixel_size_um),
        ("its frames are", "min apart", image.scale.frame_interval_min, given.scale.frame_interval_min),
    ):
        if own is not None and other is not None and not math.isclose(own, other, rel_tol=_SAME):
            whose = "those given" if given.n_frames is None else "the movie's"
            differs.append(f"{what} {own:g} {unit}, {whose} {other:g}")
    if None not in (image.n_frames, given.n_frames) and image.n_frames != given.n_frames:
        differs.append(f"it is of {image.n_frames} frames, the movie of {given.n_frames}")
    if None not in (image.shape_YX, given.shape_YX) and image.shape_YX != given.shape_YX:
        (h, w), (height, width) = image.shape_YX or (0, 0), given.shape_YX or (0, 0)
        differs.append(f"its frames are {h} × {w} px, the movie's {height} × {width}")
    if differs:
        raise SomaNetError(
            f"{source}: {'; '.join(differs)}. Is it for another movie, or for a part of it, such as every second "
            "frame? Give the movie that the tracks were made from, and the scale that the file has, or none."
        )


def _um_per_unit(raw: RawTracks, given: Given, kind: str, source: str) -> float | None:
    """µm in the unit of the positions; None for pixels."""
    stated = raw.um_per_unit
    if stated is None or not math.isnan(stated):
        return stated
    if given.position_unit is None:
        raise SomaNetError(
            f"{source}: the file ({kind}) does not say whether its positions are pixels or µm. Say it with "
            f"`somanet tracks convert {source} tracks.csv --position-unit px` (or um) and the scale; then use "
            "tracks.csv."
        )
    return None if given.position_unit == "px" else 1.0


def _with_frames(raw: RawTracks, given: Given, scale: Calibration, source: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The points with frames, and with ``t_h`` for ``time`` where the times are no multiples of the interval."""
    points = raw.points
    if "time" not in points:
        return points, ()
    time = points["time"].to_numpy(float)
    points = points.drop(columns="time")
    if "frame" in points:
        if math.isnan(raw.hours_per_unit) or scale.times_h is not None:
            return points, ()
        hours = time * raw.hours_per_unit
        frames = points["frame"].to_numpy(float)
        offset = np.median(hours - frames * scale.frame_interval_h)
        late = np.abs(hours - offset - frames * scale.frame_interval_h) / scale.frame_interval_h
        if not len(late) or np.nanmax(late) <= _OFF_GRID:
            return points, ()
        start = np.nanmin(hours - frames * scale.frame_interval_h)
        return points.assign(t_h=hours - start), (UNEVEN,)
    frames, hours_per_unit = time, raw.hours_per_unit
    if math.isnan(hours_per_unit):
        if given.time_unit is None and not _consecutive(time):
            raise SomaNetError(
                f"{source}: the file does not say the unit of its times, and they do not count frames one by one. Say "
                f"it with `somanet tracks convert {source} tracks.csv --time-unit min` (or s, h) and the scale; then "
                "use tracks.csv."
            )
        hours_per_unit = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0}.get(given.time_unit or "", math.nan)
    if not math.isnan(hours_per_unit):
        frames = time * hours_per_unit / scale.frame_interval_h
    whole = np.round(frames)
    if (wrong := ~(np.abs(frames - whole) <= _OFF_GRID)).any():
        raise SomaNetError(
            f"{source}: its times are not multiples of the frame interval of {scale.frame_interval_min:g} min: "
            f"{time[wrong][0]:g} is frame {frames[wrong][0]:.3g}. Check the interval and the unit of the times."
        )
    if (np.abs(whole) > LARGEST_ID).any():
        raise SomaNetError(f"{source}: expected frames up to {LARGEST_ID}, found others. Check the unit of the times.")
    return points.assign(frame=whole.astype(np.int64)), ()


def _consecutive(times: NDArray[np.float64]) -> bool:
    """Whether times are numbers of frames: whole, and not all multiples of a larger number."""
    if not (times % 1 == 0).all() or (np.abs(times) > LARGEST_ID).any():
        return False
    steps = np.diff(np.unique(times.astype(np.int64)))
    return bool(len(steps) == 0 or np.gcd.reduce(steps) == 1)


def _note_on_depth(depth: pd.Series) -> Iterator[str]:
    low, high = float(depth.min()), float(depth.max())
    if high > low:
        yield (
            f"Positions differ in z ({low:.4g} to {high:.4g}): the tracks were projected onto the plane of the image, "
            "and speeds are those in it."
        )


def believed_interval(minutes: float | None) -> float | None:
    """A frame interval as a file states it; None for 1 s, which stands for an unknown one."""
    if minutes is None or not math.isfinite(minutes) or minutes <= 0:
        return None
    return None if math.isclose(minutes, DEFAULT_INTERVAL_MIN, rel_tol=1e-6) else minutes


def is_default_time(frames: pd.Series, hours: pd.Series) -> bool:
    """Whether times are frames at 1 s each, and so stand for unknown ones."""
    late = hours * MINUTES_PER_HOUR - frames * DEFAULT_INTERVAL_MIN
    return bool(len(late)) and bool((late - late.median()).abs().max() <= _SAME * DEFAULT_INTERVAL_MIN)


def notes_on_first_frame(frames: pd.Series) -> list[str]:
    """A note on tracks that begin in frame 1: programs count from 0 or from 1, and a file does not say which."""
    if not len(frames) or frames.min() != 1:
        return []
    return ["No track is in frame 0: frames were taken to count from 0. If the file's count from 1, subtract 1."]


def interval_of(frames: pd.Series, hours: pd.Series) -> float | None:
    """Minutes per frame, by the median step of the times of successive frames; None if it cannot be told."""
    times = pd.DataFrame({"frame": frames, "hours": hours}).dropna().groupby("frame")["hours"].median()
    if len(times) < 2:
        return None
    steps = np.diff(times.to_numpy(float)) / np.diff(times.index.to_numpy(float))
    minutes = float(np.median(steps)) * MINUTES_PER_HOUR
    return float(f"{minutes:.7g}") if math.isfinite(minutes) and minutes > 0 else None
