"""One mask per object → one label image, with a record of every overlap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from somanet.core.problems import wrong_size


@dataclass(frozen=True)
class Masks:
    """A label image and the defects found while composing it.

    Attributes:
        labels: YX int32, 0 = background, 1..n in the order of the masks.
        overlap_px: pixels claimed by more than one mask; the earlier mask keeps them.
        worst_overlap: the largest overlap of two masks as a fraction of the smaller one; 1 for a duplicate mask.
        hidden: masks with no pixels left, as earlier ones claim them all.
        empty: masks without a foreground pixel.
        grey: masks with values besides 0 and their maximum; every value above 0 counts as foreground.
        doubts: what looks wrong with the labels, from :func:`somanet.io.label_checks.check_labels`.
        ignored: YX, pixels that are neither object nor background; None if there are none.
    """

    labels: np.ndarray
    overlap_px: int = 0
    worst_overlap: float = 0.0
    hidden: int = 0
    empty: int = 0
    grey: int = 0
    doubts: tuple[str, ...] = ()
    ignored: np.ndarray | None = None

    @property
    def n_objects(self) -> int:
        """Number of objects in the label image."""
        return int(np.count_nonzero(np.unique(self.labels)))


def compose_masks(masks: Iterable[tuple[str, np.ndarray]], shape_YX: tuple[int, int]) -> Masks:
    """Compose masks into a label image.

    Args:
        masks: pairs of file name and mask (YX, or YXC with an ignored alpha), foreground above 0.
        shape_YX: the image's height and width.

    Raises:
        FileProblem: a mask's shape differs from the image's.
    """
    labels = np.zeros(shape_YX, np.int32)
    areas = [0]
    overlap_px, worst, hidden, empty, grey = 0, 0.0, 0, 0, 0
    for source, mask in masks:
        if mask.shape[:2] != shape_YX:
            raise wrong_size(source, "a mask", shape_YX, (mask.shape[0], mask.shape[1]))
        # Work in the object's box alone: a mask is mostly background, and a data set has tens of thousands.
        levels = mask if mask.ndim == 2 else mask[..., :3].max(axis=2)
        x, y, width, height = cv2.boundingRect(_bytes(levels))
        box = (slice(y, y + height), slice(x, x + width))
        values = levels[box]
        inside = values > 0
        area = int(np.count_nonzero(inside))
        if not area:
            empty += 1
            continue
        grey += int(np.count_nonzero(values == values.max())) != area
        taken = labels[box][inside]
        free = int(np.count_nonzero(taken == 0))
        if free < area:
            overlap_px += area - free
            shared = np.bincount(taken, minlength=len(areas))
            worst = max(worst, *(shared[j] / min(area, areas[j]) for j in range(1, len(areas)) if shared[j]))
        if not free:
            hidden += 1
            continue
        labels[box][inside & (labels[box] == 0)] = len(areas)
        areas.append(area)
    return Masks(labels, overlap_px, float(worst), hidden, empty, grey)


def _bytes(levels: np.ndarray) -> np.ndarray:
    """A uint8 image with the same foreground, as OpenCV's bounding box needs it."""
    return levels if levels.dtype == np.uint8 else (levels > 0).view(np.uint8)
