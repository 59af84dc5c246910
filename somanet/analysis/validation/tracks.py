"""Tracks alone: simulated experiments, analysed as a user would, against the true values of their population."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from somanet.analysis.validation.conditions import TrackCondition
from somanet.analysis.validation.ground_truth import QUANTITIES, donor_settings, true_numbers
from somanet.core.calibration import Calibration
from somanet.evaluation.migration import score_saltations
from somanet.migration.cells import migration_of
from somanet.migration.kinematics import Bools, Floats
from somanet.migration.saltation import LEAST_LENGTH_UM
from somanet.migration.summary import Summary, summarize
from somanet.simulation.motion import CellPath, simulate_path, soma_positions
from somanet.simulation.settings import NeuronSettings

FIELD_UM = 1000.0
SPARE_H = 24.0
RESAMPLES = 500


def simulate_tracks(
    rng: np.random.Generator, condition: TrackCondition, *, settings: NeuronSettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tracks and true jumps of one movie.

    Returns:
        :data:`somanet.core.schema.TRACKS`, a pixel being 1 µm, and :data:`somanet.core.schema.SALTATIONS`; jumps
        outside the movie are included.
    """
    interval_h = Calibration(1.0, condition.interval_min).frame_interval_h
    t_h = np.arange(round(condition.hours / interval_h) + 1, dtype=np.float64) * interval_h
    tracks, jumps = [], []
    for cell in range(1, condition.n_cells + 1):
        anchor = rng.uniform(0, FIELD_UM, 2)
        spare = 0.0 if condition.pause_cv == 1 else SPARE_H
        path = simulate_path(rng, anchor, duration_h=condition.hours + spare, settings=settings)
        path = with_pause_spread(path, mean_h=settings.pause_mean_h, cv=condition.pause_cv)
        seen = soma_positions(rng, path, t_h, settings=settings) + rng.normal(0, condition.noise_um, (t_h.size, 2))
        y, x = seen.T
        columns = {"track_id": cell, "frame": np.arange(t_h.size), "t_h": t_h}
        tracks.append(pd.DataFrame({**columns, "y_px": y, "x_px": x, "y_um": y, "x_um": x}))
        events = {"start_h": path.starts_h, "end_h": path.ends_h, "length_um": path.lengths_um}
        jumps.append(pd.DataFrame({"track_id": cell, **events, "speed_um_per_h": path.speeds_um_per_h}))
    return pd.concat(tracks, ignore_index=True), pd.concat(jumps, ignore_index=True)


def with_pause_spread(path: CellPath, *, mean_h: float, cv: float) -> CellPath:
    """The same jumps with gamma pauses instead of exponential ones, each at the quantile of the original."""
    if cv == 1 or path.starts_h.size < 2:
        return path
    old = path.starts_h[1:] - path.ends_h[:-1]
    new = stats.gamma.isf(np.exp(-old / mean_h), 1 / cv**2, scale=mean_h * cv**2)
    shift = np.concatenate([[0.0], np.cumsum(new - old)])
    return CellPath(
        path.anchor_yx_um,
        path.starts_h + shift,
        path.ends_h + shift,
        path.jumps_yx_um,
        path.headings_rad,
        path.first_heading_rad,
    )


@dataclass(frozen=True)
class Experiment:
    """The results of one experiment; its track ids are unique.

    Attributes:
        summary: summary of all its cells.
        cells: with ``donor`` and ``movie``.
        events: detected saltations.
        jumps: ground truth jumps.
    """

    summary: Summary
    cells: pd.DataFrame
    events: pd.DataFrame
    jumps: pd.DataFrame


def run_experiment(condition: TrackCondition, *, seed: int, resamples: int = RESAMPLES) -> Experiment:
    """Simulate the movies of all donors, and analyse them."""
    rng = np.random.default_rng(seed)
    cells, events, jumps = [], [], []
    for donor in range(condition.n_donors):
        pause_z, length_z = rng.standard_normal(2)
        settings = donor_settings(condition, pause_z=float(pause_z), length_z=float(length_z))
        for movie in range(condition.n_movies):
            tracks, true = simulate_tracks(rng, condition, settings=settings)
            found = migration_of(tracks, detector=condition.detector)
            cells.append(found.cells.assign(donor=f"d{donor}", movie=f"d{donor}m{movie}"))
            events.append(found.saltations.events)
            jumps.append(true)
    joined = [_joined(tables, step=condition.n_cells) for tables in (cells, events, jumps)]
    return Experiment(summarize(joined[0], seed=seed, resamples=resamples), *joined)


