"""Frames, masks and the nucleus channel of one movie, drawn cell by cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.simulation.camera import NUCLEUS_READ_NOISE, bleaching, expose, illumination
from somanet.simulation.cells import Cell
from somanet.simulation.patches import blur
from somanet.simulation.scenery import Prop
from somanet.simulation.settings import NeuronSettings
from somanet.simulation.tissue import scattered, tissue_haze

# A sliver of a soma at the border is no soma to a person who labels: less than this share is left out.
LEAST_VISIBLE_SHARE = 0.15


def render_movie(
    seeds: np.random.SeedSequence,
    t_h: NDArray[np.float64],
    *,
    cells: list[Cell],
    scenery: list[Prop],
    drift_yx_um: NDArray[np.float64],
    shape_YX: tuple[int, int],
    calibration: Calibration,
    settings: NeuronSettings,
) -> tuple[NDArray[np.uint16], NDArray[np.int32], NDArray[np.uint16]]:
    """Draw every frame.

    Returns:
        frames_TYX uint16, labels_TYX int32 (value = place in ``cells`` + 1, 0 = background), nucleus_TYX
        uint16.
    """
    for_light, for_noise, for_nucleus, for_haze = (np.random.default_rng(s) for s in seeds.spawn(4))
    pixel = calibration.pixel_size_um
    lamp = illumination(for_light, shape_YX, falloff=settings.illumination_falloff)
    left = bleaching(t_h, settings)
    haze = tissue_haze(for_haze, shape_YX, pixel_size_um=pixel, settings=settings)
    size = (t_h.size, *shape_YX)
    frames, nuclei = np.zeros(size, np.uint16), np.zeros(size, np.uint16)
    labels = np.zeros(size, np.int32)
    for t, time_h in enumerate(t_h.tolist()):
        light, nucleus = np.zeros(shape_YX, np.float32), np.zeros(shape_YX, np.float32)
        for prop in scenery:
            prop.add_to(light, t=t, drift_yx_um=drift_yx_um[t], pixel_size_um=pixel)
        deepest = np.zeros(shape_YX, np.float32)
        for number, cell in enumerate(cells, start=1):
            for patch in cell.draw_processes(t, time_h, pixel, shape_YX):
                patch.add_to(light)
            if not _in_reach(cell, t, pixel, shape_YX):
                continue
            soma = cell.draw_soma(t, pixel)
            soma.light.add_to(light)
            cell.draw_nucleus(t, pixel, diameter_fraction=settings.nucleus_diameter_fraction).add_to(nucleus)
            both = soma.light.slices(shape_YX)
            if both is None or soma.mask[both[1]].sum() < LEAST_VISIBLE_SHARE * soma.mask.sum():
                continue
            # Where somas cross, a pixel belongs to the one it lies deeper in.
            wins = soma.mask[both[1]] & (soma.depth[both[1]] > deepest[both[0]])
            labels[t][both[0]][wins] = number
            deepest[both[0]][wins] = soma.depth[both[1]][wins]
        light = blur(scattered(light, pixel_size_um=pixel, settings=settings), settings.psf_sigma_um / pixel)
        light = (light + settings.background_counts + haze) * lamp * left[t]
        frames[t] = expose(
            for_noise,
            light,
            counts_per_photon=settings.counts_per_photon,
            read_noise=settings.read_noise_counts,
            saturation=settings.saturation_counts,
        )
        nuclei[t] = expose(
            for_nucleus,
            nucleus * lamp * left[t] + settings.nucleus_background_counts,
            # The dark level is the camera's offset: it carries no shot noise, and few photons reach it.
            counts_per_photon=0.0,
            read_noise=settings.read_noise_counts * NUCLEUS_READ_NOISE,
            saturation=settings.saturation_counts,
        )
    return frames, labels, nuclei


def _in_reach(cell: Cell, t: int, pixel_size_um: float, shape_YX: tuple[int, int]) -> bool:
    """Whether any light of the soma may fall into the frame."""
    reach = 4 * cell.radius_um[t] + cell.nucleus_lag_um[t] + 4 * cell.soma.defocus_um
    centre = cell.centre_yx_um[t]
    extent = np.array(shape_YX) * pixel_size_um
    return bool((centre > -reach).all() and (centre < extent + reach).all())
