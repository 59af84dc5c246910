"""Size, quality and number of the embedded images, so that the page stays small."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from somanet.analysis.report.content import Frames
from somanet.analysis.report.display_range import DisplayRange, evenly_spaced

MOST_BYTES = 38_000_000
LEAST_FRAME_BYTES = 8_000_000
"""Bytes that the frames get even with very many cells."""
CHOICES = ((1600, 85), (1280, 85), (1024, 85), (1024, 75), (832, 75), (640, 70))
"""Longest side in px and JPEG quality, best first."""
PROBED_FRAMES = 5
BASE64 = 4 / 3
MARGIN = 1.1
"""Margin, as the probed frames may be simpler than others."""


@dataclass(frozen=True)
class Thinning:
    """How the movie is embedded.

    Attributes:
        shape_YX: of the images.
        quality: of the JPEGs, 0 to 100.
        frames: numbers of the embedded frames.
        step: distance between embedded frames.
    """

    shape_YX: tuple[int, int]
    quality: int
    frames: range
    step: int

    def image(self, frame_YX: NDArray[np.generic], shown: DisplayRange) -> bytes:
        """One frame as a JPEG."""
        return _jpeg(frame_YX, shown, self.shape_YX, self.quality)


def thinning(
    frames: Frames, shown: DisplayRange, *, outline_bytes: Callable[[float], float], room_bytes: float
) -> Thinning:
    """The best images that fit: first reduced in size, then in number.

    Args:
        frames: the movie.
        shown: the range of grey values to display.
        outline_bytes: size of one frame's outlines, given the factor by which images are reduced.
        room_bytes: maximum size of all frames.
    """
    n_frames = len(frames)
    probes = [np.asarray(frames[t]) for t in evenly_spaced(n_frames, PROBED_FRAMES)]
    height, width = probes[0].shape
    each = math.inf
    shape, quality = (height, width), CHOICES[0][1]
    for side, quality in CHOICES:
        factor = min(1.0, side / max(height, width))
        shape = (max(1, round(height * factor)), max(1, round(width * factor)))
        image_bytes = np.mean([len(_jpeg(probe, shown, shape, quality)) for probe in probes])
        each = MARGIN * (BASE64 * float(image_bytes) + outline_bytes(factor))
        if n_frames * each <= room_bytes:
            break
    step = max(1, math.ceil(n_frames * each / room_bytes))
    return Thinning(shape, quality, range(0, n_frames, step), step)


def _jpeg(frame_YX: NDArray[np.generic], shown: DisplayRange, shape_YX: tuple[int, int], quality: int) -> bytes:
    # Intensities are averaged before their square root is taken, so that small bright objects stay bright.
    image = frame_YX.astype(np.float32)
    if image.shape != shape_YX:
        image = np.asarray(cv2.resize(image, shape_YX[::-1], interpolation=cv2.INTER_AREA), np.float32)
    return cv2.imencode(".jpg", shown.grey(image), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
