"""A table of the times of a movie's frames that a person or a microscope's log gives."""

from __future__ import annotations

import math
from pathlib import Path

from somanet.core.calibration import MINUTES_PER_HOUR
from somanet.core.errors import SomaNetError
from somanet.core.schema import Column, Schema
from somanet.io.spreadsheets import read_spreadsheet

PER_HOUR = {"t_h": 1.0, "t_min": MINUTES_PER_HOUR}
"""The columns that may hold the times, and how many of their units make an hour."""
TIMES = Schema("times", (Column("frame", "int64", "", "frame number from 0"),))


def read_times(path: Path, n_frames: int) -> tuple[float, ...]:
    """Read the times of all frames of a movie from a table with the columns `frame` and `t_h` or `t_min`.

    Args:
        path: a CSV file, or text separated by semicolons or tabs; one row per frame, in any order.
        n_frames: length of the movie.

    Returns:
        Hours since frame 0, whatever time the table starts at.

    Raises:
        SomaNetError: other columns, a cell that is not a number, a frame that is missing, twice or not in the movie, or
            times that do not increase.
    """
    table = read_spreadsheet(path, TIMES)
    columns = [str(name) for name in table.columns]
    unit = next((name for name in PER_HOUR if name in columns), None)
    if unit is None or len(columns) != 2:
        raise SomaNetError(
            f"{path}: expected two columns, frame and t_h (hours) or t_min (minutes), found {columns}. Name the unit "
            "of the times in the heading and remove other columns."
        )
    times: dict[int, float] = {}
    line_of: dict[int, int] = {}
    for line, named, value in table[["frame", unit]].itertuples():
        frame, hours = _frame(path, line, named), _number(path, line, value, unit) / PER_HOUR[unit]
        if frame in times:
            raise SomaNetError(f"{path}, line {line}: frame {frame} has a time on line {line_of[frame]} already.")
        times[frame], line_of[frame] = hours, line
    if sorted(times) != list(range(n_frames)):
        raise SomaNetError(f"{path}: {_mismatch(times, n_frames)}")
    for frame in range(1, n_frames):
        if times[frame] <= times[frame - 1]:
            raise SomaNetError(
                f"{path}, line {line_of[frame]}: frame {frame} is at {times[frame] * PER_HOUR[unit]:.12g} in {unit}, "
                f"no later than frame {frame - 1}. Times must increase; do they start again after a pause?"
            )
    return tuple(times[frame] - times[0] for frame in range(n_frames))


def _mismatch(times: dict[int, float], n_frames: int) -> str:
    wanted = f"expected one row for each frame from 0 to {n_frames - 1} of the movie, found {len(times)} rows"
    if sorted(times) == list(range(1, n_frames + 1)):
        return f"{wanted} that count from 1. Count frames from 0."
    if missing := sorted(set(range(n_frames)) - set(times)):
        return f"{wanted}; frame {missing[0]} is missing. Give the time of every frame."
    return f"{wanted}; frame {max(times)} is not in the movie. Are the times those of another movie?"


def _frame(path: Path, line: int, text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise SomaNetError(f"{path}, line {line}: expected a frame number from 0, found {text[:80]!r}. Correct it.")
    return int(text[:12])


def _number(path: Path, line: int, text: str, unit: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        hint = " Write decimals with a point." if "," in text else " Correct it."
        raise SomaNetError(f"{path}, line {line}: expected a number in '{unit}', found {text[:80]!r}.{hint}")
    return value
