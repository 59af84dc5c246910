"""One cell's looks, its soma and its nucleus, drawn as patches."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from somanet.simulation.patches import FloatImage, Patch, blur
from somanet.simulation.settings import NeuronSettings
from somanet.simulation.shapes import Blob, coverage, outline, random_blob

# Brightness at the soma's edge over that in its middle: cells are thicker in the middle.
EDGE_BRIGHTNESS = 0.55


@dataclass(frozen=True)
class SomaLook:
    """What stays the same in one cell over the movie. Lengths in µm, brightness in counts."""

    blob: Blob
    radius_um: float
    brightness: float
    defocus_um: float
    nucleus_brightness: float


@dataclass(frozen=True)
class DrawnSoma:
    """A soma in one frame: its light, its mask, and how deep in the cell each pixel lies."""

    light: Patch
    mask: NDArray[np.bool_]
    depth: FloatImage


def random_soma(rng: np.random.Generator, settings: NeuronSettings) -> SomaLook:
    """Draw one cell's looks."""
    spread = np.log1p(settings.soma_diameter_cv**2) ** 0.5
    log_brightness = rng.standard_normal()
    look = SomaLook(
        blob=random_blob(
            rng,
            aspect=max(1.0, settings.soma_aspect * np.exp(0.12 * rng.standard_normal())),
            roughness=settings.soma_roughness,
            taper_front=rng.uniform(0.0, 0.5),
            taper_back=rng.uniform(0.0, 0.35),
        ),
        radius_um=settings.soma_diameter_um / 2 * np.exp(spread * rng.standard_normal()),
        brightness=settings.soma_brightness_counts * np.exp(settings.soma_brightness_log_sd * log_brightness),
        defocus_um=rng.exponential(settings.defocus_um),
        # Half of the spread is shared: a cell bright in one channel is often bright in the other.
        nucleus_brightness=settings.nucleus_brightness_counts
        * np.exp(0.6 * log_brightness + 0.6 * rng.standard_normal()),
    )
    is_dim = rng.random() < settings.dim_share  # the last draw, so that the share changes no other look
    return replace(look, brightness=look.brightness * settings.dim_brightness) if is_dim else look


def draw_soma(
    look: SomaLook,
    *,
    centre_yx_px: NDArray[np.floating],
    heading_rad: float,
    radius_px: float,
    stretch: float,
    lag_px: float,
    defocus_px: float,
) -> DrawnSoma:
    """A soma around its centre; while the nucleus lags, two equal bodies joined by a neck.

    The front body leads by the distance the rear body (with the nucleus) lags, so that the mask's centroid
    stays the soma's centre.
    """
    along = np.array([np.sin(heading_rad), np.cos(heading_rad)])
    # Two bodies of 0.75 of the radius have 1.1 times the area of one.
    apart = min(1.0, lag_px / radius_px)
    body = outline(look.blob, radius=radius_px * (1 - 0.25 * apart), angle=heading_rad, stretch=stretch)
    reach = int(np.ceil(np.abs(body).max() + lag_px + 3 * defocus_px)) + 3
    corner = np.floor(centre_yx_px).astype(int) - reach
    middle = centre_yx_px - corner
    curves = [body + middle]
    if lag_px > 0:
        across = np.array([along[1], -along[0]]) * 0.45 * radius_px
        ends = along * lag_px
        neck = np.stack([ends + across, ends - across, -ends - across, -ends + across])
        curves = [body + middle + ends, body + middle - ends, neck + middle]
    side = 2 * reach + 1
    covered = coverage(curves, (side, side))
    depth = blur(covered, radius_px / 2.2)
    profile = EDGE_BRIGHTNESS + (1 - EDGE_BRIGHTNESS) * depth / max(float(depth.max()), 1e-6)
    light = blur(covered * profile * np.float32(look.brightness), defocus_px)
    return DrawnSoma(Patch(int(corner[0]), int(corner[1]), light), covered > 0.5, depth)


def draw_nucleus(
    look: SomaLook,
    *,
    centre_yx_px: NDArray[np.floating],
    heading_rad: float,
    radius_px: float,
    defocus_px: float,
) -> Patch:
    """A nucleus: a smooth ellipse around its centre, in counts."""
    body = outline(Blob(aspect=1.25), radius=radius_px, angle=heading_rad)
    sigma = 0.35 * radius_px + defocus_px
    reach = int(np.ceil(np.abs(body).max() + 3 * sigma)) + 2
    corner = np.floor(centre_yx_px).astype(int) - reach
    covered = coverage([body + centre_yx_px - corner], (2 * reach + 1, 2 * reach + 1))
    return Patch(int(corner[0]), int(corner[1]), blur(covered, sigma) * np.float32(look.nucleus_brightness))
