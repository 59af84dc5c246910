"""The numbers of a set of cells: what there is, in which unit, why one may be undefined, and all of them at once."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from somanet.core.schema import check_columns
from somanet.migration.direction import direction_numbers
from somanet.migration.kinematics import Floats, over
from somanet.migration.requirements import counted_apart, counting, unsupported
from somanet.migration.sampling import true_jumps
from somanet.migration.tables import MIGRATION
from somanet.migration.travel import hourly_problem, travel_numbers

UNITS = {
    "frequency_per_h": "1/h",
    "frequency_corrected_per_h": "1/h",
    "mean_length_um": "µm",
    "mean_length_corrected_um": "µm",
    "mean_duration_h": "h",
    "mobile_speed_um_per_h": "µm/h",
    "mobile_speed_corrected_um_per_h": "µm/h",
    "mean_pause_h": "h",
    "mean_pause_corrected_h": "h",
    "pause_fraction": "",
    "pause_fraction_corrected": "",
    "average_speed_um_per_h": "µm/h",
    "average_speed_corrected_um_per_h": "µm/h",
    "rms_speed_1h_um_per_h": "µm/h",
    "straightness": "",
    "straightness_corrected": "",
    "velocity_along_um_per_h": "µm/h",
    "velocity_across_um_per_h": "µm/h",
    "mean_cosine": "",
    "resultant": "",
    "resultant_corrected": "",
    "mean_direction_deg": "°",
    "mean_turn_deg": "°",
    "saltating_share": "",
}
"""The numbers of a summary, in order, and their units."""
NOT_SEEN: Mapping[str, str] = {
    **dict.fromkeys(UNITS, "no cell is observed long enough"),
    "frequency_corrected_per_h": "pauses are hardly longer than the frame interval, or no time is observed",
    "mean_length_um": "no saltation is seen from start to end",
    "mean_length_corrected_um": "no saltation is seen from start to end, or pauses are shorter than frames",
    "mean_duration_h": "no saltation is seen from start to end",
    "mobile_speed_um_per_h": "no saltation is seen from start to end",
    "mobile_speed_corrected_um_per_h": "no saltation is seen from start to end, or it is lost in noise",
    "mean_pause_h": "no saltation is seen",
    "mean_pause_corrected_h": "no saltation is seen from start to end, or pauses are hardly longer than frames",
    "pause_fraction_corrected": "no saltation is seen from start to end, or pauses are hardly longer than frames",
    "rms_speed_1h_um_per_h": "no cell moves further than noise in an hour",
    "straightness": "no cell moves",
    "straightness_corrected": "no saltation is seen",
    "mean_cosine": "no cell moves further than noise",
    "resultant": "no cell moves further than noise",
    "resultant_corrected": "fewer than two cells move further than noise",
    "mean_direction_deg": "no cell moves further than noise",
    "mean_turn_deg": "no cell makes two saltations in a row",
}
"""Why a number is undefined."""


def why_undefined(name: str, cells: pd.DataFrame) -> str:
    """Why a number of :data:`UNITS` is undefined for the cells that count in it, in words."""
    if not len(cells):
        return "no cell is observed long enough"
    return (hourly_problem(cells) if name == "rms_speed_1h_um_per_h" else "") or NOT_SEEN[name]


def pooled_numbers(cells: pd.DataFrame, weights: Floats) -> dict[str, Floats]:
    """The numbers of :data:`UNITS` of weighted cells: ratios of sums, so that long tracks count for their length.

    The corrected ones are those of :func:`somanet.migration.sampling.true_jumps`, what frames hide undone. Where some
    movies do not support a number (:data:`somanet.migration.requirements.NEEDS`), it is that of the others.

    Args:
        cells: :data:`somanet.migration.tables.MIGRATION`.
        weights: (B, cells) how often each cell counts in each of B sets.

    Returns:
        (B,) for each number; NaN where undefined, or not supported by the movies.
    """
    numbers = _ratios(cells, weights)
    for counts, names in counted_apart(counting(cells, tuple(UNITS))):
        others = _ratios(cells[counts].reset_index(drop=True), weights[:, counts])
        numbers |= {name: others[name] for name in names}
    numbers |= dict.fromkeys(unsupported(cells, tuple(UNITS)), np.full(len(weights), math.nan))
    return {name: numbers[name] for name in UNITS}


def _ratios(cells: pd.DataFrame, weights: Floats) -> dict[str, Floats]:
    """The numbers of weighted cells, all of which count."""

    def total(values: pd.Series | Floats) -> Floats:
        return np.asarray(weights @ np.asarray(values, np.float64), np.float64)

    n, observed = total(cells["n_saltations"]), total(cells["observed_h"])
    paused = (cells["observed_h"] - cells["mobile_h"]).where(cells["n_saltations"] > 0, 0.0)
    jumps = true_jumps(cells, weights)
    known = cells["straightness"].notna()
    return {
        "frequency_per_h": over(n, observed),
        "frequency_corrected_per_h": over(jumps.started, total(cells["exposed_h"])),
        "mean_length_um": over(total(cells["complete_um"]), total(cells["n_complete"])),
        "mean_length_corrected_um": over(jumps.travel_um, jumps.whole),
        "mean_duration_h": over(total(cells["complete_h"]), total(cells["n_complete"])),
        "mobile_speed_um_per_h": over(total(cells["complete_um"]), total(cells["complete_h"])),
        "mobile_speed_corrected_um_per_h": over(jumps.path_um, jumps.moving_h),
        "mean_pause_h": over(total(paused), n),
        "pause_fraction": 1 - over(total(cells["mobile_h"]), observed),
        "average_speed_um_per_h": over(
            total((cells["average_speed_um_per_h"] * cells["observed_h"]).fillna(0.0)), observed
        ),
        "straightness": over(total(cells["straightness"].fillna(0.0)), total(known)),
        **travel_numbers(cells, weights, jumps),
        **direction_numbers(cells, weights),
        "saltating_share": over(total(cells["n_saltations"] > 0), total(pd.Series(1.0, index=cells.index))),
    }


def long_enough(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells seen for at least 4 h or 12 frames, or for as long as was set (``min_track_h``).

    Raises:
        SomaNetError: the table lacks columns of :data:`somanet.migration.tables.MIGRATION`.
    """
    check_columns(cells, MIGRATION, "cells")
    return cells[cells["long_enough"] == 1].reset_index(drop=True)
