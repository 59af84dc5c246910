"""Everything that is measured of one movie's tracks, in one call: what `analyze`, its report and the pipeline show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.migration.cells import Migration, migration_of, noise_of
from somanet.migration.common_jump import common_jump_warnings
from somanet.migration.direction import (
    Autocorrelation,
    Direction,
    autocorrelation_estimates,
    direction_autocorrelation,
    direction_of,
)
from somanet.migration.drift import DriftSource, drift_of
from somanet.migration.exchanges import n_exchanges
from somanet.migration.frame_dropping import RESAMPLES as THINNED_RESAMPLES
from somanet.migration.frame_dropping import Thinned, frame_dropping
from somanet.migration.intervals import Estimate, Resampling
from somanet.migration.kinematics import steps_of
from somanet.migration.motion_modes import RESAMPLES as MODES_RESAMPLES
from somanet.migration.motion_modes import Modes, modes_of
from somanet.migration.msd import CellMsd, Msd, PersistentWalk, cell_msd_of, fit_persistent_walk, walk_estimates
from somanet.migration.noise import RESAMPLES, Localisation
from somanet.migration.plausibility import plausibility_warnings
from somanet.migration.pooling import long_enough
from somanet.migration.saltation import USUAL, Definition, faster_steps
from somanet.migration.summary import RESAMPLES as SUMMARY_RESAMPLES
from somanet.migration.summary import Summary, summarize
from somanet.migration.support import Support, flagged, support_of, without_unsupported

LONGEST_AUTOCORRELATION_H = 4.0
Detector = Literal["rule", "model"]
DETECTORS: tuple[Detector, Detector] = ("rule", "model")
CURVE_RESAMPLES = 500


@dataclass(frozen=True)
class Measures:
    """The migration of one movie's cells.

    Attributes:
        migration: by the rule: cells, saltations, steps, drift, noise.
        by_model: the same by the hidden Markov model, to compare with.
        summary: numbers with intervals, by the rule.
        model_summary: the same by the model.
        direction: of the cells' net displacements, one per cell that is seen long enough, relative to the axis.
        saltation_direction: of all saltations; several of one cell are not independent, so its p is too small.
        modes: states of steps and modes of cells; None without steps.
        thinned, model_thinned: corrected numbers with frames left out, by rule and model; empty without long cells.
        support: whether the data support saltations per hour, and why not.
        definition: what a saltation is.
        autocorrelation: of the direction of mobile steps; None where no step is mobile.
        autocorrelation_intervals: at each of its lags.
        msd: mean squared displacement.
        msd_intervals: at each of its lags.
        walk: the persistent random walk fitted to it; None where there are too few lags.
        walk_intervals: its speed and persistence; empty without a walk.
        axis_deg: the axis that directions are counted from: 0 = +x, 90 = +y (down).
        warnings: all of them, each once.
    """

    migration: Migration
    by_model: Migration
    summary: Summary
    model_summary: Summary
    direction: Direction
    saltation_direction: Direction
    modes: Modes | None
    thinned: tuple[Thinned, ...]
    model_thinned: tuple[Thinned, ...]
    support: Support
    definition: Definition
    autocorrelation: Autocorrelation | None
    autocorrelation_intervals: Sequence[Estimate]
    msd: Msd
    msd_intervals: Sequence[Estimate]
    walk: PersistentWalk | None
    walk_intervals: Mapping[str, Estimate]
    axis_deg: float
    warnings: tuple[str, ...]


def measure_movie(
    tracks: pd.DataFrame,
    *,
    axis_deg: float = 0.0,
    drift: DriftSource = "image",
    stage: pd.DataFrame | None = None,
    sigma_um: float | None = None,
    definition: Definition = USUAL,
    seed: int = 0,
    resamples: int | None = None,
) -> Measures:
    """Measure the migration of one movie's cells, by the rule and by the model.

    Args:
        tracks: :data:`somanet.core.schema.TRACKS` of one movie; may be empty.
        axis_deg: direction, for example away from the explant, that angles are counted from.
        drift: what is subtracted first: "image", what ``stage`` says; "cells", what resting cells do together; "none".
        stage: :data:`somanet.core.schema.DRIFT`, measured from the images; without it "image" subtracts nothing.
        sigma_um: localisation noise per axis if known.
        definition: what a saltation is.
        seed: of the bootstrap.
        resamples: of all intervals; None for as many as each needs. Where only values and checks are wanted, a few are
            enough.

    Raises:
        SomaNetError: a bad table, or a σ that is not positive.
    """
    still = drift_of(tracks, drift, stage).removed_from(tracks)
    steps = steps_of(still)
    noise = noise_of(steps, sigma_um=sigma_um, resamples=resamples or RESAMPLES, seed=seed)
    rule, model = (
        migration_of(
            tracks, drift=drift, stage=stage, detector=detector, definition=definition, noise=noise, axis_deg=axis_deg
        )
        for detector in DETECTORS
    )
    summary, model_summary = (
        summarize(
            found.cells,
            seed=seed,
            resamples=resamples or SUMMARY_RESAMPLES,
            min_track_h=(definition.min_track_h,),
        )
        for found in (rule, model)
    )
    thinned, model_thinned = (
        _thinned(still, found, noise, detector, definition, seed, resamples or THINNED_RESAMPLES)
        for found, detector in zip((rule, model), DETECTORS, strict=True)
    )
    modes = modes_of(
        steps,
        sigma_um=noise.sigma_um,
        error_kept=noise.error_kept,
        of_cells=noise.of_cells,
        least_sigma_um=noise.low_um if noise.bounded else None,
        jumping=rule.saltations.events["track_id"].to_numpy(np.int64),
        resamples=resamples or MODES_RESAMPLES,
    )
    support = support_of(modes, thinned, model_thinned, summary, model_summary, rule, n_exchanges(steps))
    rule, model = flagged(rule, support, thinned), flagged(model, support, model_thinned)
    summary, model_summary = (
        without_unsupported(one, found.cells) for one, found in ((summary, rule), (model_summary, model))
    )
    curves = cell_msd_of(still)
    cells = np.arange(curves.n_cells)
    sets = Resampling.of(cells, level="cell", resamples=resamples or CURVE_RESAMPLES, seed=seed)
    msd, known_um = curves.pooled(), rule.noise.sigma_um if rule.noise.sigma_um > 0 else None
    walk = _walk(msd, known_um)
    correlation, correlation_intervals = _autocorrelation(rule, resamples or CURVE_RESAMPLES, seed=seed)
    warnings = [
        *plausibility_warnings(steps),
        *common_jump_warnings(still),
        *support.warnings,
        *rule.warnings,
        *model.warnings,
        *summary.warnings,
        *(walk.warnings if walk else ()),
    ]
    return Measures(
        migration=rule,
        by_model=model,
        summary=summary,
        model_summary=model_summary,
        direction=direction_of(long_enough(rule.cells)["direction_deg"].to_numpy(float), axis_deg=axis_deg),
        saltation_direction=direction_of(rule.saltations.events["direction_deg"].to_numpy(float), axis_deg=axis_deg),
        modes=modes,
        thinned=thinned,
        model_thinned=model_thinned,
        support=support,
        definition=definition,
        autocorrelation=correlation,
        autocorrelation_intervals=correlation_intervals,
        msd=msd,
        msd_intervals=_msd_intervals(curves, msd, sets),
        walk=walk,
        walk_intervals=walk_estimates(curves, walk, sets, sigma_um=known_um) if walk else {},
        axis_deg=axis_deg,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _thinned(
    still: pd.DataFrame,
    found: Migration,
    noise: Localisation,
    detector: Detector,
    definition: Definition,
    seed: int,
    resamples: int,
) -> tuple[Thinned, ...]:
    def measure(tracks: pd.DataFrame) -> pd.DataFrame:
        return migration_of(tracks, drift="none", detector=detector, definition=definition, noise=noise).cells

    return frame_dropping(still, found.cells, measure, seed=seed, resamples=resamples)


def _walk(msd: Msd, sigma_um: float | None) -> PersistentWalk | None:
    try:
        return fit_persistent_walk(msd, sigma_um=sigma_um)
    except SomaNetError:  # too few lags, which a short movie has
        return None


def _msd_intervals(curves: CellMsd, msd: Msd, sets: Resampling) -> list[Estimate]:
    drawn = curves.curves(sets.weights)
    return [
        sets.interval(float(value), drawn[:, lag], scale="positive") for lag, value in enumerate(msd.msd_um2.tolist())
    ]


def _autocorrelation(found: Migration, resamples: int, *, seed: int) -> tuple[Autocorrelation | None, list[Estimate]]:
    steps = found.steps
    if not (~steps.gap).any():
        return None, []
    mobile = faster_steps(steps, found.threshold_um_per_h)
    if not mobile.any():
        return None, []
    lags = round(LONGEST_AUTOCORRELATION_H / steps.interval_h)
    longest = int(np.clip(lags, 1, max(1, int(np.ptp(steps.frame)))))
    intervals = autocorrelation_estimates(steps, max_lag=longest, use=mobile, resamples=resamples, seed=seed)
    return direction_autocorrelation(steps, max_lag=longest, use=mobile), intervals
