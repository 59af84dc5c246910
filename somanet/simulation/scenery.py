"""What is in a movie besides the labelled somas: unlabelled neighbours, out-of-focus cells, bright specks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from somanet.simulation.motion import stage_drift
from somanet.simulation.patches import FloatImage, blur, shifted
from somanet.simulation.settings import NeuronSettings
from somanet.simulation.shapes import coverage, outline, random_blob

Floats = NDArray[np.float64]

UM2_PER_MM2 = 1e6


@dataclass(frozen=True)
class Prop:
    """A thing with a picture and a path: (T, 2) positions in µm, without stage drift."""

    path_yx_um: Floats
    picture: FloatImage

    def add_to(self, frame_YX: FloatImage, *, t: int, drift_yx_um: Floats, pixel_size_um: float) -> None:
        """Add the prop to a frame in place."""
        centre = (self.path_yx_um[t] + drift_yx_um) / pixel_size_um
        reach = np.array(self.picture.shape) / 2 + 2
        if (centre > -reach).all() and (centre < np.array(frame_YX.shape) + reach).all():
            shifted(self.picture, centre).add_to(frame_YX)


def _neighbour(rng: np.random.Generator, settings: NeuronSettings, pixel_size_um: float) -> FloatImage:
    """A cell without GFP: a dark rim, brighter on one side, a faint textured inside."""
    radius = settings.soma_diameter_um / 2 * rng.uniform(0.6, 1.1) / pixel_size_um
    tapers = rng.uniform(0.0, 1.0, 2) * (rng.random() < 0.4)
    blob = random_blob(rng, aspect=rng.uniform(1.0, 1.5), roughness=0.15, taper_front=tapers[0], taper_back=tapers[1])
    body = outline(blob, radius=radius, angle=rng.uniform(0, 2 * np.pi))
    reach = int(np.abs(body).max()) + 5
    side = 2 * reach + 1
    covered = coverage([body + reach], (side, side))
    edge_px = 0.9 / pixel_size_um
    soft = blur(covered, max(edge_px, 0.6))
    rim = 4 * soft * (1 - soft)
    light_from = rng.uniform(0, 2 * np.pi)
    shade_y, shade_x = np.gradient(blur(covered, max(1.5 * edge_px, 0.8)))
    shade = shade_y * np.sin(light_from) + shade_x * np.cos(light_from)
    texture = blur(rng.standard_normal((side, side)).astype(np.float32), 1.6 / pixel_size_um) * covered
    texture /= max(float(texture.std()), 1e-6)
    inside = rng.uniform(0.05, 0.9) * covered * blur(covered, radius / 3)
    strength = rng.uniform(0.3, 1.0)
    picture = strength * (-0.9 * rim + 1.6 * shade + 0.1 * texture) + inside
    return np.asarray(picture * settings.neighbour_contrast_counts, np.float32)


def _spot(sigma_px: float, peak: float) -> FloatImage:
    reach = int(np.ceil(3.5 * sigma_px)) + 1
    line = cv2.getGaussianKernel(2 * reach + 1, sigma_px)
    kernel = line @ line.T
    return np.asarray(kernel / kernel.max() * peak, np.float32)


def random_scenery(
    rng: np.random.Generator,
    t_h: Floats,
    *,
    extent_yx_um: Floats,
    pixel_size_um: float,
    settings: NeuronSettings,
) -> list[Prop]:
    """Draw everything that is not a labelled soma, in the field and one soma around it.

    Args:
        rng: source of chance.
        t_h: (T,) frame times.
        extent_yx_um: the field's height and width.
        pixel_size_um: to draw the pictures.
        settings: densities and brightness.
    """
    margin = settings.soma_diameter_um
    area_mm2 = float(np.prod(extent_yx_um + 2 * margin)) / UM2_PER_MM2

    def places(per_mm2: float) -> Floats:
        n = int(rng.poisson(per_mm2 * area_mm2))
        return rng.uniform(-margin, extent_yx_um + margin, (n, 2))

    props = []
    for place in places(settings.ghosts_per_mm2):
        sigma_px = rng.uniform(0.35, 1.0) * settings.soma_diameter_um / pixel_size_um
        walk = stage_drift(rng, t_h, um_per_h=settings.neighbour_motion_um_per_h)
        peak = settings.ghost_brightness_counts * rng.exponential()
        props.append(Prop(place + walk, _spot(sigma_px, peak)))
    for place in places(settings.neighbours_per_mm2):
        walk = stage_drift(rng, t_h, um_per_h=settings.neighbour_motion_um_per_h)
        props.append(Prop(place + walk, _neighbour(rng, settings, pixel_size_um)))
    for place in places(settings.debris_per_mm2):
        sigma_px = max(rng.uniform(0.5, 1.6) / pixel_size_um, 0.4)
        peak = settings.soma_brightness_counts * np.exp(rng.normal(-0.6, 0.9))
        props.append(Prop(np.broadcast_to(place, (t_h.size, 2)), _spot(sigma_px, peak)))
    return props
