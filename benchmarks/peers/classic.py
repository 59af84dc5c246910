"""Segmentation without learning: three methods, each with its best settings on validation images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from somanet.evaluation.scores import score_dataset
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.inference.contrast import intensity_of
from somanet.segmentation.inference.instances import renumber
from somanet.segmentation.inference.refining import refine
from somanet.segmentation.network.inputs import measure_exposure, to_unit
from somanet.segmentation.network.settings import RefineSettings
from somanet.training.paper.settings import ThresholdSettings
from somanet.training.paper.threshold import threshold_labels

Labels = NDArray[np.int32]


def otsu_watershed(image: NDArray[Any], *, sigma_px: float, min_distance_px: int, min_area_px: int) -> Labels:
    """Otsu's threshold on the smoothed intensity, then a watershed from the peaks of the distance to the background.

    On a bright background, detected by SomaNet's own rule, intensities are inverted.

    Args:
        image: as stored.
        sigma_px: of the Gaussian, for both intensity and distance.
        min_distance_px: between two peaks: about the radius of the smallest object to separate.
        min_area_px: smaller components of the mask are dropped.
    """
    from scipy import ndimage
    from skimage.feature import peak_local_max
    from skimage.filters import gaussian, threshold_otsu
    from skimage.segmentation import watershed

    unit = to_unit(image)
    values = unit.astype(np.float32)
    intensity = -values.mean(axis=-1) if measure_exposure(unit).inverted else values.max(axis=-1)
    smooth = gaussian(intensity, sigma_px, preserve_range=True)
    components, _ = ndimage.label(ndimage.binary_fill_holes(smooth > threshold_otsu(smooth)))
    large = np.bincount(components.ravel()) >= min_area_px
    large[0] = False
    mask = large[components]
    distance = gaussian(ndimage.distance_transform_edt(mask), sigma_px, preserve_range=True)
    markers = np.zeros(mask.shape, np.int32)
    peaks = peak_local_max(distance, min_distance=min_distance_px, labels=components * mask, exclude_border=False)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels: Labels = watershed(-distance, markers, mask=mask).astype(np.int32)
    return labels


def chan_vese(
    image: NDArray[Any],
    *,
    sigma_px: float,
    min_distance_px: int,
    min_area_px: int,
    weight: float,
    iterations: int,
    smoothing: int,
) -> Labels:
    """Morphological Chan–Vese of each object from :func:`otsu_watershed`, as in Zhang et al. 2018, without a network.

    Args:
        image: as stored.
        sigma_px, min_distance_px, min_area_px: of the objects that it starts from.
        weight, iterations, smoothing: see :class:`somanet.segmentation.network.settings.RefineSettings`.
    """
    seeds = otsu_watershed(image, sigma_px=sigma_px, min_distance_px=min_distance_px, min_area_px=min_area_px)
    unit = to_unit(image)
    inverted = measure_exposure(unit).inverted
    intensity = -unit.astype(np.float64).mean(axis=-1) if inverted else intensity_of(unit)
    unsure = np.full(seeds.shape, 0.5, np.float32)
    settings = RefineSettings(weight=weight, iterations=int(iterations), smoothing=int(smoothing))
    return refine(renumber(seeds), intensity, unsure, settings, min_area_px=min_area_px)


def threshold_opening(image: NDArray[Any], *, threshold: float, opening_radius_px: int) -> Labels:
    """One grey value for all images, and an opening: see :func:`somanet.training.paper.threshold.threshold_labels`."""
    return threshold_labels(image, ThresholdSettings(threshold=threshold, opening_radius_px=opening_radius_px))


METHODS: dict[str, Callable[..., Labels]] = {
    "threshold_opening": threshold_opening,
    "otsu_watershed": otsu_watershed,
    "chan_vese": chan_vese,
}
GRIDS: dict[str, dict[str, Sequence[float]]] = {
    "threshold_opening": {"threshold": (8, 15, 25, 40, 60, 90), "opening_radius_px": (0, 2, 3, 5)},
    "otsu_watershed": {"sigma_px": (1, 2), "min_distance_px": (3, 6, 10, 15), "min_area_px": (20,)},
    "chan_vese": {
        "sigma_px": (1, 2),
        "min_distance_px": (6, 10, 15),
        "min_area_px": (20,),
        "weight": (0.25, 0.5, 1.0),
        "iterations": (10,),
        "smoothing": (1, 2),
    },
}


def choices(method: str) -> Iterator[dict[str, float]]:
    """Every combination of a method's settings."""
    grid = GRIDS[method]
    return (dict(zip(grid, values, strict=True)) for values in product(*grid.values()))


def choose(method: str, items: Sequence[LabelledImage]) -> Mapping[str, float]:
    """The settings with the best mean accuracy over IoU 0.5 to 0.9, all objects counted together."""

    def score(settings: Mapping[str, float]) -> float:
        pairs = ((item.name, item.labels, METHODS[method](item.image, **settings)) for item in items)
        return score_dataset(pairs, intervals=False).values["mean_ap"]

    return max(choices(method), key=score)
