"""Speed, pauses, distance and direction in the worlds of a second simulator: bias, coverage, share estimated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd

from somanet.analysis.validation.tracks import bias_of, coverage_of
from somanet.analysis.validation.world_paths import simulate_paths
from somanet.analysis.validation.world_tracks import simulate_world
from somanet.analysis.validation.world_truth import true_numbers
from somanet.analysis.validation.worlds import BASE, WORLDS, World
from somanet.core.markdown import table
from somanet.migration.cells import migration_of
from somanet.migration.drift import DriftSource
from somanet.migration.kinematics import Floats
from somanet.migration.saltation import LEAST_LENGTH_UM
from somanet.migration.summary import Summary, summarize

TRUE_STEP_H = 1 / 180
TRUE_CELLS = 1000
CHUNK = 100
RESAMPLES = 500
DRIFTS: tuple[DriftSource, ...] = ("none", "cells")
TRAVEL = (
    "mobile_speed_corrected_um_per_h",
    "mean_pause_corrected_h",
    "pause_fraction_corrected",
    "average_speed_corrected_um_per_h",
    "rms_speed_1h_um_per_h",
    "straightness_corrected",
)
DIRECTED = ("velocity_along_um_per_h", "mean_cosine", "resultant_corrected", "mean_direction_deg")
FEW = ("frequency_corrected_per_h", "mean_length_corrected_um", *TRAVEL, "saltating_share")
ABSOLUTE = DIRECTED
"""Numbers whose true value may be 0: their bias is absolute."""
HEADINGS: Mapping[str, str] = {
    "frequency_corrected_per_h": "frequency",
    "mean_length_corrected_um": "length",
    "mobile_speed_corrected_um_per_h": "speed when mobile",
    "mean_pause_corrected_h": "pause",
    "pause_fraction_corrected": "share of pauses",
    "average_speed_corrected_um_per_h": "average speed",
    "rms_speed_1h_um_per_h": "net speed over an hour",
    "straightness_corrected": "straightness",
    "saltating_share": "saltating cells",
    "velocity_along_um_per_h": "velocity along the axis, µm/h",
    "mean_cosine": "mean cosine",
    "resultant_corrected": "R, corrected",
    "mean_direction_deg": "direction, °",
}
MEASURED_IN = (
    "base", "accelerating", "ramps", "outliers", "arcs", "branches", "noise 1 µm", "noise 1.5 µm, memory",
    "cells differ", "bursts", "regular", "breaks",
)  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """A world and the numbers that are compared with its true ones.

    Attributes:
        part: table that it belongs to: "travel", "directed" or "few".
        level: short name.
        world: how cells move and are seen.
        numbers: of a summary.
        drift: what is subtracted as the stage's drift, which there is none of.
    """

    part: str
    level: str
    world: World
    numbers: tuple[str, ...]
    drift: DriftSource = "none"


def conditions() -> list[Condition]:
    """Worlds of saltating cells at 5, 10 and 20 min; directed ones; and few cells or saltations."""
    worlds = {world.name: world for world in WORLDS}
    travel = [
        Condition("travel", name, replace(worlds[name], interval_min=minutes), TRAVEL)
        for name in MEASURED_IN
        for minutes in (5.0, 10.0, 20.0)
    ]
    directed = [
        Condition(
            "directed",
            f"κ {kappa:g}, {n_cells} cells{', drift by cells' if drift == 'cells' else ''}",
            replace(BASE, kappa=kappa, n_cells=n_cells),
            DIRECTED,
            drift,
        )
        for drift in DRIFTS
        for kappa in (0.0, 1.0, 3.0, 8.0)
        for n_cells in (10, 30)
    ]
    few = [
        Condition("few", level, world, FEW)
        for level, world in (
            ("2 cells", replace(BASE, n_cells=2)),
            ("3 cells", replace(BASE, n_cells=3)),
            ("5 cells", replace(BASE, n_cells=5)),
            ("10 cells, 4 h", replace(BASE, n_cells=10, hours=4.0)),
            ("10 cells, pauses of 10 h", replace(BASE, n_cells=10, pause_h=10.0)),
            ("10 cells, none jumps", replace(BASE, n_cells=10, resting_share=1.0)),
        )
    ]
    return [*travel, *directed, *few]


@lru_cache(maxsize=64)
def truth(world: World) -> Mapping[str, float]:
    """True values of the numbers of a summary, by their definitions, of many cells without noise.

    Distance and speed are those in jumps: creep between them is not in the numbers either.
    """
    rng = np.random.default_rng(20270101)
    times = np.arange(0.0, world.hours + TRUE_STEP_H / 2, TRUE_STEP_H)
    distance = moment = net_um = cells = 0.0
    units: list[Floats] = []
    for _ in range(TRUE_CELLS // CHUNK):
        paths = simulate_paths(world, rng, n_cells=CHUNK, times_h=times)
        step = np.hypot(*np.diff(paths.place_yx_um, axis=1).transpose(2, 0, 1))
        middle = (times[1:] + times[:-1]) / 2
        in_jump = np.stack(
            [
                ((middle[:, None] > start) & (middle[:, None] < end)).any(axis=1)
                for start, end in zip(paths.start_h, paths.end_h, strict=True)
            ]
        )
        step = np.where(in_jump, step, 0.0)
        net = paths.place_yx_um[:, -1]
        far = np.hypot(*net.T)
        distance += float(step.sum())
        moment += float((step**2).sum()) / TRUE_STEP_H
        net_um += float(far[paths.jumps & (step.sum(axis=1) > 0)].sum())
        cells += CHUNK
        units.append(net[far >= LEAST_LENGTH_UM] / far[far >= LEAST_LENGTH_UM, None])
    known = true_numbers(world)
    turn = math.radians(world.axis_deg)
    y, x = np.concatenate(units).mean(axis=0) if world.kappa and distance else (0.0, 0.0)
    along, across = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    return {
        "frequency_corrected_per_h": known["frequency_per_h"],
        "mean_length_corrected_um": known["length_um"],
        "mobile_speed_corrected_um_per_h": moment / distance if distance else math.nan,
        "mean_pause_corrected_h": known["pause_h"],
        "pause_fraction_corrected": known["pause_fraction"],
        "average_speed_corrected_um_per_h": distance / (cells * world.hours),
        "rms_speed_1h_um_per_h": known["rms_speed_1h_um_per_h"],
        "straightness_corrected": net_um / distance if distance else math.nan,
        "saltating_share": known["saltating_share"],
        "velocity_along_um_per_h": known["velocity_along_axis_um_per_h"] if world.kappa else 0.0,
        "mean_cosine": float(along),
        "resultant_corrected": math.hypot(along, across),
        "mean_direction_deg": 0.0 if world.kappa else math.nan,
    }


def measured(condition: Condition, *, seed: int) -> Summary:
    """One simulated movie, measured as a user's."""
    tracks, _ = simulate_world(condition.world, seed=seed)
    found = migration_of(tracks, drift=condition.drift, axis_deg=condition.world.axis_deg)
    return summarize(found.cells, seed=seed, resamples=RESAMPLES)


