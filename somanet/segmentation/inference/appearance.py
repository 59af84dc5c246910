"""Whether the objects of an image look like somas, or like what the network draws where there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from somanet.core.settings import NonNegativeInt, Settings
from somanet.segmentation.inference.haze import HazeRule

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter

SURE = 0.9
"""Median confidence of somas; that of objects drawn on smooth noise is lower (``python -m benchmarks.no_somas``)."""
STANDS_OUT = 10.0
"""Median contrast from which objects are no noise, however unsure the network is, as of small nuclei."""
ENOUGH = 3
"""Fewer objects have no typical look."""


class Appearance(Settings):
    """The objects of an image or a movie, haze left out."""

    n_objects: NonNegativeInt
    contrast: float | None
    """Median; None where too little background is near any object."""
    confidence: float | None
    """Median; None without objects."""

    @property
    def like_noise(self) -> bool:
        """Whether the network is as unsure, and the objects stand out as little, as in pictures without somas."""
        if self.n_objects < ENOUGH or self.confidence is None:
            return False
        return self.confidence < SURE and (self.contrast is None or self.contrast < STANDS_OUT)


def appearance_of(
    segmenter: Segmenter, contrast: NDArray[np.float64], confidence: NDArray[np.float64]
) -> Appearance | None:
    """How the objects that a segmenter found typically look.

    Args:
        segmenter: what found them.
        contrast, confidence: of each, as :class:`somanet.segmentation.inference.segmenter.Segmented` has them.

    Returns:
        None for a network that is not for fluorescence, or whose confidence is not a mean probability: what is usual
        is not known of these.
    """
    if segmenter.intended_use.modality != "fluorescence" or segmenter.first.object_confidence is not None:
        return None
    kept = ~HazeRule().is_haze(contrast, confidence)  # haze that was kept, too
    contrast, confidence = contrast[kept], confidence[kept]
    known = contrast[np.isfinite(contrast)]
    return Appearance(
        n_objects=len(confidence),
        contrast=round(float(np.median(known)), 3) if len(known) else None,
        confidence=round(float(np.median(confidence)), 4) if len(confidence) else None,
    )


def note_on_appearance(found: Appearance | None) -> str | None:
    """That most objects may be no somas; None if they look like somas."""
    if found is None or not found.like_noise or found.confidence is None:
        return None
    stand = "" if found.contrast is None else f" and a contrast of {found.contrast:.2g}"
    return (
        f"The {found.n_objects} objects look like those that this network draws where there are no somas, in smooth "
        f"noise, clouds or tissue out of focus: half of them have a confidence below {found.confidence:.2f}{stand} (of "
        f"somas it is {SURE:g} or more, or the contrast {STANDS_OUT:g}). Check the outlines before using a number. Is "
        "it the channel of the somas, and in focus?"
    )
