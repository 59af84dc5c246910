"""One row of numbers per cell, and everything about one movie's migration in one call."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import LONGEST_STEP
from somanet.core.errors import SomaNetError
from somanet.core.schema import check_tracks
from somanet.migration.direction import axis_columns, headings, straightness, turn_sums
from somanet.migration.drift import Drift, DriftSource, drift_of
from somanet.migration.false_saltations import false_saltations_per_h
from somanet.migration.hmm import MotionModel, fit_motion_model, mobile_steps_by_model
from somanet.migration.kinematics import Bools, Steps, over, per_cell, slow_steps, steps_of
from somanet.migration.noise import Localisation, localisation_of
from somanet.migration.saltation import (
    ROUNDING_H,
    USUAL,
    Definition,
    Saltations,
    joined,
    least_length,
    mobile_steps,
    mobile_threshold,
    saltations_of,
)
from somanet.migration.sampling import sampling_sums, true_jumps
from somanet.migration.sampling_warnings import Pieces
from somanet.migration.tables import MIGRATION
from somanet.migration.travel import travel_sums

MOST_HIDDEN = 0.1
LEAST_MODEL_NOISE_UM = 0.01
"""Cells that rest exactly (drawn tracks, positions in whole pixels) show no noise, and the model divides by it."""


@dataclass(frozen=True)
class Migration:
    """What is measured of one movie.

    Attributes:
        cells: :data:`somanet.migration.tables.MIGRATION`, one row per cell.
        saltations: events and pauses.
        steps: with drift removed.
        drift: what was removed.
        noise: of localisation.
        threshold_um_per_h: speed above which a step is motion, at the frame interval; NaN without steps, and not
            used by the model.
        threshold_by: what sets it, see :meth:`somanet.migration.saltation.Definition.decided_by`; empty without steps.
        warnings: in words, of drift, noise and detection.
    """

    cells: pd.DataFrame
    saltations: Saltations
    steps: Steps
    drift: Drift
    noise: Localisation
    threshold_um_per_h: float
    threshold_by: str
    warnings: tuple[str, ...]


def _before_a_pause(at_h: NDArray[np.float64], frames_h: NDArray[np.float64], interval_h: float) -> NDArray[np.bool_]:
    """Whether the movie itself pauses after these times: no cell is seen there, and none is lost."""
    following = np.searchsorted(frames_h, at_h + ROUNDING_H)
    known = following < len(frames_h)
    wait_h = np.where(known, frames_h[np.minimum(following, len(frames_h) - 1)] - at_h, 0.0) if len(frames_h) else at_h
    return np.asarray(wait_h > LONGEST_STEP * interval_h, bool)


def migration_of(
    tracks: pd.DataFrame,
    *,
    drift: DriftSource = "image",
    stage: pd.DataFrame | None = None,
    sigma_um: float | None = None,
    detector: Literal["rule", "model"] = "rule",
    definition: Definition = USUAL,
    noise: Localisation | None = None,
    axis_deg: float = 0.0,
) -> Migration:
    """Measure how the cells of one movie migrate.

    Args:
        tracks: :data:`somanet.core.schema.TRACKS` of one movie.
        drift: what is subtracted first: "image", what ``stage`` says; "cells", what resting cells do together; "none".
        stage: :data:`somanet.core.schema.DRIFT`, measured from the images; without it "image" subtracts nothing.
        sigma_um: localisation noise per axis if known; measured from the steps if None.
        detector: "rule" for the speed threshold, "model" for the hidden Markov model.
        definition: what a saltation is.
        noise: the localisation error if it has been measured before, as for the same movie with frames left out.
        axis_deg: direction that velocities along and across, and the cosine of a cell's direction, are counted from.

    Raises:
        SomaNetError: a bad table, a σ that is not positive, or another detector.
    """
    if detector not in ("rule", "model"):
        raise SomaNetError(f"The detector is 'rule' or 'model', found {detector!r}.")
    removed = drift_of(tracks, drift, stage)
    still = removed.removed_from(tracks)
    steps = steps_of(still)
    noise = noise or noise_of(steps, sigma_um=sigma_um)
    slow = slow_steps(steps)
    warnings = [*removed.warnings, *slow.warnings, *noise.warnings, *steps.warnings]
    least_um = least_length(noise.sigma_um, definition=definition)
    mobile, false_per_h = np.zeros(len(steps), bool), 0.0
    threshold, decided_by = math.nan, ""
    resolution = Resolution(noise.step_sigma_um)
    if (~steps.gap).any():
        scale = noise.step_sigma_um if noise.given else float(np.fmax(slow.scale_um, noise.step_sigma_um))
        threshold = float(mobile_threshold(scale, interval_h=steps.interval_h, definition=definition))
        decided_by = definition.decided_by(scale, interval_h=steps.interval_h)
        resolution = Resolution(noise.step_sigma_um, *(threshold * steps.interval_h,) * 3)
        if detector == "model":
            model = fit_motion_model(steps, sigma_um=max(scale, LEAST_MODEL_NOISE_UM))
            resolution = Resolution.of_model(model, interval_h=steps.interval_h)
            warnings += model.warnings
            found_by = partial(mobile_steps_by_model, model=model)
        else:
            found_by = partial(mobile_steps, scale_um=scale, definition=definition)
            if decided_by == "upper bound":
                warnings.append(
                    f"Slow steps, of the length that errors of {scale:.2g} µm would have, exceed the threshold of "
                    f"{threshold:g} µm/h at this frame interval: short saltations may be error or slow motion. The "
                    "threshold is a bound, not measured (migrate.fastest_threshold_um_per_h)."
                )

        def detect(those: Steps) -> Bools:
            return joined(those, found_by(those), min_pause_h=definition.min_pause_h)

        mobile = detect(steps)
        false_per_h = false_saltations_per_h(
            steps, detect, sigma_um=noise.sigma_um, error_kept=noise.error_kept, min_length_um=least_um
        )
    found = saltations_of(steps, mobile, min_length_um=least_um)
    cells = cell_table(
        still, steps, found, resolution, false_per_h=false_per_h, definition=definition, axis_deg=axis_deg
    )
    if detector == "rule":
        warnings += Pieces.of(cells, found.pauses, steps.interval_h).warnings
    return Migration(cells, found, steps, removed, noise, threshold, decided_by, tuple(warnings))


def noise_of(steps: Steps, *, sigma_um: float | None = None, resamples: int = 0, seed: int = 0) -> Localisation:
    """The localisation error: as given, or measured.

    Raises:
        SomaNetError: σ is not positive.
    """
    if sigma_um is None:
        return localisation_of(steps, resamples=resamples, seed=seed)
    if not (math.isfinite(sigma_um) and sigma_um > 0):
        raise SomaNetError(f"The localisation noise must be a positive number of µm, found {sigma_um}.")
    return localisation_of(steps, resamples=resamples, seed=seed, sigma_um=sigma_um)


@dataclass(frozen=True)
class Resolution:
    """Which steps a detector tells apart, for the correction.

    Attributes:
        sigma_um: localisation noise per axis.
        mobile_step_um: length from which a step beside a jump is held to be motion; NaN without steps.
        rest_step_um: length up to which a step alone between two jumps is held to be rest; 0 if none is.
        lone_step_um: length from which a step alone in a pause is held to be motion.
    """

    sigma_um: float
    mobile_step_um: float = math.nan
    rest_step_um: float = math.nan
    lone_step_um: float = math.nan

    @classmethod
    def of_model(cls, model: MotionModel, *, interval_h: float) -> Resolution:
        """Lengths at which motion and rest are equally likely: the states' densities times the chances to change."""
        rest, moved = 2 * model.sigma_um**2, (model.spread_um_per_h * interval_h) ** 2
        density = math.log1p(moved / rest)
        beside_jump = math.log((1 - model.start_chance) / (1 - model.stop_chance))
        alone = math.log(model.stop_chance * model.start_chance) - 2 * math.log(1 - model.stop_chance)
        in_pause = 2 * math.log(1 - model.start_chance) - math.log(model.stop_chance * model.start_chance)
        beside, between, lone = (
            math.sqrt(max(2 * (density + odds) * rest * (1 + rest / moved), 0.0))
            for odds in (beside_jump, alone, in_pause)
        )
        return cls(model.sigma_um, beside, min(beside, between), lone)

    @property
    def false_motion(self) -> float:
        """Chance that noise alone takes a step in a pause for motion."""
        return self._beyond(self.lone_step_um) if self.sigma_um > 0 else 0.0

    @property
    def first_rest_step(self) -> int:
        """First step of a pause that is sure to be seen: the second where noise hides a tenth of lone ones or more."""
        hidden = self._beyond(self.rest_step_um) if self.sigma_um > 0 else 0.0
        return 2 if hidden > MOST_HIDDEN else 1

    def _beyond(self, step_um: float) -> float:
        """Chance that noise alone makes a longer step."""
        ratio = step_um / self.sigma_um
        return math.exp(-(ratio * ratio) / 4)  # a product may be infinite, where a power raises


