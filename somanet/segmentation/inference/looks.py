"""How objects look, together: like somas, or like what a network draws on noise and on points of light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from somanet.core.settings import NonNegativeInt, Settings
from somanet.segmentation.inference.haze import HazeRule

SURE = 0.9
"""Median confidence of somas; that of objects drawn on smooth noise is lower (``python -m benchmarks.no_somas``)."""
STANDS_OUT = 10.0
"""Median contrast from which objects are no noise, however unsure the network is, as of small nuclei."""
POINT_PX = 6.0
"""Median diameter below which objects may be points, such as vesicles, synapses or beads, as wide as the microscope's
own blur: those that stand out measure up to 5.9 px, the smallest nuclei here 6.4 px (``python -m
benchmarks.no_somas``)."""
ENOUGH = 3
"""Fewer objects have no typical look."""


class Appearance(Settings):
    """The objects of an image or a movie, haze left out."""

    n_objects: NonNegativeInt
    contrast: float | None
    """Median; None where too little background is near any object."""
    confidence: float | None
    """Median; None without objects."""
    diameter_px: float | None = None
    """Median, in the image's own pixels; None without objects, and in records of older versions."""

    @property
    def like_noise(self) -> bool:
        """Whether the network is as unsure, and the objects stand out as little, as in pictures without somas."""
        if self.n_objects < ENOUGH or self.confidence is None:
            return False
        return self.confidence < SURE and (self.contrast is None or self.contrast < STANDS_OUT)

    @property
    def like_points(self) -> bool:
        """Whether the objects are so small that nothing tells a soma from a point of light."""
        return self.n_objects >= ENOUGH and self.diameter_px is not None and self.diameter_px < POINT_PX


def looks_like_noise(confidence: NDArray[np.float64], contrast: NDArray[np.float64]) -> bool:
    """Whether objects look, together, like those that a network draws where there are no somas.

    Args:
        confidence: mean calibrated probability of soma of each.
        contrast: of each, NaN where unknown.
    """
    kept = ~HazeRule().is_haze(contrast, confidence)
    known = contrast[kept][np.isfinite(contrast[kept])]
    return Appearance(
        n_objects=int(kept.sum()),
        contrast=float(np.median(known)) if len(known) else None,
        confidence=float(np.median(confidence[kept])) if kept.any() else None,
    ).like_noise
