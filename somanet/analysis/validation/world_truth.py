"""What is true of a world's cells: numbers that follow from jumps and paths by definition, not from a detector."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np

from somanet.analysis.validation.world_paths import FINE_H, simulate_paths
from somanet.analysis.validation.world_tracks import LEAST_JUMP_UM
from somanet.analysis.validation.worlds import World

TRUTH_CELLS = 3000
CHUNK = 250


@lru_cache(maxsize=256)
def _true_numbers(world: World) -> Mapping[str, float]:
    rng = np.random.default_rng(20260101)
    fine = np.linspace(0.0, world.hours, round(world.hours / FINE_H) + 1)
    sums: dict[str, float] = {}
    vectors = np.zeros(2)
    n_cells = 0
    for _ in range(TRUTH_CELLS // CHUNK):
        paths = simulate_paths(world, rng, n_cells=CHUNK, times_h=fine)
        n_cells += CHUNK
        begin, end, length = paths.start_h, np.minimum(paths.end_h, 1e6), paths.length_um
        saltation = (length >= LEAST_JUMP_UM) & paths.jumps[:, None]
        starts = saltation & (begin >= 0) & (begin < world.hours)
        inside = np.where(saltation, np.clip(end, 0, world.hours) - np.clip(begin, 0, world.hours), 0.0)
        net = paths.place_yx_um[:, -1]
        path = np.hypot(*np.diff(paths.place_yx_um, axis=1).transpose(2, 0, 1)).sum(axis=1)
        hour = round(1 / FINE_H)
        hourly = paths.place_yx_um[:, hour:] - paths.place_yx_um[:, :-hour]
        far = np.hypot(*net.T)
        moved = far > 0
        unit = np.divide(net, far[:, None], out=np.zeros_like(net), where=moved[:, None])
        saltates = starts.any(axis=1)
        pieces = {
            "n": float(starts.sum()),
            "length": float(length[starts].sum()),
            "duration": float((end - begin)[starts].sum()),
            "moving": float(inside.sum()),
            "pause": float((world.hours - inside.sum(axis=1))[saltates].sum()),
            "path": float(path.sum()),
            "hour": float(np.hypot(*hourly.transpose(2, 0, 1)).mean(axis=1).sum()),
            "hour2": float((hourly**2).sum(axis=2).mean(axis=1).sum()),
            "straight": float(np.divide(far, path, out=np.zeros_like(far), where=path > 0).sum()),
            "directed": float(moved.sum()),
            "saltating": float(saltates.sum()),
            "vy": float(net[:, 0].sum()),
            "vx": float(net[:, 1].sum()),
        }
        sums = {name: sums.get(name, 0.0) + value for name, value in pieces.items()}
        vectors += unit.sum(axis=0)
    hours = n_cells * world.hours

    def per(name: str, whole: float) -> float:
        return sums[name] / whole if whole else math.nan

    axis = np.array([math.sin(math.radians(world.axis_deg)), math.cos(math.radians(world.axis_deg))])
    velocity = np.array([sums["vy"], sums["vx"]]) / hours
    mean_unit = vectors / sums["directed"] if sums["directed"] else np.full(2, math.nan)
    return {
        "frequency_per_h": per("n", hours),
        "length_um": per("length", sums["n"]),
        "duration_h": per("duration", sums["n"]),
        "speed_um_per_h": per("length", sums["duration"]),
        "pause_h": per("pause", sums["n"]),
        "pause_fraction": 1 - per("moving", hours),
        "average_speed_um_per_h": per("path", hours),
        "net_speed_1h_um_per_h": per("hour", n_cells),
        "rms_speed_1h_um_per_h": math.sqrt(per("hour2", n_cells)),
        "straightness": per("straight", sums["directed"]),
        "saltating_share": per("saltating", n_cells),
        "velocity_y_um_per_h": float(velocity[0]),
        "velocity_x_um_per_h": float(velocity[1]),
        "velocity_along_axis_um_per_h": float(velocity @ axis),
        "resultant": float(np.hypot(*mean_unit)),
        "along_axis": float(mean_unit @ axis),
    }


def true_numbers(world: World) -> Mapping[str, float]:
    """What is true of a world's cells, on average over many of them; NaN where undefined (no cell jumps).

    - ``frequency_per_h``: jumps of at least 5 µm that start in the movie, over the time of all cells; ``length_um``,
      ``duration_h``: their mean net displacement and duration; ``speed_um_per_h``: sum of lengths over sum of
      durations; ``saltating_share``: cells that start one.
    - ``pause_h``: time outside such jumps of cells that start one, over the number of jumps; ``pause_fraction``: time
      outside them of all cells, walks included, over all time.
    - ``average_speed_um_per_h``: path at 1 min over time; ``straightness``: mean of cells of net displacement over
      path; ``net_speed_1h_um_per_h``, ``rms_speed_1h_um_per_h``: mean and root mean square of the displacement in an
      hour.
    - ``velocity_…``: mean net displacement over time, also along the axis; ``resultant``, ``along_axis``: of the
      directions of cells' net displacements. All of them without noise, breaks, swaps, rotation and drift.
    """
    plain = replace(
        world, name="", interval_min=1.0, n_cells=1, noise_um=0.0, noise_memory_h=0.0, breaks_per_h=0.0,
        swaps_per_h=0.0, rotation_deg_per_h=0.0, drift_um_per_h=0.0,
    )  # fmt: skip
    return _true_numbers(plain)
