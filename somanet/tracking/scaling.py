"""Tracks as a file has them → SomaNet's table, by the physical scale: the one given, or the file's own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import MINUTES_PER_HOUR, Calibration
from somanet.core.errors import SomaNetError
from somanet.core.schema import LARGEST_ID, PARENT
from somanet.core.typed import typed
from somanet.tracking.lineages import without_living_mothers
from somanet.tracking.points import tracks_from_points
from somanet.tracking.raw import (
    DEFAULT_INTERVAL_MIN,
    UNEVEN,
    Given,
    ImageFacts,
    RawTracks,
    TracksFile,
    believed_interval,
    check_same_movie,
)
from somanet.tracking.real_times import OFF_GRID, frame_clock

_ENOUGH_TIMES = 4
"""Fewer times may be those of every second frame by chance."""
WHOLE_PIXELS = "All positions are whole pixels: rounding adds about 0.3 px of error per axis, and so to speeds."
_MANY_POINTS = 50
"""Of so many, some are no whole pixels unless all are."""
_SINCE_A_DATE_H = 8766.0
"""A year: no movie begins so late."""


def to_tracks(raw: RawTracks, given: Given, kind: str, source: str) -> TracksFile:
    """Apply the physical scale: the one given, or else the file's own.

    Raises:
        SomaNetError: the scale or a unit is unknown, the file's own scale or the movie's size is another, or the
            points are invalid (see :func:`somanet.core.schema.check_tracks`).
    """
    timed = "time" in raw.points
    alone = timed and "frame" not in raw.points
    check_same_movie(_without_interval(raw.image) if alone else raw.image, given, source)
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
    if um_per_unit is None and len(points) >= _MANY_POINTS and (points[["y", "x"]] % 1 == 0).all(axis=None):
        notes += (WHOLE_PIXELS,)
    if timed and given.scale.frame_interval_min is None:
        notes += (f"The frame interval of {interval:.4g} min is that of the file's own times.",)
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


def _um_per_unit(raw: RawTracks, given: Given, kind: str, source: str) -> float | None:
    """µm in the unit of the positions; None for pixels."""
    stated = raw.um_per_unit
    if stated is None or not math.isnan(stated):
        return stated
    if given.position_unit is None:
        raise SomaNetError(
            f"{source}: the file ({kind}) does not say whether its positions are pixels or µm. Say it with "
            f"`{typed('tracks', 'convert', source, 'tracks.csv', '--position-unit', 'px')}` (or um) and the scale; "
            "then use tracks.csv."
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
        if not len(late) or np.nanmax(late) <= OFF_GRID:
            return points, ()
        start = np.nanmin(hours - frames * scale.frame_interval_h)
        return points.assign(t_h=hours - start), (UNEVEN,)
    hours_per_unit = raw.hours_per_unit
    if math.isnan(hours_per_unit) and given.time_unit is None and not _consecutive(time):
        raise SomaNetError(
            f"{source}: the file does not say the unit of its times, and they do not count frames one by one. Say it "
            f"with `{typed('tracks', 'convert', source, 'tracks.csv', '--time-unit', 'min')}` (or s, h) and the scale; "
            "then use tracks.csv."
        )
    if math.isnan(hours_per_unit):
        frames = time
    else:
        hours = time * hours_per_unit
        if given.scale.frame_interval_min is None:
            return _with_own_frames(points, hours)
        frames = _in_frames(hours, given, scale, source)
    whole = np.round(frames)
    if (wrong := ~(np.abs(frames - whole) <= OFF_GRID)).any():
        raise SomaNetError(
            f"{source}: its times are not multiples of the frame interval of {scale.frame_interval_min:g} min: "
            f"{time[wrong][0]:g} is frame {frames[wrong][0]:.3g}. Check the interval and the unit of the times."
        )
    if (np.abs(whole) > LARGEST_ID).any():
        raise SomaNetError(f"{source}: expected frames up to {LARGEST_ID}, found others. Check the unit of the times.")
    return points.assign(frame=whole.astype(np.int64)), ()


def _with_own_frames(points: pd.DataFrame, hours: NDArray[np.float64]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The points with the frames that their times tell; with the times themselves where these are uneven."""
    clock = frame_clock(hours)
    assert clock is not None, "else the file has no interval of its own"
    notes: tuple[str, ...] = ()
    start = int(clock.frames.min())
    if hours.min() > _SINCE_A_DATE_H:
        start, notes = 0, ("The file's times are since a date long ago: they were counted from its first one.",)
    points = points.assign(frame=clock.frames - clock.frames.min() + start)
    if clock.even:
        return points, notes
    return points.assign(t_h=hours - hours.min() + start * clock.interval_h), (*notes, UNEVEN)


def _in_frames(hours: NDArray[np.float64], given: Given, scale: Calibration, source: str) -> NDArray[np.float64]:
    """Times as multiples of the frame interval that is given; those that stand for unknown ones as frames."""
    clock = frame_clock(hours)
    own = None if clock is None or not clock.even else clock.interval_h * MINUTES_PER_HOUR
    if own is not None and believed_interval(own) is None:
        return hours * MINUTES_PER_HOUR / DEFAULT_INTERVAL_MIN
    wanted = scale.frame_interval_min
    if own is not None and len(np.unique(hours)) >= _ENOUGH_TIMES and abs(own / wanted - 1) > OFF_GRID:
        whose = "the frame interval given is" if given.n_frames is None else "the movie's frame interval is"
        raise SomaNetError(
            f"{source}: its times are {own:.4g} min apart, {whose} {wanted:g} min. Leave --frame-interval-min out to "
            "go by the times; if the file is wrong, correct the unit of its times."
        )
    return hours / scale.frame_interval_h


def _without_interval(image: ImageFacts) -> ImageFacts:
    return replace(image, scale=replace(image.scale, frame_interval_min=None))


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
