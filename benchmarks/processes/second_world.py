"""A second world of cells with processes, which shares no code and few assumptions with SomaNet's simulation.

Processes taper, and wind by von Mises steps; they are beaded, with gaps; some branch; the growth cone is a soft sheet,
or missing. Fibres without a soma cross the field, tissue is hazy, and cells walk persistently without jumps, their
leading process within some 20° of where they go. Everything is drawn as points of light that are blurred.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from somanet.core.calibration import Calibration

Floats = NDArray[np.float64]

CALIBRATION = Calibration(0.65, 10.0)
STEP_UM = 0.3
WIDTHS_UM = (0.5, 0.9, 1.4, 2.5)
"""Gaussian scales of what is drawn; a point of light goes to the nearest."""


@dataclass(frozen=True)
class World:
    """A movie and its truth: ``tracks`` and ``true`` have the columns that SomaNet's have."""

    frames_TYX: NDArray[np.uint16]
    labels_TYX: NDArray[np.int32]
    tracks: pd.DataFrame
    true: pd.DataFrame


@dataclass
class _Process:
    turns: Floats
    beads: Floats
    widths: Floats
    branches: list[tuple[float, float, Floats]]
    cone: float
    length_um: Floats
    offset_rad: Floats


def _process(rng: np.random.Generator, n_frames: int, *, mean_um: float) -> _Process:
    """Its course is drawn once and longer than needed; each frame shows as much as it is long then."""
    n = int(250 / STEP_UM)
    log_length = np.log(mean_um) + 0.35 * rng.standard_normal() + 0.04 * np.cumsum(rng.standard_normal(n_frames))
    beads = 1 + 0.6 * gaussian_filter(rng.standard_normal(n), 5, mode="wrap") / 0.24
    for start in rng.integers(0, n, rng.poisson(n * STEP_UM / 60)):  # a gap every 60 µm, 2 to 5 µm long
        beads[start : start + int(rng.uniform(2, 5) / STEP_UM)] = 0.0
    branches = [
        (
            rng.uniform(0.35, 0.8),
            rng.choice([-1, 1]) * rng.uniform(0.5, 1.2),
            rng.vonmises(0, 600, int(rng.uniform(8, 20) / STEP_UM)),
        )
        for _ in range(rng.poisson(0.7))
    ]
    return _Process(
        turns=rng.vonmises(0.0, 1500.0, n),  # 1.5° a step: some 20° over 50 µm
        beads=np.clip(beads, 0, 2),
        widths=rng.uniform(0.7, 1.3) * np.linspace(1.5, 0.5, n),
        branches=branches,
        cone=float(rng.choice([0.0, rng.uniform(3, 7)], p=[0.3, 0.7])),
        length_um=np.clip(np.exp(log_length), 12, 200),
        offset_rad=0.3 * rng.standard_normal() + 0.02 * np.cumsum(rng.standard_normal(n_frames)),
    )


def _course(start_um: Floats, angle: float, turns: Floats) -> Floats:
    angles = angle + np.cumsum(turns)
    return start_um + STEP_UM * np.cumsum(np.stack([np.sin(angles), np.cos(angles)], axis=1), axis=0)


class _Canvas:
    """Light of points in one layer for each width."""

    def __init__(self, shape: tuple[int, int], pixel_um: float) -> None:
        self.layers = np.zeros((len(WIDTHS_UM), *shape))
        self.pixel_um = pixel_um

    def add(self, points_um: Floats, width_um: Floats | float, light: Floats | float) -> None:
        place = np.rint(points_um / self.pixel_um).astype(int)
        inside = ((place >= 0) & (place < self.layers.shape[1:])).all(axis=1)
        width = np.broadcast_to(width_um, len(place))
        layer = np.abs(width[:, None] - np.array(WIDTHS_UM)).argmin(axis=1)
        index = (layer[inside], *place[inside].T)
        np.add.at(self.layers, index, np.broadcast_to(light, len(place))[inside])

    def picture(self) -> Floats:
        """A line of light 1 per µm has 1 in its middle, whatever its width."""
        total = np.zeros(self.layers.shape[1:])
        for width, layer in zip(WIDTHS_UM, self.layers, strict=True):
            total += gaussian_filter(layer, width / self.pixel_um) * width * np.sqrt(2 * np.pi) / self.pixel_um**2
        return total


