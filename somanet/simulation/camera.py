"""From light to counts: illumination, bleaching, shot noise, read noise and saturation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from somanet.simulation.patches import FloatImage
from somanet.simulation.settings import NeuronSettings

# The nucleus channel of the measured movie is read at a higher gain and a tenth of the noise.
NUCLEUS_READ_NOISE = 0.1


def illumination(rng: np.random.Generator, shape_YX: tuple[int, int], *, falloff: float) -> FloatImage:
    """Share of the best light at each pixel: falls with the squared distance from a spot near the middle."""
    spot = rng.uniform(0.3, 0.6, 2)
    y = (np.arange(shape_YX[0]) / shape_YX[0] - spot[0])[:, None]
    x = (np.arange(shape_YX[1]) / shape_YX[1] - spot[1])[None, :]
    squared = y**2 + x**2
    return np.asarray(1 - falloff * squared / squared.max(), np.float32)


def expose(
    rng: np.random.Generator,
    light_YX: FloatImage,
    *,
    counts_per_photon: float,
    read_noise: float,
    saturation: float,
) -> NDArray[np.uint16]:
    """Counts of one frame from the expected counts.

    Shot noise is the normal approximation of a Poisson count (variance = mean photons), which is exact enough
    above some 20 photons and several times faster; read noise is added in quadrature.
    """
    variance = np.maximum(light_YX, 0) * np.float32(counts_per_photon) + np.float32(read_noise**2)
    noisy = light_YX + np.sqrt(variance) * rng.standard_normal(light_YX.shape, dtype=np.float32)
    return np.asarray(np.clip(np.rint(noisy), 0, np.floor(saturation)), np.uint16)


def bleaching(t_h: NDArray[np.float64], settings: NeuronSettings) -> NDArray[np.float64]:
    """Share of the first frame's light left at each time."""
    return np.exp(-settings.bleaching_per_h * t_h)
