"""The data of the page's plots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from somanet.analysis.report.cell_data import short, shorts
from somanet.analysis.report.definitions import estimate_in_words
from somanet.migration.direction import Direction
from somanet.migration.intervals import Estimate
from somanet.migration.measures import Measures
from somanet.migration.pooling import long_enough

CURVE_POINTS = 80


def plots_data(measures: Measures) -> dict[str, Any]:
    """Directions, distributions, mean squared displacement and autocorrelation; None where there is no data.

    Distributions are over single events and cells, only from cells observed long enough: complete saltations,
    complete pauses, and corrected frequencies.
    """
    rule = measures.migration
    cells = long_enough(rule.cells)
    used = set(cells["track_id"])
    events, pauses = (
        table[(table["censored"] == "") & table["track_id"].isin(used)]
        for table in (rule.saltations.events, rule.saltations.pauses)
    )
    return {
        "directions": {
            "cells": _directions(cells["direction_deg"].to_numpy(float), measures.direction),
            "saltations": _directions(
                rule.saltations.events["direction_deg"].to_numpy(float), measures.saltation_direction
            ),
            "numbers": {
                name: estimate_in_words(measures.summary.numbers[name])
                for name in ("mean_direction_deg", "resultant", "mean_cosine")
            },
            "mean_known": not measures.summary.numbers["mean_direction_deg"].problem,
            "random_p": short(measures.summary.random_directions_p),
        },
        "distributions": {
            "length_um": shorts(events["length_um"]),
            "speed_um_per_h": shorts(events["speed_um_per_h"]),
            "pause_h": shorts(pauses["duration_h"]),
            "frequency_corrected_per_h": [
                value for value in shorts(cells["frequency_corrected_per_h"]) if value is not None
            ],
        },
        "msd": _msd(measures),
        "autocorrelation": _autocorrelation(measures),
    }


def _directions(angles_deg: np.ndarray, direction: Direction) -> dict[str, Any]:
    angles = angles_deg[np.isfinite(angles_deg)]
    numbers = {name: short(float(value)) for name, value in asdict(direction).items()}
    return {"angles_deg": shorts(angles), **numbers}


def _msd(measures: Measures) -> dict[str, Any] | None:
    msd, walk = measures.msd, measures.walk
    good = (msd.n_pairs > 0) & (np.nan_to_num(msd.msd_um2) > 0)
    if not good.any():
        return None
    lag = msd.lag_h[good]
    data: dict[str, Any] = {
        "lag_h": shorts(lag),
        "msd_um2": shorts(msd.msd_um2[good]),
        "n_pairs": msd.n_pairs[good].tolist(),
        **_ends(measures.msd_intervals, good),
    }
    sigma = walk.sigma_um if walk else measures.migration.noise.sigma_um
    data["floor_um2"] = short(4 * sigma**2) if math.isfinite(sigma) else None
    if walk:
        at = np.geomspace(lag[0], lag[-1], CURVE_POINTS) if lag.size > 1 else lag
        data["curve"] = {"lag_h": shorts(at), "msd_um2": shorts(walk.msd_um2(at))}
        data["walk"] = {
            "speed_um_per_h": short(walk.speed_um_per_h),
            "persistence_h": short(walk.persistence_h),
            "sigma_um": short(walk.sigma_um),
            "words": walk_in_words(measures.walk_intervals),
        }
    return data


def walk_in_words(estimates: Mapping[str, Estimate]) -> str:
    """Speed S and persistence P of the fitted walk with their intervals; a reason that holds for both stands once."""
    speed, persistence = estimates["speed_um_per_h"], estimates["persistence_h"]
    if speed.problem and speed.problem == persistence.problem:
        return f"speed S and persistence P not estimated: {speed.problem.rstrip('.')}"
    parts = []
    for letter, estimate, unit in (("speed S", speed, "µm/h"), ("persistence P", persistence, "h")):
        value, interval = estimate_in_words(estimate)
        parts.append(
            f"{letter} {interval.rstrip('.')}" if estimate.problem else f"{letter} = {value} {unit} ({interval})"
        )
    return ", ".join(parts)


def _autocorrelation(measures: Measures) -> dict[str, Any] | None:
    found = measures.autocorrelation
    if found is None:
        return None
    good = found.n_pairs > 0
    return {
        "lag_h": shorts(found.lag_h[good]),
        "correlation": shorts(found.correlation[good]),
        "n_pairs": found.n_pairs[good].tolist(),
        **_ends(measures.autocorrelation_intervals, good),
    }


def _ends(intervals: Sequence[Estimate], shown: np.ndarray) -> dict[str, list[float | None]]:
    """Ends of the intervals of the shown lags; None where there is none."""
    kept = [estimate for estimate, is_shown in zip(intervals, shown, strict=True) if is_shown]
    return {"low": shorts([one.low for one in kept]), "high": shorts([one.high for one in kept])}
