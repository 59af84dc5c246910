"""What tissue around the cells does to their image: light from out of focus, and scattering."""

from __future__ import annotations

import cv2
import numpy as np

from somanet.simulation.patches import FloatImage, blur
from somanet.simulation.settings import NeuronSettings

_OCTAVES = 3


def tissue_haze(
    rng: np.random.Generator, shape_YX: tuple[int, int], *, pixel_size_um: float, settings: NeuronSettings
) -> FloatImage | float:
    """Light of tissue out of focus in counts: patches of three sizes, each half as large as the one before.

    Log-normal, so that it is never negative and a few patches are as bright as a dim soma. 0 without haze.
    """
    if settings.haze_counts == 0:
        return 0.0
    texture = np.zeros(shape_YX, np.float32)
    for octave in range(_OCTAVES):
        grain_px = settings.haze_grain_um / pixel_size_um / 2**octave
        coarse = [max(3, int(side / max(grain_px, 1)) + 2) for side in shape_YX]
        noise = rng.standard_normal(coarse).astype(np.float32)
        texture += cv2.resize(noise, (shape_YX[1], shape_YX[0]), interpolation=cv2.INTER_CUBIC) / 2**octave
    texture = (texture - texture.mean()) / max(float(texture.std()), 1e-6)
    patches = np.exp(np.float32(0.5) * texture)
    return np.asarray(patches / patches.mean() * np.float32(settings.haze_counts), np.float32)


def scattered(light: FloatImage, *, pixel_size_um: float, settings: NeuronSettings) -> FloatImage:
    """The cells' light with a share of it spread into a wide glow; as it is without scattering."""
    if settings.scattered_share == 0:
        return light
    share = np.float32(settings.scattered_share)
    return (1 - share) * light + share * blur(light, settings.scatter_um / pixel_size_um)
