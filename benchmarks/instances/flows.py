"""The kind of output that SomaNet lacks: a field that points to each object's centre (Cellpose, Stringer 2021)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed
from torch import Tensor

Float32 = NDArray[np.float32]
STEPS, SLOW_STEPS = 60, 15
SPREAD_PX = 1.5


def flow_targets(labels_YX: NDArray[np.integer]) -> Float32:
    """Unit vectors (y, x) from every pixel of an object to its centre of mass, shorter within a pixel of it, else 0."""
    flat = labels_YX.ravel()
    n = int(labels_YX.max(initial=0)) + 1
    counts = np.maximum(np.bincount(flat, minlength=n), 1)
    places = np.indices(labels_YX.shape)
    centres = [(np.bincount(flat, weights=axis.ravel(), minlength=n) / counts)[labels_YX] for axis in places]
    vector = np.stack(centres) - places
    field: Float32 = (vector / np.maximum(np.hypot(*vector), 1) * (labels_YX > 0)).astype(np.float32)
    return field


def flow_loss(network_output: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """Mean squared error over the pixels of objects."""
    return (((network_output - target) ** 2) * inside).sum() / (2 * inside.sum() + 1)


def split_by_flow(inside: NDArray[np.bool_], field: Float32) -> NDArray[np.int32]:
    """Move every pixel along the field; pixels that converge to one point are one object."""
    length = np.hypot(*field) + 1e-6
    unit = field / np.maximum(length, 1e-3) * np.minimum(1.5 * length, 1)
    rows, columns = np.nonzero(inside)
    place = np.stack([rows, columns]).astype(np.float32)
    limits = np.array(inside.shape)[:, None] - 1
    for step in range(STEPS):
        drift = np.stack([ndimage.map_coordinates(axis, place, order=1, mode="nearest") for axis in unit])
        place = np.clip(place + drift * np.float32(1.0 if step < STEPS - SLOW_STEPS else 0.3), 0, limits)
    ends = place.round().astype(int)
    hits = np.zeros(inside.shape)
    np.add.at(hits, (ends[0], ends[1]), 1)
    density = ndimage.gaussian_filter(hits, SPREAD_PX)
    peaks, _ = ndimage.label((ndimage.maximum_filter(density, 5) == density) & (density > 0.28))
    gathered = watershed(-density, peaks, mask=density > 0.02)
    labels = np.zeros(inside.shape, np.int32)
    labels[rows, columns] = gathered[ends[0], ends[1]]
    return labels