def score_corrected(condition: Condition, *, replicates: int, seed: int = 0) -> pd.DataFrame:
    """Bias, coverage and the share of experiments in which a number is estimated; one row per number.

    Coverage is that of the intervals that are given; ``wrong`` is the share of all experiments whose interval does not
    hold the true value.
    """
    true_values = truth(replace(condition.world, name="", n_cells=1, interval_min=1.0))
    summaries = [measured(condition, seed=seed + i) for i in range(replicates)]
    rows = []
    for name in condition.numbers:
        found = [summary.numbers[name] for summary in summaries]
        value, low, high = np.array([(e.value, e.low, e.high) for e in found]).T
        true_value = true_values[name]
        given = np.isfinite(low)
        held = (low <= true_value) & (true_value <= high)
        known = value[given]
        bias = bias_of(known, true_value=true_value)["bias"] if known.size and true_value else math.nan
        rows.append(
            {
                "factor": condition.part,
                "level": condition.level,
                "interval_min": condition.world.interval_min,
                "number": name,
                "truth": true_value,
                "bias": float(known.mean()) - true_value if name in ABSOLUTE and known.size else bias,
                **coverage_of(held[given]),
                "wrong": float((given & ~held).mean()),
                "estimated": float(given.mean()),
                "replicates": replicates,
            }
        )
    return pd.DataFrame(rows)


def corrected_markdown(scores: pd.DataFrame, part: str) -> str:
    """The table of one part: bias, coverage of the intervals given, share of experiments that give one."""
    some = scores[scores["factor"] == part]
    numbers = list(dict.fromkeys(some["number"]))
    head = ["world", "frames", *(HEADINGS[name] for name in numbers)]
    lines = []
    for (level, minutes), rows in some.groupby(["level", "interval_min"], sort=False):
        by = rows.set_index("number")
        cells = [_cell(by.loc[name], absolute=name in ABSOLUTE) for name in numbers]
        lines.append([str(level), f"{minutes:g} min", *cells])
    return table(head, lines)


def _cell(row: pd.Series, *, absolute: bool) -> str:
    """``+3 %, 0.95``; with the share of experiments where the number is not always estimated."""
    if row["estimated"] == 0:
        return "not estimated"
    bias = f"{row['bias']:+.2g}" if absolute else f"{100 * row['bias']:+.0f} %"
    bias = "–" if math.isnan(row["bias"]) else bias.replace("-", "−")
    sometimes = "" if row["estimated"] >= 1 else f" (in {100 * row['estimated']:.0f} %)"
    return f"{bias}, {row['coverage']:.2f}{sometimes}"
