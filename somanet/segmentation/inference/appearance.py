"""Whether the objects of an image look like somas, or like what the network draws on noise and on points of light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from somanet.segmentation.inference.haze import HazeRule
from somanet.segmentation.inference.looks import STANDS_OUT, SURE, Appearance

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter


def appearance_of(segmenter: Segmenter, objects: pd.DataFrame) -> Appearance | None:
    """How the objects that a segmenter found typically look.

    Args:
        segmenter: what found them.
        objects: a row of each, :data:`somanet.core.schema.OBJECT`.

    Returns:
        None for a network that is not for fluorescence, or whose confidence is not a mean probability: what is usual
        is not known of these.
    """
    if segmenter.intended_use.modality != "fluorescence" or segmenter.first.object_confidence is not None:
        return None
    contrast, confidence, diameter_px = (
        objects[name].to_numpy(float) for name in ("contrast", "confidence", "diameter_px")
    )
    kept = ~HazeRule().is_haze(contrast, confidence)  # haze that was kept, too
    contrast, confidence, diameter_px = contrast[kept], confidence[kept], diameter_px[kept]
    known = contrast[np.isfinite(contrast)]
    return Appearance(
        n_objects=len(confidence),
        contrast=round(float(np.median(known)), 3) if len(known) else None,
        confidence=round(float(np.median(confidence)), 4) if len(confidence) else None,
        diameter_px=round(float(np.median(diameter_px)), 2) if len(diameter_px) else None,
    )


def note_on_appearance(found: Appearance | None) -> str | None:
    """That most objects may be no somas; None if they look like somas."""
    if found is None:
        return None
    if found.like_points:
        return (
            f"The {found.n_objects} objects are {found.diameter_px:.2g} px across (median), about as wide as a "
            "microscope shows a point: vesicles, synapses, beads and hot pixels of that size are outlined like somas, "
            "and nothing tells them apart. Check the outlines before using a number. Is it the channel of the somas? "
            "If it is, take images with more pixels per soma."
        )
    if not found.like_noise or found.confidence is None:
        return None
    stand = "" if found.contrast is None else f" and a contrast of {found.contrast:.2g}"
    return (
        f"The {found.n_objects} objects look like those that this network draws where there are no somas, in smooth "
        f"noise, clouds or tissue out of focus; very dim somas look so, too. Half of them have a confidence below "
        f"{found.confidence:.2f}{stand} (of somas it is {SURE:g} or more, or the contrast {STANDS_OUT:g}). Check the "
        "outlines before using a number. Is it the channel of the somas, in focus, and exposed for long enough?"
    )
