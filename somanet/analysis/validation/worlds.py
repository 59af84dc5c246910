"""Worlds that nothing was tuned on: cells that move otherwise than :mod:`somanet.simulation` has it.

A second simulator, with other assumptions and no code of the first: jumps speed up and slow down, bend, and branch;
cells creep between jumps, or never rest; positions err with a memory; cells differ; tracks break and swap; the scene
turns. What a world is, is here; its cells' paths are in :mod:`somanet.analysis.validation.world_paths`, their tracks in
:mod:`somanet.analysis.validation.world_tracks`, and what is true of them in
:mod:`somanet.analysis.validation.world_truth`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from somanet.migration.kinematics import Floats


@dataclass(frozen=True)
class World:
    """How cells move and how they are seen.

    Attributes:
        name: in a table.
        interval_min: between frames.
        hours: length of the movie.
        n_cells: in it.
        resting_share: cells that never jump.
        walking_share: cells that never rest: persistent walks of changing speed.
        pause_h: mean pause of the median cell.
        pause_cv: spread of a cell's pauses (gamma): 1 is exponential, below it regular, above it in bursts.
        length_um, length_cv: net displacement of jumps (gamma).
        speed_um_per_h, speed_cv: net displacement over duration of a jump (gamma).
        rise, fall: speed within a jump, ∝ u^(rise - 1)·(1 - u)^(fall - 1) at the share u of its time; 1, 1 is even.
        arc_deg: a jump bends by as much as this, either way.
        turn_sd_deg: change of heading from jump to jump.
        branch_share: chance that a jump takes another branch, 70° aside.
        kappa: concentration of a cell's jumps around the axis (von Mises); 0 where headings follow one another instead.
        axis_deg: that axis; 0 = right, 90 = down.
        creep_um_per_h: cells creep in pauses at 0 to this speed, each at its own.
        walk_um_per_h, walk_log_sd, walk_persistence_h: median speed of walks, its spread in time, and the time for
            which a walk keeps speed and heading.
        cell_log_sd: spread between cells (log-normal) of mean pause, and half of it of mean length and speed.
        noise_um: error of positions, sd per axis.
        noise_freedom: degrees of freedom of Student's t that errors follow, of the same sd; 0 for normal ones.
        noise_memory_h: time over which the error is forgotten (AR(1)); 0 for none.
        breaks_per_h: how often a track breaks, with one frame lost; four times as often in a jump.
        swaps_per_h: how often the two cells of a pair swap their tracks.
        rotation_deg_per_h: of the scene about its centre.
        drift_um_per_h: of the scene, towards the lower right.
    """

    name: str = "base"
    interval_min: float = 10.0
    hours: float = 12.0
    n_cells: int = 30
    resting_share: float = 0.15
    walking_share: float = 0.0
    pause_h: float = 1.5
    pause_cv: float = 1.0
    length_um: float = 25.0
    length_cv: float = 0.35
    speed_um_per_h: float = 75.0
    speed_cv: float = 0.2
    rise: float = 1.0
    fall: float = 1.0
    arc_deg: float = 0.0
    turn_sd_deg: float = 25.0
    branch_share: float = 0.0
    kappa: float = 0.0
    axis_deg: float = 0.0
    creep_um_per_h: float = 0.0
    walk_um_per_h: float = 25.0
    walk_log_sd: float = 0.5
    walk_persistence_h: float = 1.0
    cell_log_sd: float = 0.0
    noise_um: float = 0.5
    noise_freedom: float = 0.0
    noise_memory_h: float = 0.0
    breaks_per_h: float = 0.0
    swaps_per_h: float = 0.0
    rotation_deg_per_h: float = 0.0
    drift_um_per_h: float = 0.0

    @property
    def rests(self) -> bool:
        """Whether there are saltations to speak of: cells jump and, between jumps, rest or creep slowly."""
        return self.walking_share < 0.5 and self.creep_um_per_h <= 6.0

    @property
    def times_h(self) -> Floats:
        """Times of the frames."""
        step = self.interval_min / 60
        return np.arange(round(self.hours / step) + 1, dtype=np.float64) * step


BASE = World()
WORLDS: tuple[World, ...] = (
    BASE,
    replace(BASE, name="accelerating", rise=1.4, fall=3.0),
    replace(BASE, name="ramps", rise=2.0, fall=2.0),
    replace(
        BASE, name="ramps, outliers, creep", rise=2.0, fall=2.0, noise_um=0.6, noise_freedom=3.0, creep_um_per_h=4.0
    ),
    replace(BASE, name="outliers", noise_um=0.6, noise_freedom=3.0),
    replace(BASE, name="arcs", arc_deg=120.0),
    replace(BASE, name="branches", branch_share=0.4, turn_sd_deg=15.0),
    replace(BASE, name="creep to 5 µm/h", creep_um_per_h=5.0),
    replace(BASE, name="creep to 15 µm/h", creep_um_per_h=15.0),
    replace(BASE, name="noise 0.3 µm, memory", noise_um=0.3, noise_memory_h=0.25),
    replace(BASE, name="noise 1 µm", noise_um=1.0),
    replace(BASE, name="noise 1.5 µm, memory", noise_um=1.5, noise_memory_h=0.25),
    replace(BASE, name="noise 2.5 µm, memory", noise_um=2.5, noise_memory_h=0.25),
    replace(BASE, name="cells differ", cell_log_sd=0.8),
    replace(BASE, name="a third never rests", walking_share=0.33),
    replace(BASE, name="none rests", walking_share=1.0, resting_share=0.0),
    replace(BASE, name="bursts", pause_cv=1.5),
    replace(BASE, name="regular", pause_cv=0.4),
    replace(BASE, name="breaks", breaks_per_h=0.1),
    replace(BASE, name="swaps", swaps_per_h=0.05),
    replace(BASE, name="rotation", rotation_deg_per_h=0.3),
    replace(
        BASE, name="much at once", rise=1.4, fall=3.0, arc_deg=60.0, branch_share=0.2, creep_um_per_h=4.0,
        cell_log_sd=0.5, noise_um=0.8, noise_memory_h=0.1, breaks_per_h=0.05,
    ),
)  # fmt: skip
"""One thing differs from the base in each, all of it a little in the last."""


def random_world(rng: np.random.Generator, *, name: str = "random") -> World:
    """A world with every property drawn at random, most of them plain: what a lab's movie may be."""

    def some(chance: float, value: float, otherwise: float = 0.0) -> float:
        return value if rng.random() < chance else otherwise

    return World(
        name=name,
        interval_min=float(rng.choice([5.0, 10.0, 12.0, 15.0, 20.0])),
        hours=float(rng.choice([8.0, 12.0, 16.0])),
        n_cells=int(rng.integers(12, 60)),
        resting_share=float(rng.uniform(0, 0.4)),
        walking_share=some(0.35, float(rng.uniform(0.2, 1.0))),
        pause_h=float(np.exp(rng.uniform(np.log(0.6), np.log(4.0)))),
        pause_cv=some(0.4, float(rng.uniform(0.4, 1.6)), 1.0),
        length_um=float(rng.uniform(12, 45)),
        length_cv=float(rng.uniform(0.2, 0.7)),
        speed_um_per_h=float(rng.uniform(40, 120)),
        speed_cv=float(rng.uniform(0.1, 0.5)),
        rise=some(0.5, float(rng.uniform(1.0, 2.0)), 1.0),
        fall=some(0.5, float(rng.uniform(1.0, 3.0)), 1.0),
        arc_deg=some(0.4, float(rng.uniform(20, 120))),
        turn_sd_deg=float(rng.uniform(10, 60)),
        branch_share=some(0.4, float(rng.uniform(0.1, 0.5))),
        kappa=some(0.2, float(rng.uniform(1, 8))),
        axis_deg=float(rng.uniform(-180, 180)),
        creep_um_per_h=some(0.5, float(rng.uniform(1, 15))),
        walk_um_per_h=float(rng.uniform(10, 45)),
        walk_log_sd=float(rng.uniform(0.2, 0.9)),
        walk_persistence_h=float(rng.uniform(0.3, 3.0)),
        cell_log_sd=some(0.5, float(rng.uniform(0.2, 0.8))),
        noise_um=float(np.exp(rng.uniform(np.log(0.3), np.log(2.5)))),
        noise_memory_h=some(0.4, float(rng.uniform(0.05, 0.4))),
        breaks_per_h=some(0.4, float(rng.uniform(0.02, 0.15))),
        swaps_per_h=some(0.2, float(rng.uniform(0.01, 0.05))),
    )
