"""One row of numbers per cell, and everything about one movie's migration in one call."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from somanet.errors import SomaNetError
from somanet.migration.direction import headings, straightness
from somanet.migration.hmm import fit_motion_model, mobile_steps_by_model
from somanet.migration.kinematics import (
    Drift,
    Noise,
    Steps,
    check_tracks,
    drift_of,
    localisation_noise,
    steps_of,
)
from somanet.migration.saltation import (
    FASTEST_UM_PER_H,
    Saltations,
    dead_time_factor,
    least_length,
    mean_pause,
    mobile_steps,
    mobile_threshold,
    saltations_of,
)
from somanet.migration.tables import MIGRATION

LEAST_HOURS = 4.0
LEAST_FRAMES = 12
# Times come from whole frames: 24 intervals of 10 min are 4 h whatever their sum's last digit.
ROUNDING_H = 1e-9


@dataclass(frozen=True)
class Migration:
    """What is measured of one movie.

    Attributes:
        cells: :data:`somanet.migration.tables.MIGRATION`, one row per cell.
        saltations: events and pauses.
        steps: with drift removed.
        drift: of the stage.
        noise: of localisation.
        threshold_um_per_h: speed above which a step is motion, at the frame interval; NaN without steps, and not
            used by the model.
        warnings: in words, of drift, noise and detection.
    """

    cells: pd.DataFrame
    saltations: Saltations
    steps: Steps
    drift: Drift
    noise: Noise
    threshold_um_per_h: float
    warnings: tuple[str, ...]


def migration_of(
    tracks: pd.DataFrame,
    *,
    remove_drift: bool = True,
    sigma_um: float | None = None,
    detector: Literal["rule", "model"] = "rule",
) -> Migration:
    """Measure how the cells of one movie migrate.

    Args:
        tracks: :data:`somanet.schema.TRACKS` of one movie.
        remove_drift: subtract the median step of all tracks first.
        sigma_um: localisation noise per axis if known; measured from steps at rest if None.
        detector: "rule" for the speed threshold, "model" for the hidden Markov model.

    Raises:
        SomaNetError: a bad table, a σ that is not positive, or another detector.
    """
    if detector not in ("rule", "model"):
        raise SomaNetError(f"The detector is 'rule' or 'model', found {detector!r}.")
    if sigma_um is not None and not (math.isfinite(sigma_um) and sigma_um > 0):
        raise SomaNetError(f"The localisation noise must be a positive number of µm, found {sigma_um}.")
    drift = drift_of(tracks)
    still = drift.removed_from(tracks) if remove_drift else tracks
    steps = steps_of(still)
    noise = localisation_noise(steps) if sigma_um is None else Noise(sigma_um, 0)
    warnings = [*(drift.warnings if remove_drift else ()), *noise.warnings]
    mobile = np.zeros(len(steps), bool)
    threshold = math.nan
    if (~steps.gap).any():
        threshold = float(mobile_threshold(noise.sigma_um, interval_h=steps.interval_h))
        if detector == "model":
            model = fit_motion_model(steps, sigma_um=noise.sigma_um)
            mobile = mobile_steps_by_model(steps, model)
            warnings += model.warnings
        else:
            mobile = mobile_steps(steps, sigma_um=noise.sigma_um)
            if threshold == FASTEST_UM_PER_H:
                warnings.append(
                    f"The noise of {noise.sigma_um:.2g} µm alone moves cells faster than the threshold of "
                    f"{FASTEST_UM_PER_H:g} µm/h at this frame interval: short saltations may be noise."
                )
    found = saltations_of(steps, mobile, min_length_um=least_length(noise.sigma_um))
    return Migration(cell_table(still, steps, found), found, steps, drift, noise, threshold, tuple(warnings))


def cell_table(tracks: pd.DataFrame, steps: Steps, saltations: Saltations) -> pd.DataFrame:
    """One row per cell: :data:`somanet.migration.tables.MIGRATION`; undefined numbers are NaN.

    A saltation counts in the frequency if its start is seen: counting those cut at both ends of a track would
    count D/T too many. The start has to follow a step at rest, so that Δt/T are missed (4 % at 10 min in 4 h).
    Incomplete saltations are in the observed and the mobile time, and not in lengths, durations and pauses.
    One cell has few pauses, so its dead-time factor is that of the movie.
    """
    ordered = check_tracks(tracks)
    by_cell = ordered.groupby("track_id", sort=True)
    table = by_cell.agg(start_h=("t_h", "first"), end_h=("t_h", "last"), n_frames=("frame", "size"))
    ends = by_cell[["y_um", "x_um"]].last() - by_cell[["y_um", "x_um"]].first()
    duration = table["end_h"] - table["start_h"]
    cells = table.index
    table["frame_interval_h"] = steps.interval_h
    long = (duration >= LEAST_HOURS - ROUNDING_H) | (table["n_frames"] >= LEAST_FRAMES)
    table["long_enough"] = long.astype("int64")

    def total(values: pd.Series, ids: pd.Series) -> pd.Series:
        return values.groupby(ids).sum().reindex(cells, fill_value=0)

    step = pd.DataFrame({"id": steps.track_id, "h": steps.duration_h, "um": steps.length_um, "gap": steps.gap})
    free = step[~step["gap"]]
    observed = total(free["h"], free["id"])
    table["observed_h"] = observed
    table["path_um"] = total(step["um"], step["id"])
    table["net_um"] = np.hypot(ends["y_um"], ends["x_um"])
    table["average_speed_um_per_h"] = _over(total(free["um"], free["id"]), observed)
    table["velocity_y_um_per_h"] = _over(ends["y_um"], duration)
    table["velocity_x_um_per_h"] = _over(ends["x_um"], duration)
    table["straightness"] = straightness(steps).reindex(cells)
    heading = pd.Series(headings(ends.to_numpy(float)), index=cells)
    table["direction_deg"] = heading.where(table["net_um"] >= saltations.min_length_um)

    events = saltations.events.assign(duration_h=saltations.events["end_h"] - saltations.events["start_h"])
    complete = events[events["censored"] == ""]
    started = events["censored"].isin(["", "end"])
    n = total(started.astype("int64"), events["track_id"])
    n_complete = total((events["censored"] == "").astype("int64"), events["track_id"])
    complete_um, complete_h = (total(complete[name], complete["track_id"]) for name in ("length_um", "duration_h"))
    mobile = total(events["duration_h"], events["track_id"])
    table["n_saltations"] = n
    table["frequency_per_h"] = _over(n, observed)
    jumping = n > 0
    pause = mean_pause(paused_h=float((observed - mobile)[jumping].sum()), n_ends=float(n[jumping].sum()))
    table["frequency_corrected_per_h"] = corrected_frequency(table["frequency_per_h"], pause, steps.interval_h)
    table["n_complete"] = n_complete
    table["complete_reach_um"] = total(complete["reach_um"], complete["track_id"])
    table["complete_um"], table["complete_h"], table["mobile_h"] = complete_um, complete_h, mobile
    table["mean_length_um"] = _over(complete_um, n_complete)
    table["mean_duration_h"] = _over(complete_h, n_complete)
    table["mobile_speed_um_per_h"] = _over(complete_um, complete_h)

    pauses = saltations.pauses[saltations.pauses["censored"] == ""]
    table["n_pauses"] = total(pd.Series(1, index=pauses.index), pauses["track_id"])
    table["mean_pause_h"] = _over(total(pauses["duration_h"], pauses["track_id"]), table["n_pauses"])
    table["pause_fraction"] = 1 - _over(mobile, observed)
    rows = table.reset_index()[list(MIGRATION.names)]
    return rows.astype({column.name: column.dtype for column in MIGRATION.columns})


def corrected_frequency(frequency: pd.Series, mean_pause_h: float, interval_h: float) -> pd.Series:
    """Frequency times the dead-time factor; one of 0 stays 0 where no pause ends and the factor is unknown."""
    factor = dead_time_factor(mean_pause_h, interval_h=interval_h)
    return (frequency * factor).where(frequency != 0, 0.0)


def _over(numerator: pd.Series, denominator: pd.Series) -> pd.Series:
    """A quotient that is NaN where it is undefined, never 0."""
    return numerator / denominator.where(denominator > 0)
