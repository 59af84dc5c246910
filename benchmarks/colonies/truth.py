"""What is true of a colony's cells, by the definitions of docs/analysis.md, from many cells without errors."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from benchmarks.colonies.colony import LEAST_UM, STEP_H, Colony, simulate_cells
from somanet.migration.error_mixture import REST_UM_PER_H, RUN_UM_PER_H

CELLS = 900
CHUNK = 150


def true_numbers(colony: Colony, *, seed: int = 0, n_cells: int = CELLS) -> Mapping[str, float]:
    """The numbers of a summary, by their names, the shares of steps and the error; NaN where undefined.

    Distance and speed are those in saltations; directions are of cells that move 5 µm or more in the movie.
    """
    rng = np.random.default_rng(seed)
    sums = dict.fromkeys(("n", "um", "path", "path2", "moving", "waiting", "jumpers", "net", "x", "hour2"), 0.0)
    steps = dict.fromkeys(("rest", "creep", "run", "run2"), 0.0)
    units = np.zeros((0, 2))
    every, hour = round(colony.interval_min / 60 / STEP_H), round(1 / STEP_H)
    for _ in range(n_cells // CHUNK):
        cells = simulate_cells(colony, rng, n_cells=CHUNK)
        place, jumping = cells.place_yx_um, cells.jumping
        step = np.where(jumping, np.hypot(*np.diff(place, axis=1).transpose(2, 0, 1)), 0.0)
        jumps = np.isin(np.arange(CHUNK), cells.cell)
        net = place[:, -1]
        far = np.hypot(*net.T)
        hourly = place[:, hour:] - place[:, :-hour]
        speed = np.hypot(*np.diff(place[:, ::every], axis=1).transpose(2, 0, 1)) / (every * STEP_H)
        kinds = np.digitize(speed, math.sqrt(2) * np.array([REST_UM_PER_H, RUN_UM_PER_H]))
        for name, value in {
            "n": len(cells.cell),
            "um": cells.length_um.sum(),
            "path": step.sum(),
            "path2": (step**2).sum() / STEP_H,
            "moving": jumping.sum() * STEP_H,
            "waiting": (~jumping[jumps]).sum() * STEP_H,
            "jumpers": jumps.sum(),
            "net": far[jumping.any(axis=1)].sum(),
            "x": net[:, 1].sum(),
            "hour2": (hourly**2).sum(axis=2).mean(axis=1).sum(),
        }.items():
            sums[name] += float(value)
        for k, name in enumerate(("rest", "creep", "run")):
            steps[name] += float((kinds == k).sum())
        steps["run2"] += float((speed[kinds == 2] ** 2).sum())
        units = np.concatenate([units, net[far >= LEAST_UM] / far[far >= LEAST_UM, None]])
    n_cells -= n_cells % CHUNK
    hours = n_cells * colony.hours
    across, along = units.mean(axis=0) if colony.pull else (0.0, 0.0)
    counted = steps["rest"] + steps["creep"] + steps["run"]
    return {
        "frequency_corrected_per_h": sums["n"] / hours,
        "mean_length_corrected_um": sums["um"] / sums["n"],
        "mobile_speed_corrected_um_per_h": sums["path2"] / sums["path"],
        "mean_pause_corrected_h": sums["waiting"] / sums["n"],
        "pause_fraction_corrected": 1 - sums["moving"] / hours,
        "average_speed_corrected_um_per_h": sums["path"] / hours,
        "rms_speed_1h_um_per_h": math.sqrt(sums["hour2"] / n_cells),
        "straightness_corrected": sums["net"] / sums["path"],
        "saltating_share": sums["jumpers"] / n_cells,
        "velocity_along_um_per_h": sums["x"] / hours if colony.pull else 0.0,
        "mean_cosine": float(along),
        "resultant_corrected": math.hypot(along, across),
        "mean_direction_deg": 0.0 if colony.pull else math.nan,
        **{f"{name}_share": steps[name] / counted for name in ("rest", "creep", "run")},
        "run_speed_um_per_h": math.sqrt(steps["run2"] / steps["run"]) if steps["run"] else math.nan,
        "sigma_um": colony.error_um,
    }
