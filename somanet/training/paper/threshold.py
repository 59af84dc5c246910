"""The baseline without learning: one global threshold, an opening, connected components."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from somanet.io.datasets.layouts import LabelledImage
from somanet.training.paper.settings import ThresholdSettings


def threshold_labels(image: NDArray[np.generic], settings: ThresholdSettings) -> NDArray[np.int32]:
    """Objects of an image YX or YXC: where its strongest channel reaches the threshold, after an opening.

    Returns:
        Label image YX, 0 = background.
    """
    from scipy import ndimage
    from skimage.morphology import disk, opening

    intensity = np.asarray(image if image.ndim == 2 else image[..., :3].max(axis=-1), dtype=float)
    mask = intensity >= settings.threshold
    if settings.opening_radius_px:
        mask = opening(mask, disk(settings.opening_radius_px))
    labels: NDArray[np.int32] = ndimage.label(mask)[0].astype(np.int32)
    return labels


def threshold_all(items: Sequence[LabelledImage], settings: ThresholdSettings) -> list[NDArray[np.int32]]:
    """The objects of every image."""
    return [threshold_labels(item.image, settings) for item in items]
