"""The times of a movie's frames in its file: what it states as the interval, and when its planes were taken.

A stated interval is what was asked of the microscope, or what a program wrote by default; the planes' own times are
what happened. Where both exist they are compared.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from somanet.core.calibration import MINUTES_PER_HOUR, FileCalibration

SAME = 0.01
"""Intervals that differ by less than this share are one, rounded."""
IRREGULAR = 0.1
"""A step that differs from the usual one by more than this share makes the frames uneven in time; two intervals that
differ by more contradict each other."""
SLIPPED = 0.5
"""So do steps whose small differences add up to this many intervals."""


@dataclass(frozen=True)
class FrameTimes:
    """When the frames were taken, as far as a file says it.

    Attributes:
        interval_min: from frame to frame; the usual one where they are uneven; None if unknown or in doubt.
        times_h: of every frame since frame 0, where they are uneven; else None.
        problem: why the times cannot be used, as one sentence; empty if they can.
        note: what the reader of results has to know; empty if nothing.
    """

    interval_min: float | None = None
    times_h: tuple[float, ...] | None = None
    problem: str = ""
    note: str = ""

    def calibration(self, pixel_size_um: float | None, pixel_note: str = "") -> FileCalibration:
        """The scale of a file with these times; see :class:`~somanet.core.calibration.FileCalibration`."""
        return FileCalibration(pixel_size_um, self.interval_min, self.times_h, self.problem, self.note, pixel_note)


def frame_times(
    stated_min: Mapping[str, float | None], planes_min: Mapping[int, float], n_frames: int, *, by: str = "DeltaT"
) -> FrameTimes:
    """What a file says about the times of its frames.

    Args:
        stated_min: intervals in minutes by the name of what states them, the most trusted first; None if it does not.
        planes_min: times in minutes by frame, from any moment on; may lack frames.
        n_frames: length of the movie.
        by: name of what gives the planes' times.
    """
    known = {name: minutes for name, minutes in stated_min.items() if minutes is not None}
    problem = next(
        (
            _contradiction(first, known[first], other, known[other])
            for first, other in zip(known, list(known)[1:], strict=False)
            if abs(known[other] - known[first]) > SAME * known[first]
        ),
        "",
    )
    if problem:
        return FrameTimes(problem=problem)
    name, stated = next(iter(known.items()), ("", None))
    frames = sorted(frame for frame in planes_min if 0 <= frame < n_frames)
    minutes = [planes_min[frame] - planes_min[frames[0]] for frame in frames]
    steps = np.diff(minutes) / np.diff(frames) if len(frames) > 1 else np.empty(0)
    if not steps.size or not steps.any():  # programs that know no times write zeros
        return FrameTimes(stated)
    usual = float(statistics.median(steps.tolist()))
    if (steps <= 0).any():
        at = frames[int((steps <= 0).argmax()) + 1]
        return FrameTimes(problem=f"The planes' own times ({by}) do not increase at frame {at}.")
    if stated is not None and abs(usual - stated) > IRREGULAR * stated:
        return FrameTimes(problem=_contradiction(name, stated, f"the planes' own times ({by})", usual))
    slipped = np.abs(np.array(minutes) - (np.array(frames) - frames[0]) * usual).max()
    if np.abs(steps - usual).max() <= IRREGULAR * usual and slipped <= SLIPPED * usual:
        if stated is None or abs(usual - stated) <= SAME * stated:
            return FrameTimes(usual if stated is None else stated)
        note = f"{name} states {stated:.4g} min between frames; by the planes' own times ({by}) it is {usual:.4g} min."
        return FrameTimes(usual, note=f"{note} The latter was used.")
    if len(frames) < n_frames:
        return FrameTimes(
            problem=f"The frames are uneven in time, and the file has the times ({by}) of {len(frames)} of {n_frames}."
        )
    return FrameTimes(usual, tuple(one / MINUTES_PER_HOUR for one in minutes))


def _contradiction(first: str, first_min: float, other: str, other_min: float) -> str:
    return f"The file contradicts itself: {first} says {first_min:.4g} min between frames, {other} {other_min:.4g} min."
