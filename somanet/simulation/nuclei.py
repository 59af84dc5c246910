"""Images of nuclei with known masks, in the looks of the 2018 Data Science Bowl: the source domain."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.simulation.neurons import check_seed, check_shape
from somanet.simulation.patches import FloatImage, blur
from somanet.simulation.shapes import coverage, outline, random_blob

# A nucleus that would keep less than this of its area beside those already there is not placed.
LEAST_FREE_SHARE = 0.75


@dataclass(frozen=True)
class Look:
    """One kind of image. Lengths in pixels, light as a share of the camera's range.

    Attributes:
        name: goes into the image's name.
        weight: how often it is drawn.
        radius_px: range of a nucleus' radius, drawn once per image.
        covered: range of the share of the image covered by nuclei.
        clustering: share of nuclei placed beside another.
        brightness: range of the image's nuclei.
        background: light where there is nothing.
        unevenness: share of light lost towards a corner.
        blur_px: of the whole image.
        noise: standard deviation.
        stained: purple on bright instead of grey on black.
    """

    name: str
    weight: float
    radius_px: tuple[float, float]
    covered: tuple[float, float]
    clustering: float
    brightness: tuple[float, float]
    background: float
    unevenness: float
    blur_px: float
    noise: float
    stained: bool = False


# Weights follow the stage-1 training set: four fifths fluorescence, of which most is sparse; a sixth stained.
LOOKS = (
    Look("sparse", 0.35, (6, 11), (0.02, 0.10), 0.25, (0.25, 0.85), 0.03, 0.1, 0.7, 0.008),
    Look("large", 0.17, (16, 26), (0.10, 0.30), 0.35, (0.12, 0.45), 0.02, 0.15, 1.0, 0.008),
    Look("tissue", 0.17, (8, 14), (0.30, 0.50), 0.55, (0.35, 0.90), 0.08, 0.55, 1.0, 0.02),
    Look("dim", 0.14, (8, 14), (0.04, 0.15), 0.25, (0.06, 0.14), 0.03, 0.3, 2.0, 0.012),
    Look("stained", 0.17, (7, 12), (0.10, 0.30), 0.40, (0.45, 0.85), 0.0, 0.15, 0.8, 0.012, stained=True),
)
# Optical density per channel (R, G, B) of haematoxylin and eosin, Ruifrok & Johnston 2001.
HAEMATOXYLIN = np.array([0.65, 0.70, 0.29], np.float32)
EOSIN = np.array([0.07, 0.99, 0.11], np.float32)


def simulate_nuclei(*, n_images: int, shape_YX: tuple[int, int], seed: int) -> list[LabelledImage]:
    """Simulate images of nuclei in several looks, with one mask per nucleus.

    Touching nuclei have masks that meet and never overlap. Sizes are in pixels, as in the Data Science Bowl,
    which gives no physical scale.

    Args:
        n_images: how many; the first five show each look once.
        shape_YX: height and width in pixels, at least 16.
        seed: 0 or more; image i does not depend on ``n_images``.

    Returns:
        Images with ``image`` YXC uint8 (C = 3) and ``labels`` 1 ... n, at least one nucleus each;
        named ``nuclei_0003_tissue``.

    Raises:
        SomaNetError: an argument out of range.
    """
    check_seed(seed)
    check_shape(shape_YX)
    if n_images < 0:
        raise SomaNetError(f"n_images must be at least 0, found {n_images}.")
    weights = np.array([look.weight for look in LOOKS])
    images = []
    for i in range(n_images):
        rng = np.random.default_rng(np.random.SeedSequence([seed, i]))
        drawn = int(rng.choice(len(LOOKS), p=weights / weights.sum()))
        look = LOOKS[i if i < len(LOOKS) else drawn]
        labels, thickness = _place(rng, look, shape_YX)
        paint = _stain if look.stained else _glow
        images.append(LabelledImage(f"nuclei_{i:04d}_{look.name}", paint(rng, look, labels, thickness), labels))
    return images


def _place(rng: np.random.Generator, look: Look, shape_YX: tuple[int, int]) -> tuple[NDArray[np.int32], FloatImage]:
    """Masks of the nuclei, and how much stain or dye lies in each pixel (about 1 in a nucleus' middle)."""
    labels = np.zeros(shape_YX, np.int32)
    thickness = np.zeros(shape_YX, np.float32)
    size = np.array(shape_YX)
    median_radius = rng.uniform(*look.radius_px)
    wanted_px = rng.uniform(*look.covered) * labels.size
    centres: list[NDArray[np.float64]] = []
    tries = 20 + int(6 * wanted_px / (np.pi * median_radius**2))
    for _ in range(tries):
        if centres and (labels > 0).sum() >= wanted_px:
            break
        radius = median_radius * np.exp(0.18 * rng.standard_normal())
        if centres and rng.random() < look.clustering:
            angle = rng.uniform(0, 2 * np.pi)
            beside = 1.9 * radius * np.array([np.sin(angle), np.cos(angle)])
            centre = centres[int(rng.integers(len(centres)))] + beside
        else:
            centre = rng.uniform(0, size)
        if (centre < 0).any() or (centre > size - 1).any():
            continue
        blob = random_blob(rng, aspect=1 + abs(rng.normal(0.25, 0.2)), roughness=rng.uniform(0.03, 0.16))
        body = outline(blob, radius=radius, angle=rng.uniform(0, 2 * np.pi))
        reach = int(np.abs(body).max()) + 2
        low = np.maximum(np.floor(centre).astype(int) - reach, 0)
        high = np.minimum(np.floor(centre).astype(int) + reach + 1, size)
        window = slice(low[0], high[0]), slice(low[1], high[1])
        covered = coverage([body + centre - low], (int(high[0] - low[0]), int(high[1] - low[1])))
        mask = covered > 0.5
        free = mask & (labels[window] == 0)
        if free.sum() < max(4, LEAST_FREE_SHARE * mask.sum()):
            continue
        centres.append(centre)
        labels[window][free] = len(centres)
        depth = blur(covered, radius / 2.5)
        profile = covered * (0.6 + 0.4 * depth / max(float(depth.max()), 1e-6))
        own = np.where(free | (labels[window] == 0), profile, 0) * np.exp(0.25 * rng.standard_normal())
        thickness[window] = np.maximum(thickness[window], own.astype(np.float32))
    return labels, thickness


def _field(rng: np.random.Generator, shape_YX: tuple[int, int], *, grain_px: float) -> FloatImage:
    """Smooth random texture of mean 0 and standard deviation 1, drawn coarse and enlarged."""
    coarse = [max(3, int(side / grain_px) + 2) for side in shape_YX]
    noise = rng.standard_normal(coarse).astype(np.float32)
    texture = cv2.resize(noise, (shape_YX[1], shape_YX[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray((texture - texture.mean()) / max(float(texture.std()), 1e-6), np.float32)


def _lamp(rng: np.random.Generator, shape_YX: tuple[int, int], unevenness: float) -> FloatImage:
    y, x = np.ogrid[-1 : 1 : shape_YX[0] * 1j, -1 : 1 : shape_YX[1] * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    slope = (y * np.sin(angle) + x * np.cos(angle)) / 2**0.5
    return np.asarray(1 - unevenness * (slope + 1) / 2, np.float32)


def _glow(rng: np.random.Generator, look: Look, labels: NDArray[np.int32], thickness: FloatImage) -> NDArray[np.uint8]:
    """Grey fluorescence on black, with chromatin texture and haze around crowded nuclei."""
    shape_YX = (labels.shape[0], labels.shape[1])
    chromatin = np.clip(1 + 0.13 * _field(rng, shape_YX, grain_px=3.5), 0.4, None)
    light = thickness * chromatin * np.float32(rng.uniform(*look.brightness))
    light = blur(light, look.blur_px * rng.uniform(0.7, 1.3)) + 0.12 * blur(light, 12.0)
    light = (light + look.background * rng.uniform(0.5, 1.5)) * _lamp(rng, shape_YX, look.unevenness)
    # Noise grows with the root of the light, as photons do; 0.1 is the light at which it equals
    # ``look.noise``.
    noise = look.noise * np.sqrt(0.3 + light / 0.1)
    light = light + noise * rng.standard_normal(shape_YX, dtype=np.float32)
    grey = np.clip(np.rint(light * 255), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _stain(rng: np.random.Generator, look: Look, labels: NDArray[np.int32], thickness: FloatImage) -> NDArray[np.uint8]:
    """Purple nuclei in pink tissue on a bright background: optical densities add up (Beer-Lambert)."""
    shape_YX = (labels.shape[0], labels.shape[1])
    chromatin = np.clip(1 + 0.22 * _field(rng, shape_YX, grain_px=3.0), 0.2, None)
    nuclear = blur(thickness * chromatin, look.blur_px) * np.float32(rng.uniform(*look.brightness) * 1.8)
    fibres = _field(rng, shape_YX, grain_px=rng.uniform(8, 25)) + 0.5 * _field(rng, shape_YX, grain_px=4)
    tissue = np.clip(0.22 + 0.14 * fibres, 0.02, None) * rng.uniform(0.2, 1.4)
    density = nuclear[..., None] * HAEMATOXYLIN + tissue.astype(np.float32)[..., None] * EOSIN
    bright = np.array([0.93, 0.92, 0.93], np.float32) * _lamp(rng, shape_YX, look.unevenness)[..., None]
    light = bright * np.exp(-density) + look.noise * rng.standard_normal(density.shape, dtype=np.float32)
    return np.asarray(np.clip(np.rint(light * 255), 0, 255), np.uint8)
