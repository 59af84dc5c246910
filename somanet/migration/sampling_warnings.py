"""Warnings in words, of what frame interval, track length and number of events cannot support."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from somanet.migration.pooling import long_enough
from somanet.migration.sampling import true_jumps

LONGEST_INTERVAL_H = 10 / 60
FEWEST_EVENTS = 20
MOST_PIECES = 0.1
"""Times that noise interrupts the average saltation, from which on their number is not right."""


def interruptions(cells: pd.DataFrame, cut: float) -> float:
    """How often noise takes a step within the average saltation below the threshold, and so ends it early.

    Jumps of the speed v, in µm per frame, show steps of v ± √2σ; with the threshold u = cut · v, one is below it with
    the chance Φ((u - v)/(√2σ)). That jumps are hardly faster than the threshold does no harm where noise is small.

    Args:
        cells: :data:`somanet.migration.tables.MIGRATION`.
        cut: share of a step that a jump may fill unseen, of :class:`somanet.migration.sampling.Jumps`.
    """
    n = cells["n_complete"].to_numpy(float)
    if not n.sum() or cut <= 0:
        return 0.0
    threshold = float(np.average(cells["mobile_step_um"].fillna(0.0), weights=n))
    error = float(np.sqrt(2 * np.average(cells["noise_um"].fillna(0.0) ** 2, weights=n)))
    inner = max(float((cells["complete_h"] / cells["frame_interval_h"]).fillna(0.0).sum()) / n.sum() - 2, 0.0)
    if not error > 0:
        return 0.0
    return inner * float(stats.norm.cdf((threshold - threshold / cut) / error))


def sampling_warnings(cells: pd.DataFrame) -> tuple[str, ...]:
    """What frame interval, track length and number of events cannot support, in words."""
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
        warnings.append(f"{n_short} of {len(cells)} cells are seen for less than 4 h and 12 frames and are left out.")
    if used.empty:
        warnings.append("No cell is seen long enough: there are no numbers.")
        return tuple(warnings)
    complete, started = int(used["n_complete"].sum()), int(used["n_saltations"].sum())
    if complete < FEWEST_EVENTS:
        warnings.append(
            f"Only {complete} complete saltations: below {FEWEST_EVENTS}, lengths, speeds and pauses are rough."
        )
    elif complete < 0.7 * started:
        warnings.append(
            f"Only {complete} of {started} saltations are seen to their end: short tracks lose the long ones, so "
            "lengths are too small."
        )
    jumps = true_jumps(used, np.ones((1, len(used))))
    if started and np.isnan(jumps.started).any():
        warnings.append("Pauses are hardly longer than the frame interval: the frequency cannot be corrected.")
    elif interruptions(used, float(jumps.cut[0])) > MOST_PIECES:
        warnings.append(
            "Jumps are hardly faster than the speed that noise allows to see: they are found in pieces, too many and "
            "too short. Use a longer frame interval, a sharper image or the model."
        )
    return tuple(warnings)
