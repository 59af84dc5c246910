"""Tracks as a file of another program has them, and their conversion to SomaNet's table by the physical scale."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from somanet.core.calibration import MINUTES_PER_HOUR, Calibration, FileCalibration
from somanet.core.errors import SomaNetError

GIVE_SCALE = (
    "Give it: --pixel-size-um and --frame-interval-min, or, to `tracks convert` and `tracks score`, --movie MOVIE."
)
UNEVEN = "Frames are not equally far apart in time: the file's own times were used (t_h)."
DEFAULT_INTERVAL_MIN = 1 / 60
"""1 s per frame: what Fiji and TrackMate say of a movie whose frame interval nobody set."""
_SAME = 1e-3
"""Relative difference up to which two scales are one: programs round them."""


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