def cell_table(
    tracks: pd.DataFrame,
    steps: Steps,
    saltations: Saltations,
    resolution: Resolution,
    *,
    false_per_h: float = 0.0,
    definition: Definition = USUAL,
    axis_deg: float = 0.0,
) -> pd.DataFrame:
    """One row per cell: :data:`somanet.migration.tables.MIGRATION`; undefined numbers are NaN.

    A saltation counts in the frequency if its start is seen: counting those cut at both ends of a track would
    count D/T too many. The start has to follow a step at rest, so that Δt/T are missed (4 % at 10 min in 4 h).
    Incomplete saltations are in the observed and the mobile time, and not in lengths, durations and pauses.
    One cell has few pauses, so the share of them that shows is taken from the movie. Where a rest of a frame interval
    is no pause by definition, none is hidden.
    """
    ordered = check_tracks(tracks, "The tracks")
    cell, first, n_frames = np.unique(ordered["track_id"].to_numpy(np.int64), return_index=True, return_counts=True)
    last = first + n_frames - 1
    cells = pd.Index(cell, name="track_id")
    time, place = ordered["t_h"].to_numpy(np.float64), ordered[["y_um", "x_um"]].to_numpy(np.float64)
    start, end = time[first], time[last]
    ends, duration = place[last] - place[first], end - start
    net = np.hypot(ends[:, 0], ends[:, 1])
    paused = per_cell(steps.duration_h[steps.pause], steps.track_id[steps.pause], cells)
    long = definition.long_enough(duration - paused, n_frames.astype(np.int64))
    free = ~steps.gap
    observed = per_cell(steps.duration_h[free], steps.track_id[free], cells)

    events, pauses = saltations.events, saltations.pauses
    ids, event_h = events["track_id"].to_numpy(np.int64), (events["end_h"] - events["start_h"]).to_numpy(float)
    complete = (events["censored"] == "").to_numpy()
    first_h, last_h = (float(time.min()), float(time.max())) if time.size else (math.nan, math.nan)
    lost = events["censored"].isin(["end", "both"]) & (events["end_h"] < last_h - ROUNDING_H)
    lost &= events["end_h"].to_numpy(float) > end[np.searchsorted(cell, ids)] - ROUNDING_H  # not only for some frames
    lost &= ~_before_a_pause(events["end_h"].to_numpy(float), np.unique(time), steps.interval_h)
    started = events["censored"].isin(["", "end"]).to_numpy()
    n, n_complete = per_cell(started, ids, cells), per_cell(complete, ids, cells)
    complete_um = per_cell(events["length_um"].to_numpy(float)[complete], ids[complete], cells)
    complete_h, mobile = per_cell(event_h[complete], ids[complete], cells), per_cell(event_h, ids, cells)
    pauses = pauses[pauses["censored"] == ""]
    n_pauses = per_cell(np.ones(len(pauses)), pauses["track_id"], cells)

    table = pd.DataFrame(
        {
            "start_h": start,
            "end_h": end,
            "n_frames": n_frames,
            "frame_interval_h": steps.interval_h,
            "even_frames": int(steps.even),
            "movie_h": last_h - first_h,
            "n_cut": per_cell(lost, ids, cells),
            "saltations_supported": 1,
            "identities_kept": 1,
            "false_motion": resolution.false_motion,
            "long_enough": long.astype(np.int64),
            "observed_h": observed,
            "noise_um": resolution.sigma_um,
            "mobile_step_um": resolution.mobile_step_um,
            "rest_step_um": resolution.rest_step_um,
            "path_um": per_cell(steps.length_um, steps.track_id, cells),
            "net_um": net,
            "average_speed_um_per_h": over(per_cell(steps.length_um[free], steps.track_id[free], cells), observed),
            "velocity_y_um_per_h": over(ends[:, 0], duration),
            "velocity_x_um_per_h": over(ends[:, 1], duration),
            "straightness": straightness(steps).reindex(cells).to_numpy(float),
            "direction_deg": np.where(net >= saltations.min_length_um, headings(ends), math.nan),
            "n_saltations": n,
            "frequency_per_h": over(n, observed),
            "n_complete": n_complete,
            "complete_um": complete_um,
            "complete_h": complete_h,
            "mobile_h": mobile,
            "mean_length_um": over(complete_um, n_complete),
            "mean_duration_h": over(complete_h, n_complete),
            "mobile_speed_um_per_h": over(complete_um, complete_h),
            "n_pauses": n_pauses,
            "mean_pause_h": over(per_cell(pauses["duration_h"], pauses["track_id"], cells), n_pauses),
            "pause_fraction": 1 - over(mobile, observed),
            "false_saltations": false_per_h * observed,
        },
        index=cells,
    )
    sampled = sampling_sums(steps, saltations, cells=cells, long=cells[long], first_step=resolution.first_rest_step)
    if definition.min_pause_h > steps.interval_h:
        sampled["n_rest_ends"] = 0.0
    travelled = travel_sums(ordered, steps, saltations, cells=cells, sigma_um=resolution.sigma_um)
    turns = turn_sums(events, cells=cells, min_length_um=saltations.min_length_um)
    table = pd.concat([table, sampled, travelled, axis_columns(table, axis_deg=axis_deg), turns], axis=1)
    jumps = true_jumps(table, np.ones((1, len(table))))
    per_seen = float(jumps.started[0] / n.sum()) if n.sum() else math.nan
    corrected = over(n, table["exposed_h"].to_numpy(float)) * per_seen
    table["frequency_corrected_per_h"] = np.where(n != 0, corrected, table["frequency_per_h"])
    rows = table.reset_index()[list(MIGRATION.names)]
    return rows.astype({column.name: column.dtype for column in MIGRATION.columns})
