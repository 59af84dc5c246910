"""Leading and trailing processes with growth cones: bundles of thin lines, never part of a soma's mask."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from somanet.simulation.patches import Patch, blur
from somanet.simulation.settings import NeuronSettings

Floats = NDArray[np.float64]

OVERSAMPLING = 2
_FRACTION_BITS = 4


@dataclass(frozen=True)
class Filopodia:
    """Spikes of a growth cone or along a process; each waxes and wanes at its own pace.

    Attributes:
        along: (n,) where on its stem a spike sits, 0 ... 1.
        stem: (n,) which stem: -1 the process itself, else the cone's branch.
        angle_rad: (n,) direction against the stem.
        length_um: (n,) greatest length.
        period_h, phase_rad: (n,) of the waxing and waning.
    """

    along: Floats
    stem: NDArray[np.int64]
    angle_rad: Floats
    length_um: Floats
    period_h: Floats
    phase_rad: Floats


@dataclass(frozen=True)
class ProcessLook:
    """What stays the same in one process over the movie; angles are against the cell's heading.

    ``bend`` is the sideways offset of the tip over the length, ``waves`` the amplitude (µm) and phase of the
    1st, 2nd and 3rd sideways wave along it.
    """

    direction_rad: float
    length_um: float
    width_um: float
    bend: float
    waves: tuple[tuple[float, float], ...]
    branch_angles_rad: Floats
    branch_lengths_um: Floats
    filopodia: Filopodia
    brightness: float


def random_process(rng: np.random.Generator, settings: NeuronSettings, *, trailing: bool) -> ProcessLook:
    """Draw one process. A trailing one is thinner and has a small cone."""
    scale = 0.5 if trailing else 1.0
    n_branches = int(rng.integers(2, 6)) if not trailing else 1
    n_cone = int(rng.poisson(settings.filopodia_per_cone * scale))
    n_stem = int(rng.poisson(settings.filopodia_per_cone * 0.5))
    n = n_cone + n_stem
    stem = np.concatenate([rng.integers(0, n_branches, n_cone), np.full(n_stem, -1)])
    return ProcessLook(
        direction_rad=(np.pi if trailing else 0.0) + rng.normal(0.0, 0.25),
        length_um=settings.process_length_um * scale * np.exp(0.5 * rng.standard_normal()),
        width_um=settings.process_width_um * (0.6 if trailing else 1.0) * np.exp(0.25 * rng.standard_normal()),
        bend=rng.normal(0.0, 0.35),
        waves=tuple((rng.normal(0.0, 2.0) / k, rng.uniform(0, 2 * np.pi)) for k in (1, 2, 3)),
        branch_angles_rad=np.linspace(-1.0, 1.0, n_branches) + rng.normal(0.0, 0.3, n_branches),
        branch_lengths_um=rng.uniform(8.0, 24.0, n_branches) * scale,
        filopodia=Filopodia(
            along=np.where(stem < 0, rng.uniform(0.3, 1.0, n), rng.uniform(0.1, 1.0, n)),
            stem=stem,
            angle_rad=rng.choice([-1.0, 1.0], n) * rng.uniform(0.5, 1.4, n),
            length_um=np.where(stem < 0, rng.uniform(3.0, 8.0, n), rng.uniform(4.0, 13.0, n)),
            period_h=rng.uniform(0.5, 2.0, n),
            phase_rad=rng.uniform(0, 2 * np.pi, n),
        ),
        brightness=settings.process_brightness * (0.7 if trailing else 1.0) * rng.uniform(0.5, 1.2),
    )


def _unit(angle: Floats | float) -> Floats:
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1)


def draw_process(
    look: ProcessLook,
    *,
    base_yx_px: Floats,
    soma_radius_px: float,
    heading_rad: float,
    length_factor: float,
    bend_change: float,
    time_h: float,
    pixel_size_um: float,
    shape_YX: tuple[int, int],
    defocus_px: float,
    brightness: float,
) -> Patch | None:
    """Draw one process of a cell in one frame; None where it does not reach the frame.

    Args:
        look: the process.
        base_yx_px: the soma's centre.
        soma_radius_px: the process begins at this distance from it.
        heading_rad: the cell's heading.
        length_factor: present length over mean length.
        bend_change: added to the mean bend (sideways offset over length).
        time_h: decides how far each filopodium is out.
        pixel_size_um: to draw lengths in µm.
        shape_YX: the frame's size; what lies outside is not computed.
        defocus_px: blur of the cell.
        brightness: of the cell's soma, in counts.
    """
    angle = heading_rad + look.direction_rad
    ahead, aside = _unit(angle), _unit(angle + np.pi / 2)
    length = look.length_um * length_factor / pixel_size_um
    bend = look.bend + bend_change
    s = np.linspace(0.0, 1.0, 17)[:, None]
    # A cubic side step: the process leaves the soma along `ahead` and ends parallel to it, to one side.
    ripple = sum(a * np.sin(2 * np.pi * k * s + phase) for k, (a, phase) in enumerate(look.waves, start=1))
    sideways = length * bend * s**2 * (1.5 - s) + s * ripple / pixel_size_um
    stem = base_yx_px + (soma_radius_px + length * s) * ahead + sideways * aside
    branch_ends = stem[-1] + _unit(angle + look.branch_angles_rad) * (look.branch_lengths_um[:, None] / pixel_size_um)
    spikes = _spikes(look, stem, branch_ends, angle, time_h, pixel_size_um)

    points = np.concatenate([stem, branch_ends, spikes.reshape(-1, 2)])
    pad = 3 + int(np.ceil(3 * defocus_px + look.width_um / pixel_size_um))
    low = np.maximum(np.floor(points.min(axis=0)).astype(int) - pad, -pad)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + pad, np.array(shape_YX) + pad)
    if (high <= low + 2 * pad).any():
        return None
    height, width = (high - low).tolist()
    canvas = np.zeros((height * OVERSAMPLING, width * OVERSAMPLING), np.uint8)

    def lines(curves: Floats, width_um: float, value: float) -> None:
        fine = ((curves[..., ::-1] - low[::-1] + 0.5) * OVERSAMPLING - 0.5) * (1 << _FRACTION_BITS)
        thick = width_um / pixel_size_um * OVERSAMPLING
        # A line is at least one fine pixel wide; a thinner one is drawn dimmer instead.
        grey = int(np.clip(255 * value * min(1.0, thick), 1, 255))
        cv2.polylines(
            canvas,
            list(np.rint(fine).astype(np.int32)),
            False,
            grey,
            max(1, round(thick)),
            cv2.LINE_AA,
            _FRACTION_BITS,
        )

    lines(spikes[::2], 0.8, 0.5)
    lines(spikes[1::2], 1.0, 0.85)
    lines(np.stack([np.broadcast_to(stem[-1], branch_ends.shape), branch_ends], axis=1), look.width_um, 0.9)
    # The cone's palm is wide, the stem behind it thin, and it widens again into the soma.
    for first, last, factor, value in (
        (14, 17, 1.2, 0.9),
        (4, 15, 0.65, 0.6),
        (2, 5, 1.0, 0.7),
        (0, 3, 1.6, 0.8),
    ):
        lines(stem[None, first:last], look.width_um * factor, value)
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    light = small.astype(np.float32) * np.float32(brightness * look.brightness / 255)
    return Patch(int(low[0]), int(low[1]), blur(light, defocus_px))


def _spikes(
    look: ProcessLook,
    stem: Floats,
    branch_ends: Floats,
    angle: float,
    time_h: float,
    pixel_size_um: float,
) -> Floats:
    """(n, 2, 2) start and end of every filopodium."""
    f = look.filopodia
    on_stem = f.stem < 0
    whole = f.along * (len(stem) - 1)
    branch = np.maximum(f.stem, 0)
    start = np.where(
        on_stem[:, None],
        stem[np.round(whole).astype(int)],
        stem[-1] + f.along[:, None] * (branch_ends[branch] - stem[-1]),
    )
    direction = np.where(on_stem, angle, angle + look.branch_angles_rad[branch]) + f.angle_rad
    out = 0.55 + 0.45 * np.sin(2 * np.pi * time_h / f.period_h + f.phase_rad)
    return np.stack([start, start + _unit(direction) * (f.length_um * out / pixel_size_um)[:, None]], axis=1)
