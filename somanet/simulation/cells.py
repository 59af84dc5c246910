"""The migrating cells of one movie: where each is in every frame, in which shape, and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from somanet.simulation.motion import CellPath, simulate_path, soma_positions, wander
from somanet.simulation.patches import Patch
from somanet.simulation.processes import ProcessLook, draw_process, random_process
from somanet.simulation.scenery import UM2_PER_MM2
from somanet.simulation.settings import NeuronSettings
from somanet.simulation.somas import DrawnSoma, SomaLook, draw_nucleus, draw_soma, random_soma

Floats = NDArray[np.float64]

SHAPE_MEMORY_H = 1.5
# Cells start up to this far outside the field, so that some come in; farther ones would rarely arrive.
GREATEST_MARGIN_UM = 150.0


@dataclass(frozen=True)
class Cell:
    """One cell over the whole movie; arrays have one entry per frame, positions include the stage's drift."""

    path: CellPath
    soma: SomaLook
    processes: tuple[ProcessLook, ...]
    centre_yx_um: Floats
    heading_rad: Floats
    nucleus_lag_um: Floats
    radius_um: Floats
    stretch: Floats
    length_factor: Floats
    bend_change: Floats

    def draw_soma(self, t: int, pixel_size_um: float) -> DrawnSoma:
        """The soma in frame ``t``."""
        return draw_soma(
            self.soma,
            centre_yx_px=self.centre_yx_um[t] / pixel_size_um,
            heading_rad=float(self.heading_rad[t]),
            radius_px=float(self.radius_um[t]) / pixel_size_um,
            stretch=float(self.stretch[t]),
            lag_px=float(self.nucleus_lag_um[t]) / pixel_size_um,
            defocus_px=self.soma.defocus_um / pixel_size_um,
        )

    def draw_nucleus(self, t: int, pixel_size_um: float, *, diameter_fraction: float) -> Patch:
        """The nucleus in frame ``t``, behind the soma's centre while the cell jumps."""
        heading = float(self.heading_rad[t])
        behind = np.array([np.sin(heading), np.cos(heading)]) * self.nucleus_lag_um[t]
        return draw_nucleus(
            self.soma,
            centre_yx_px=(self.centre_yx_um[t] - behind) / pixel_size_um,
            heading_rad=heading,
            # Swelling is the cytoplasm's: the nucleus keeps its size.
            radius_px=self.soma.radius_um * diameter_fraction / pixel_size_um,
            defocus_px=self.soma.defocus_um / pixel_size_um,
        )

    def draw_processes(self, t: int, time_h: float, pixel_size_um: float, shape_YX: tuple[int, int]) -> list[Patch]:
        """The processes that reach the frame."""
        heading = float(self.heading_rad[t])
        ahead = np.array([np.sin(heading), np.cos(heading)]) * self.nucleus_lag_um[t]
        drawn = [
            draw_process(
                look,
                base_yx_px=(self.centre_yx_um[t] + ahead) / pixel_size_um,
                soma_radius_px=0.85 * float(self.radius_um[t]) / pixel_size_um,
                heading_rad=heading,
                length_factor=float(self.length_factor[t]),
                bend_change=float(self.bend_change[t]),
                time_h=time_h,
                pixel_size_um=pixel_size_um,
                shape_YX=shape_YX,
                defocus_px=self.soma.defocus_um / pixel_size_um,
                brightness=self.soma.brightness,
            )
            for look in self.processes
        ]
        return [patch for patch in drawn if patch is not None]


def _anchors(rng: np.random.Generator, *, extent_yx_um: Floats, duration_h: float, settings: NeuronSettings) -> Floats:
    """(N, 2) places at time 0: the asked density in the field and in a margin that cells come in from."""
    diameter = settings.soma_diameter_um
    cycle_h = settings.pause_mean_h + settings.jump_length_um / settings.jump_speed_um_per_h
    travel = settings.motile_fraction * settings.jump_length_um * duration_h / cycle_h
    margin = diameter / 2 + min(0.7 * travel, GREATEST_MARGIN_UM)
    field_mm2 = float(np.prod(extent_yx_um)) / UM2_PER_MM2
    outer_mm2 = float(np.prod(extent_yx_um + 2 * margin)) / UM2_PER_MM2
    n_inside = max(1, round(settings.somas_per_mm2 * field_mm2))
    n_outside = round(settings.somas_per_mm2 * (outer_mm2 - field_mm2))
    places: list[Floats] = []
    for i in range(n_inside + n_outside):
        inside = i < n_inside
        best, best_gap = np.zeros(2), -1.0
        beside = bool(places) and rng.random() < settings.touching_fraction
        for _ in range(30):
            if beside:
                angle = rng.uniform(0, 2 * np.pi)
                offset = diameter * rng.uniform(0.9, 1.1) * np.array([np.sin(angle), np.cos(angle)])
                place = places[int(rng.integers(len(places)))] + offset
            elif inside:
                place = rng.uniform(0.0, extent_yx_um)
            else:
                place = rng.uniform(-margin, extent_yx_um + margin)
            if inside != bool(((place >= 0) & (place <= extent_yx_um)).all()):
                continue
            gap = min((float(np.hypot(*(place - other))) for other in places), default=np.inf)
            if gap > best_gap:
                best, best_gap = place, gap
            if gap > (0.85 if beside else 1.6) * diameter:
                break
        if best_gap >= 0:
            places.append(best)
    return np.array(places)


def random_cells(
    seeds: np.random.SeedSequence,
    t_h: Floats,
    *,
    extent_yx_um: Floats,
    drift_yx_um: Floats,
    settings: NeuronSettings,
) -> list[Cell]:
    """Draw all cells of a movie.

    Every cell has its own streams of chance for motion, looks and processes, so that switching one effect off
    leaves the rest of the movie as it was.
    """
    place_seed, *_ = seeds.spawn(1)
    anchors = _anchors(
        np.random.default_rng(place_seed),
        extent_yx_um=extent_yx_um,
        duration_h=float(t_h[-1]),
        settings=settings,
    )
    cells = []
    for anchor, seed in zip(anchors, seeds.spawn(len(anchors)), strict=True):
        for_path, for_jitter, for_look, for_shape, for_process = (np.random.default_rng(s) for s in seed.spawn(5))
        path = simulate_path(for_path, anchor, duration_h=float(t_h[-1]), settings=settings)
        soma = random_soma(for_look, settings)
        swelling, heading, length, bend = wander(for_shape, t_h, memory_h=SHAPE_MEMORY_H, n=4).T
        processes = []
        if settings.process_length_um > 0:
            processes.append(random_process(for_process, settings, trailing=False))
            if for_process.random() < settings.trailing_fraction:
                processes.append(random_process(for_process, settings, trailing=True))
        cells.append(
            Cell(
                path=path,
                soma=soma,
                processes=tuple(processes),
                centre_yx_um=soma_positions(for_jitter, path, t_h, settings=settings) + drift_yx_um,
                heading_rad=path.heading(t_h)
                + np.where(path.jumping(t_h), 0.0, np.deg2rad(settings.wobble_sd_deg) * heading),
                nucleus_lag_um=path.nucleus_lag(t_h, greatest_um=settings.nucleus_lag_um),
                radius_um=soma.radius_um * np.exp(settings.swelling_sd * swelling),
                stretch=np.where(path.jumping(t_h), settings.stretch_in_jump, 1.0),
                length_factor=np.exp(settings.process_length_log_sd * length),
                bend_change=0.12 * bend,
            )
        )
    return cells
