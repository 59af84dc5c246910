"""Warnings in words, of what frame interval, track length and number of events cannot support."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from somanet.core.counting import counted
from somanet.migration.pooling import long_enough
from somanet.migration.saltation import LEAST_FRAMES, LEAST_HOURS
from somanet.migration.sampling import true_jumps

LONGEST_INTERVAL_H = 10 / 60
FEWEST_EVENTS = 20
LEAST_CUT = 0.45
"""Share of a step that a jump may fill unseen, from which on the threshold is near the jumps' own speed."""
MOST_LONE = 0.1
"""Pauses of one step beyond those of two, over all: those that noise makes within a jump."""


def seen_long_enough(rules: Collection[float | None] = (None,)) -> str:
    """For how long a cell has to be seen to be measured, in words: "for 4 h or in 12 frames".

    Args:
        rules: the ``min_track_h`` of each movie; None is the usual rule.
    """
    return " or, by their movie's setting, ".join(
        f"for {LEAST_HOURS:g} h or in {LEAST_FRAMES} frames"
        if hours is None
        else f"for {hours:g} h (migrate.min_track_h)"
        for hours in _sorted(rules)
    )


def seen_too_briefly(rules: Collection[float | None] = (None,)) -> str:
    """For how long cells are seen that are left out, in words: "for less than 4 h and in fewer than 12 frames".

    Args:
        rules: as in :func:`seen_long_enough`.
    """
    return " or, by their movie's setting, ".join(
        f"for less than {LEAST_HOURS:g} h and in fewer than {LEAST_FRAMES} frames"
        if hours is None
        else f"for less than {hours:g} h (migrate.min_track_h)"
        for hours in _sorted(rules)
    )


def _sorted(rules: Collection[float | None]) -> list[float | None]:
    """Each once, the usual one first."""
    return sorted(set(rules), key=lambda hours: -1.0 if hours is None else hours)


@dataclass(frozen=True)
class Pieces:
    """Whether noise cuts jumps into pieces: they are near the threshold, and far more pauses last one step than two.

    Pauses of one step and of two are about as common where cells make them; noise takes single steps of a jump below
    the threshold. That jumps are hardly faster than it does no harm alone.

    Attributes:
        one, two: complete pauses of one frame interval and of two.
        over_limit: how many more of one there are, over how many more there may be: above 1 jumps are in pieces, and
            what is counted are these. 0 where jumps are clear of the threshold, or pauses too few to tell.
    """

    one: int
    two: int
    over_limit: float

    @classmethod
    def of(cls, cells: pd.DataFrame, pauses: pd.DataFrame, interval_h: float) -> Pieces:
        """Those of one movie.

        Args:
            cells: :data:`somanet.migration.tables.MIGRATION` of one movie.
            pauses: of its saltations.
            interval_h: between frames.
        """
        used, complete = long_enough(cells), pauses[pauses["censored"] == ""]
        steps = np.round(complete["duration_h"].to_numpy(float) / interval_h)
        one, two = int((steps == 1).sum()), int((steps == 2).sum())
        if len(complete) < FEWEST_EVENTS or not len(used):
            return cls(one, two, 0.0)
        near = float(true_jumps(used, np.ones((1, len(used)))).cut[0]) > LEAST_CUT
        may_be = max(MOST_LONE * len(complete), 2 * math.sqrt(one + two))
        return cls(one, two, (one - two) / may_be if near else 0.0)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line, where jumps are in pieces."""
        if self.over_limit <= 1:
            return ()
        warning = (
            "Jumps are hardly faster than the speed that noise allows to see: they are found in pieces, too many and "
            f"too short ({counted(self.one, 'pause')} of one frame interval, {self.two} of two). Use a longer frame "
            "interval, a sharper image or the model."
        )
        return (warning,)


def sampling_warnings(cells: pd.DataFrame, rules: Collection[float | None] = (None,)) -> tuple[str, ...]:
    """What frame interval, track length and number of events cannot support, in words.

    Args:
        cells: :data:`somanet.migration.tables.MIGRATION`.
        rules: as in :func:`seen_long_enough`.
    """
    used = long_enough(cells)
    warnings = []
    longest = cells["frame_interval_h"].max()
    if longest > LONGEST_INTERVAL_H * 1.001:
        warnings.append(
            f"Frames are up to {longest * 60:.3g} min apart: above 10 min neighbouring saltations run together, "
            "so that they look fewer, longer and slower. Where saltations are supported, prefer the corrected "
            "frequency and length; compare only movies of one frame interval."
        )
    n_short = len(cells) - len(used)
    if n_short:
        is_seen, is_left = ("is seen", "is left") if n_short == 1 else ("are seen", "are left")
        warnings.append(
            f"{n_short} of {counted(len(cells), 'cell')} {is_seen} {seen_too_briefly(rules)}, and {is_left} out."
        )
    if used.empty:
        warnings.append(
            "No cell is seen long enough: frequency, lengths, pauses, speeds and directions of cells are not "
            "estimated. What is said of single steps (at rest, creeping, running) is of all cells, however briefly "
            "they are seen."
        )
        return tuple(warnings)
    complete, started = int(used["n_complete"].sum()), int(used["n_saltations"].sum())
    if complete < FEWEST_EVENTS:
        warnings.append(
            f"Only {counted(complete, 'complete saltation')}: below {FEWEST_EVENTS}, lengths, speeds and pauses are "
            "rough."
        )
    elif complete < 0.7 * started:
        warnings.append(
            f"Only {complete} of {started} saltations are seen to their end: short tracks lose the long ones, so "
            "lengths are too small."
        )
    jumps = true_jumps(used, np.ones((1, len(used))))
    if started and np.isnan(jumps.started).any():
        warnings.append("Pauses are hardly longer than the frame interval: the frequency cannot be corrected.")
    return tuple(warnings)
