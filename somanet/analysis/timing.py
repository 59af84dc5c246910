"""When a movie's frames were taken, and which of them show something new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from somanet.core.calibration import LONGEST_STEP, MINUTES_PER_HOUR, Calibration, FileCalibration, usual_interval_min
from somanet.io.frame_times import SAME
from somanet.io.repeated_frames import Repeats

_LISTED = 5


@dataclass(frozen=True)
class Timing:
    """The scale of the frames that are analysed.

    Attributes:
        calibration: with the times of these frames, where they are uneven.
        stored_frames: their numbers in the file, if it repeats frames regularly; None if all frames are analysed.
        repeated_frames: analysed frames that repeat the one before here and there: they show nothing at their time.
        notes: for the reader of the results.
    """

    calibration: Calibration
    stored_frames: tuple[int, ...] | None = None
    repeated_frames: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For `movie.json`."""
        times = self.calibration.times_h
        return {
            "pixel_size_um": self.calibration.pixel_size_um,
            "frame_interval_min": self.calibration.frame_interval_min,
            "times_h": None if times is None else list(times),
            "stored_frames": None if self.stored_frames is None else list(self.stored_frames),
            "repeated_frames": list(self.repeated_frames),
            "time_notes": list(self.notes),
        }


def timing_of(
    calibration: Calibration,
    repeats: Repeats,
    file: FileCalibration,
    *,
    given_min: float | None,
    times_from: str | None,
) -> Timing:
    """The times of the frames that show something new.

    Time runs with the frames of the file: each frame stored twice, 6 min apart, makes frames 12 min apart.

    Args:
        calibration: of all frames of the file.
        repeats: frames that are stored again.
        file: what the file says itself.
        given_min: the frame interval that the caller gave; None if it did not.
        times_from: name of the table of times that the caller gave; None if it did not.
    """
    notes = list(_overruled(file, given_min, times_from))
    if file.time_note and given_min is None and times_from is None:
        notes.append(file.time_note)
    stored, repeated = None, repeats.frames
    if repeats.regular:
        stored, repeated = repeats.distinct, ()
        before, calibration = calibration, _of_frames(calibration, stored)
        notes.append(
            f"{len(repeats.frames)} of {repeats.n_frames} frames repeat the one before, as exports to "
            f"video do: the {len(stored)} others were analysed, and are numbered from 0. The file's frames being "
            f"{before.frame_interval_min:.4g} min apart, these are {calibration.frame_interval_min:.4g} min apart; if "
            "that is wrong, give --frame-interval-min between frames of the file, repeated ones included."
        )
    elif repeated:
        notes.append(
            f"{len(repeated)} of {repeats.n_frames} frames repeat the one before "
            f"({_listed(repeated)}, counted from 0): the camera delivered nothing new. Cells were tracked across them, "
            "and they do not count as observed time."
        )
    if calibration.times_h is not None:
        notes.append(uneven_in_words(calibration, f"in {times_from}" if times_from else "of the file's planes"))
    return Timing(calibration, stored, repeated, tuple(notes))


def _of_frames(calibration: Calibration, frames: Sequence[int]) -> Calibration:
    """The scale of some of the frames."""
    if calibration.times_h is not None:
        times = tuple(calibration.times_h[frame] for frame in frames)
        if len(times) < 2:
            return replace(calibration, times_h=times)
        return Calibration(calibration.pixel_size_um, usual_interval_min(times), times)
    mean = (frames[-1] - frames[0]) / max(len(frames) - 1, 1) or 1.0
    return replace(calibration, frame_interval_min=calibration.frame_interval_min * mean)


INSTEAD = "used instead."
"""Ends a note on a scale that a person gave in place of the file's."""


def _overruled(file: FileCalibration, given_min: float | None, times_from: str | None) -> list[str]:
    """What the file says about its times that the caller's values replace."""
    if given_min is None and times_from is None:
        return []
    winner = f"--times {times_from}" if times_from else f"--frame-interval-min {given_min:g}"
    if file.time_problem:
        return [f"{file.time_problem} The times are those of {winner}."]
    own = file.frame_interval_min
    if own is None or (given_min is not None and file.times_h is None and abs(given_min - own) <= SAME * own):
        return []
    if file.times_h is not None:
        return [f"The file has uneven times, usually {own:.4g} min apart; those of {winner} were {INSTEAD}"]
    return [f"The file says {own:.4g} min between frames; {winner} was {INSTEAD}"] if given_min is not None else []


def uneven_in_words(calibration: Calibration, where: str) -> str:
    """A note on frames that are uneven in time: where the times are from, how uneven they are, and the pauses."""
    steps = np.diff(calibration.times_h or ()) * MINUTES_PER_HOUR
    usual = calibration.frame_interval_min
    text = (
        f"Times are those {where}: usually {usual:.4g} min from frame to frame, {steps.min():.4g} to "
        f"{steps.max():.4g} min."
    )
    pauses = np.flatnonzero(steps > LONGEST_STEP * usual)
    if not pauses.size:
        return text
    after = ", ".join(f"{steps[frame]:.4g} min after frame {frame}" for frame in pauses[:_LISTED])
    more = ", …" if pauses.size > _LISTED else ""
    found = "There is a pause" if pauses.size == 1 else f"There are {pauses.size} pauses"
    return f"{text} {found} ({after}{more}): cells were tracked across, and pauses do not count as observed time."


def _listed(frames: Sequence[int]) -> str:
    return ", ".join(map(str, frames[:8])) + (", …" if len(frames) > 8 else "")