def _joined(tables: list[pd.DataFrame], *, step: int) -> pd.DataFrame:
    """One table; the ids of each movie continue those of the previous one."""
    moved = [table.assign(track_id=table["track_id"] + i * step) for i, table in enumerate(tables)]
    return pd.concat(moved, ignore_index=True)


def score_condition(
    condition: TrackCondition, *, replicates: int, seed: int = 0, resamples: int = RESAMPLES
) -> pd.DataFrame:
    """Bias, coverage, recall and precision of one condition.

    Args:
        condition: the simulated condition.
        replicates: number of experiments.
        seed: seed of the first one.
        resamples: number of bootstrap resamples per experiment.

    Returns:
        One row per quantity, uncorrected (``raw``) and ``corrected``: ``truth``, mean ``estimate``, its relative
        ``bias`` with the 95 % interval that the replicates leave, ``coverage`` (share of the experiments' 95 %
        intervals that contain the true value) with its own, ``half_width`` (median half width of those over ``truth``),
        ``defined`` (share of experiments with a number), and the condition's ``recall`` and ``precision``.
    """
    experiments = [run_experiment(condition, seed=seed + i, resamples=resamples) for i in range(replicates)]
    step = condition.n_donors * condition.n_movies * condition.n_cells
    cells, events, jumps = (
        _joined([getattr(experiment, name) for experiment in experiments], step=step)
        for name in ("cells", "events", "jumps")
    )
    scores = score_saltations(
        jumps[jumps["length_um"] >= LEAST_LENGTH_UM], events, cells[["track_id", "start_h", "end_h"]]
    )
    true_values = true_numbers(condition)
    rows = []
    for quantity, names in QUANTITIES.items():
        for kind, name in zip(("raw", "corrected"), names, strict=True):
            found = [experiment.summary.numbers[name] for experiment in experiments]
            values, low, high = np.array([(e.value, e.low, e.high) for e in found]).T
            rows.append(
                {
                    "factor": condition.factor,
                    "level": condition.level,
                    "interval_min": condition.interval_min,
                    "detector": condition.detector,
                    "quantity": quantity,
                    "kind": kind,
                    "truth": true_values[quantity],
                    **bias_of(values, true_value=true_values[quantity]),
                    **coverage_of((low <= true_values[quantity]) & (true_values[quantity] <= high)),
                    "half_width": _median((high - low) / 2 / true_values[quantity]),
                    "recall": scores.recall,
                    "precision": scores.precision,
                    "replicates": replicates,
                }
            )
    return pd.DataFrame(rows)


def bias_of(values: Floats, *, true_value: float) -> dict[str, float]:
    """Mean of the defined values, and its relative bias with a 95 % interval; NaN where undefined."""
    known = values[np.isfinite(values)]
    if not known.size:
        return dict.fromkeys(("estimate", "bias", "bias_low", "bias_high"), math.nan) | {"defined": 0.0}
    mean = float(known.mean())
    reach = 1.96 * float(known.std(ddof=1)) / math.sqrt(known.size) if known.size > 1 else math.nan
    low, high = ((mean + sign * reach) / true_value - 1 for sign in (-1, 1))
    return {
        "estimate": mean,
        "bias": mean / true_value - 1,
        "bias_low": low,
        "bias_high": high,
        "defined": known.size / values.size,
    }


def coverage_of(held: Bools) -> dict[str, float]:
    """Share of intervals that contain the true value, with Wilson's 95 % interval of that share."""
    if not held.size:
        return dict.fromkeys(("coverage", "coverage_low", "coverage_high"), math.nan)
    interval = stats.binomtest(int(held.sum()), held.size).proportion_ci(method="wilson")
    return {"coverage": float(held.mean()), "coverage_low": float(interval.low), "coverage_high": float(interval.high)}


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else math.nan