def second_world(
    seed: int, *, n_frames: int = 18, shape: tuple[int, int] = (480, 560), n_cells: int = 12, haze: float = 150.0
) -> World:
    """A movie of the second world.

    Args:
        seed: of everything.
        n_frames: 10 minutes apart.
        shape: in pixels of 0.65 µm.
        n_cells: in the field at first.
        haze: standard deviation of the light of tissue, in counts.
    """
    rng = np.random.default_rng(seed)
    pixel = CALIBRATION.pixel_size_um
    extent = np.array(shape) * pixel
    # A persistent walk: the heading diffuses by 0.15 rad a frame, the speed is that of the cell.
    heading = rng.uniform(-np.pi, np.pi, n_cells)[:, None] + np.cumsum(
        0.15 * rng.standard_normal((n_cells, n_frames)), 1
    )
    speed = rng.choice([3.0, 30.0], n_cells, p=[0.15, 0.85]) * rng.uniform(0.6, 1.4, n_cells)
    steps = (speed * CALIBRATION.frame_interval_h)[:, None, None] * np.stack([np.sin(heading), np.cos(heading)], axis=2)
    place = rng.uniform(0.08, 0.92, (n_cells, 1, 2)) * extent + np.cumsum(steps, axis=1)
    radii = rng.uniform(6, 9, (n_cells, 1)) * np.array([1.25, 0.85])
    brightness = 1500 * np.exp(0.7 * rng.standard_normal(n_cells))
    share = rng.uniform(0.15, 0.5, n_cells)
    leading = [_process(rng, n_frames, mean_um=50) for _ in range(n_cells)]
    trailing = [_process(rng, n_frames, mean_um=25) if rng.random() < 0.5 else None for _ in range(n_cells)]
    fibres = [
        (
            _course(rng.uniform(0, 1, 2) * extent, rng.uniform(-np.pi, np.pi), rng.vonmises(0, 1500, 500)),
            rng.uniform(60, 200),
        )
        for _ in range(4)
    ]
    fog = gaussian_filter(rng.standard_normal(shape), 12 / pixel)
    background = 800 + haze * fog / fog.std()
    y, x = np.mgrid[: shape[0], : shape[1]] * pixel
    frames, labels = np.zeros((n_frames, *shape), np.uint16), np.zeros((n_frames, *shape), np.int32)
    rows, tracks = [], []
    for t in range(n_frames):
        canvas = _Canvas(shape, pixel)
        for points, light in fibres:
            canvas.add(points, 0.5, light * STEP_UM)
        somas = np.zeros(shape)
        for cell in range(n_cells):
            centre, angle = place[cell, t], heading[cell, t]
            along = (y - centre[0]) * np.sin(angle) + (x - centre[1]) * np.cos(angle)
            across = (y - centre[0]) * np.cos(angle) - (x - centre[1]) * np.sin(angle)
            mask = (along / radii[cell, 0]) ** 2 + (across / radii[cell, 1]) ** 2 <= 1
            labels[t][mask & (labels[t] == 0)] = cell + 1
            somas = np.maximum(somas, mask * brightness[cell])
        for cell in range(n_cells):
            centre = place[cell, t]
            mask = labels[t] == cell + 1
            seen = mask.sum() * pixel**2 > 0.3 * np.pi * radii[cell].prod()
            if not seen:
                labels[t][mask] = 0
            else:
                px = centre / pixel
                tracks.append((cell + 1, t, float(CALIBRATION.hours(t)), *px, *centre))
            for role, process, back in (("leading", leading[cell], 0.0), ("trailing", trailing[cell], np.pi)):
                if process is None:
                    continue
                line = _draw(canvas, process, t, centre, heading[cell, t] + back, brightness[cell] * share[cell])
                if seen:
                    rows.append(_truth(line, mask, centre, cell + 1, t, role, pixel))
        light = background + gaussian_filter(somas, 0.8 / pixel) + canvas.picture()
        frames[t] = np.clip(rng.normal(light, np.sqrt(0.6 * light + 12**2)), 0, 65535)
    names = ("track_id", "frame", "t_h", "y_px", "x_px", "y_um", "x_um")
    return World(frames, labels, pd.DataFrame(tracks, columns=list(names)), pd.DataFrame(rows))


def _draw(canvas: _Canvas, process: _Process, t: int, centre: Floats, heading: float, light: float) -> Floats:
    """Draw a process and give its line, which begins in the soma."""
    n = int((process.length_um[t] + 6.0) / STEP_UM)
    line = _course(centre, heading + process.offset_rad[t], process.turns[:n])
    canvas.add(line, process.widths[:n], light * STEP_UM * process.beads[:n])
    for at, angle, turns in process.branches:
        k = int(at * n)
        before = line[k] - line[k - 1]
        branch = _course(line[k], np.arctan2(*before) + angle, turns)
        canvas.add(branch, 0.5, 0.7 * light * STEP_UM)
    if process.cone:
        rng = np.random.default_rng(t)
        sheet = line[-1] + process.cone * rng.standard_normal((400, 2)) * 0.6
        canvas.add(sheet, 1.4, light * process.cone / 60)
    return line


def _truth(
    line: Floats, mask: NDArray[np.bool_], centre: Floats, track: int, t: int, role: str, pixel: float
) -> dict[str, object]:
    place = np.rint(line / pixel).astype(int)
    within = ((place >= 0) & (place < mask.shape)).all(axis=1)
    inside = np.zeros(len(line), bool)
    inside[within] = mask[tuple(place[within].T)]
    first = int(np.flatnonzero(inside).max()) + 1 if inside.any() else 0
    towards = line[-1] - centre
    return {
        "track_id": track,
        "frame": t,
        "role": role,
        "length_um": (len(line) - first) * STEP_UM,
        "direction_deg": float(np.degrees(np.arctan2(towards[0], towards[1]))),
        "tip_y_px": line[-1, 0] / pixel,
        "tip_x_px": line[-1, 1] / pixel,
        "in_view": int(within.all()),
    }
