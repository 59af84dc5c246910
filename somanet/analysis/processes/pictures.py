"""The movie as a video with the cells' outlines and their processes drawn in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.analysis.processes.tracing import TracedLine
from somanet.analysis.report import overlay_pictures
from somanet.analysis.report.content import Frames
from somanet.analysis.report.overlay import SUBPIXEL_BITS
from somanet.core.calibration import Calibration

Picture = NDArray[np.uint8]

COLOURS = {
    "leading": (230, 159, 0),
    "trailing": (0, 158, 115),
    "side": (204, 121, 167),
    "unknown": (240, 228, 66),
}
"""Distinguishable with every kind of colour vision (Okabe and Ito)."""
DOUBTFUL = 0.5
"""A process of less confidence is drawn thin."""


def process_pictures(
    frames: Frames,
    labels: Frames,
    tracks: pd.DataFrame,
    lines: Mapping[int, Sequence[TracedLine]],
    *,
    calibration: Calibration,
) -> Iterator[Picture]:
    """YXC RGB pictures, one per frame, each drawn when it is asked for: the overlay of an analysis, and the processes.

    Args:
        frames: YX images.
        labels: YX label images, value = track id.
        tracks: :data:`somanet.core.schema.TRACKS`.
        lines: the processes of each frame.
        calibration: for the scale bar and the clock.

    Raises:
        SomaNetError: frames, labels and tracks do not belong together.
    """
    width = np.asarray(frames[0]).shape[1]
    pictures = overlay_pictures(frames, labels, tracks, calibration=calibration)
    return (drawn(picture, lines.get(t, ()), picture.shape[1] / width) for t, picture in enumerate(pictures))


def drawn(picture: Picture, lines: Sequence[TracedLine], factor: float) -> Picture:
    """A picture, ``factor`` times the movie's size, with processes drawn into it, each with a disc at its tip."""
    for process in lines:
        places = (process.line_yx_px[:, ::-1] + 0.5) * factor - 0.5
        fixed = np.rint(places * 2**SUBPIXEL_BITS).astype(np.int32)
        sure = process.confidence >= DOUBTFUL
        colour = COLOURS[process.role]
        cv2.polylines(picture, [fixed], False, colour, 2 if sure else 1, cv2.LINE_AA, SUBPIXEL_BITS)
        radius = round((3 if sure else 2) * 2**SUBPIXEL_BITS)
        tip = (int(fixed[-1, 0]), int(fixed[-1, 1]))
        cv2.circle(picture, tip, radius, colour, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)
    return picture
