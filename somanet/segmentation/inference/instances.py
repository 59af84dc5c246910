"""Post-processing of probabilities to one label per soma: the only place that thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from somanet.segmentation.inference.contrast import intensity_of
from somanet.segmentation.inference.distance_watershed import split_by_distance
from somanet.segmentation.inference.refining import refine
from somanet.segmentation.network.probabilities import foreground
from somanet.segmentation.network.settings import InstanceSettings


def probabilities_to_labels(
    probabilities_CYX: NDArray[np.float32],
    outputs: Sequence[str],
    settings: InstanceSettings,
    *,
    min_cut_px: int | None = None,
) -> NDArray[np.int32]:
    """Label the somas in a probability map.

    Touching somas are separated by the distance map if the network has one, else by their boundaries, else not at all.
    A connected component without any peak or core stays one soma.

    Args:
        probabilities_CYX: the network's outputs.
        outputs: their names.
        settings: of the network, areas in pixels of the map.
        min_cut_px: least area of objects that the image's edge cuts, if it is less than that of the others: in an image
            of large somas this is far more than of a soma of which a part is seen.

    Returns:
        labels YX int32, 0 = background, 1…n without gaps, in scan order of the objects.
    """
    soma = probabilities_CYX[outputs.index("soma")]
    components, n_components = ndimage.label(foreground(soma, settings))
    labels = components.astype(np.int32, copy=False)
    if n_components and "distance" in outputs:
        labels = split_by_distance(components, probabilities_CYX[outputs.index("distance")], settings.peak_height)
    elif n_components and "boundary" in outputs:
        labels = _split_by_cores(components, soma * (1 - probabilities_CYX[outputs.index("boundary")]), settings)
    return renumber(_drop_small(labels, settings.min_area_px, min_cut_px))


def refined(
    labels_YX: NDArray[np.int32],
    image: NDArray[Any],
    soma_YX: NDArray[np.float32],
    settings: InstanceSettings,
    *,
    missing: NDArray[np.bool_] | None = None,
    inverted: bool = False,
) -> NDArray[np.int32]:
    """Labels 1…n with outlines refined by their image, or as they are where the settings have no refinement.

    Args:
        labels_YX: from :func:`probabilities_to_labels`.
        image: YX or YXC, of which the strongest channel counts.
        soma_YX: probability of soma.
        settings: with their `refine`, see :func:`somanet.segmentation.inference.refining.refine`.
        missing: pixels without data.
        inverted: objects are dark on a bright background.
    """
    if settings.refine is None:
        return labels_YX
    intensity_YX = intensity_of(image, inverted=inverted)
    return refine(labels_YX, intensity_YX, soma_YX, settings.refine, min_area_px=settings.min_area_px, missing=missing)


def _split_by_cores(
    components: NDArray[np.integer], core_probability: NDArray[np.float32], settings: InstanceSettings
) -> NDArray[np.int32]:
    """Flood the components from separate cores."""
    seeds, _ = ndimage.label((components > 0) & (core_probability >= settings.seed_threshold))
    seeds = _drop_small(seeds, settings.min_seed_px)
    seeded = np.zeros(int(components.max()) + 1, bool)
    seeded[np.unique(components[seeds > 0])] = True
    unseeded = np.where(seeded[components], 0, components)
    seeds = np.where(seeds > 0, seeds, np.where(unseeded > 0, unseeded + seeds.max(), 0))
    flooded: NDArray[np.int32] = watershed(-core_probability, seeds, mask=components > 0).astype(np.int32)
    return flooded


def _drop_small(labels: NDArray[np.integer], min_px: int, min_cut_px: int | None = None) -> NDArray[np.integer]:
    if min_px <= 1:
        return labels
    areas = np.bincount(labels.ravel())
    keep = areas >= min_px
    if min_cut_px is not None:
        edge = np.zeros(len(areas), bool)
        edge[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = True
        keep |= edge & (areas >= max(min_cut_px, 1))
    keep[0] = False
    return np.where(keep[labels], labels, 0)


def renumber(labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """Renumber objects 1…n in scan order."""
    inside = labels > 0
    renumbered = np.zeros(labels.shape, np.int32)
    renumbered[inside] = pd.factorize(labels[inside])[0] + 1
    return renumbered
