"""Many looks for training: other microscopes, magnifications and tissues than the one movie that was measured."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.simulation.settings import NeuronSettings

INTERVAL_MIN = 150.0


@dataclass(frozen=True)
class Variety:
    """Ranges that the looks of simulated crops are drawn from; every effect appears in some of them.

    Attributes:
        diameter_px: median diameter of a movie's somas, drawn log-uniformly.
        covered: share of the image that somas cover, drawn log-uniformly.
        white_percentile: the intensity that becomes 255, as a percentile of the movie: below it, the brightest somas
            are saturated.
        haze: greatest mean light of the tissue, in median soma brightnesses.
        scattered: greatest share of light scattered by the tissue.
        falloff: greatest share of light lost at the corners.
        bleached: greatest rate of bleaching per hour; crops are hours apart.
        dim: greatest share of dim somas.
        often: how often each of these occurs in a movie.
    """

    diameter_px: tuple[float, float] = (8.0, 90.0)
    covered: tuple[float, float] = (0.02, 0.2)
    white_percentile: tuple[float, float] = (97.0, 99.95)
    haze: float = 0.6
    scattered: float = 0.5
    falloff: float = 0.7
    bleached: float = 0.15
    dim: float = 0.6
    often: float = 0.5

    def __post_init__(self) -> None:
        low, high = self.diameter_px
        if not 4 <= low <= high <= 400:
            raise SomaNetError(f"diameter_px must be two diameters from 4 to 400 px, found {low:g} and {high:g}.")


@dataclass(frozen=True)
class LookOfMovie:
    """How one movie is simulated and shown.

    Attributes:
        settings, calibration: for :func:`somanet.simulation.neurons.simulate_movie`.
        display_percentiles: intensities that become 0 and 255.
        diameter_px: of its median soma.
        every_soma_counts: whether also those count that nobody would see, see :func:`invisible`.
    """

    settings: NeuronSettings
    calibration: Calibration
    display_percentiles: tuple[float, float]
    diameter_px: float
    every_soma_counts: bool = False


def invisible(image_YX: NDArray[np.generic], labels_YX: NDArray[np.int32], *, least: float = 0.5) -> NDArray[np.bool_]:
    """Pixels of somas that nobody would see: no brighter than their surroundings by ``least`` of these' spread.

    Args:
        image_YX: the image as it is shown.
        labels_YX: its somas.
        least: difference of the means within a soma and in a ring of half its radius around it, which leaves other
            somas out, over the ring's standard deviation (at least one grey level).
    """
    hidden = np.zeros(labels_YX.shape, bool)
    values = image_YX.astype(np.float32)
    for one in np.unique(labels_YX[labels_YX > 0]).tolist():
        mask = (labels_YX == one).astype(np.uint8)
        reach = 2 + int(np.sqrt(mask.sum() / np.pi) / 2)
        x, y, width, height = cv2.boundingRect(mask)
        box = (
            slice(max(y - reach, 0), y + height + reach),
            slice(max(x - reach, 0), x + width + reach),
        )
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        ring = (cv2.dilate(mask[box], disc) > 0) & (labels_YX[box] == 0)
        inside = mask[box] > 0
        if not ring.any():
            continue
        around = values[box][ring]
        if values[box][inside].mean() - around.mean() < least * max(float(around.std()), 1.0):
            hidden[box] |= inside
    return hidden


def random_look(rng: np.random.Generator, variety: Variety) -> LookOfMovie:
    """Draw the look of one movie. Cells keep their size in µm: another diameter in pixels is another magnification."""

    def between(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def at_times(greatest: float) -> float:
        drawn = rng.uniform(0, greatest)
        return float(drawn) if rng.random() < variety.often else 0.0

    diameter_um = rng.uniform(10, 24)
    diameter_px = between(*variety.diameter_px)
    brightness = between(300, 3600)
    coverage = between(*variety.covered)
    settings = NeuronSettings(
        somas_per_mm2=coverage / (np.pi / 4 * diameter_um**2) * 1e6,
        touching_fraction=rng.uniform(0.1, 0.7),
        neighbours_per_mm2=rng.uniform(0, 180) * rng.integers(0, 2),
        ghosts_per_mm2=rng.uniform(4, 60),
        debris_per_mm2=rng.uniform(0, 60),
        soma_diameter_um=diameter_um,
        soma_diameter_cv=rng.uniform(0.1, 0.3),
        soma_aspect=rng.uniform(1.05, 1.6),
        nucleus_lag_um=0.45 * diameter_um,
        soma_roughness=rng.uniform(0.03, 0.15),
        soma_brightness_counts=brightness,
        soma_brightness_log_sd=rng.uniform(0.3, 1.1),
        dim_share=at_times(variety.dim),
        dim_brightness=between(0.05, 0.3),
        process_length_um=rng.uniform(20, 70) * rng.integers(0, 2),
        process_brightness=rng.uniform(0.2, 0.9),
        defocus_um=rng.uniform(0.1, 1.2),
        neighbour_contrast_counts=brightness * rng.uniform(0.05, 0.2),
        ghost_brightness_counts=brightness * rng.uniform(0.05, 0.3),
        haze_counts=brightness * at_times(variety.haze),
        haze_grain_um=diameter_um * between(0.2, 1.5),
        scattered_share=at_times(variety.scattered),
        scatter_um=diameter_um * rng.uniform(0.8, 2.5),
        background_counts=between(50, 6000),
        illumination_falloff=0.1 + 0.9 * at_times(variety.falloff),
        bleaching_per_h=at_times(variety.bleached),
        counts_per_photon=between(0.3, 4),
        read_noise_counts=brightness * between(0.004, 0.06),
        psf_sigma_um=diameter_um * rng.uniform(0.02, 0.06),
        saturation_counts=65535.0,
    )
    return LookOfMovie(
        settings,
        Calibration(pixel_size_um=diameter_um / diameter_px, frame_interval_min=INTERVAL_MIN),
        (
            float(rng.uniform(0.1, 2.0)),
            100 - between(100 - variety.white_percentile[1], 100 - variety.white_percentile[0]),
        ),
        diameter_px,
    )
