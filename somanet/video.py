"""Movies to label images: which frames show anything, and every frame's somas, one frame in memory at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from somanet.segmentation.checkpoint import Checkpoint

Frame = NDArray[np.generic]

BLANK_CONTRAST = 0.05
"""A frame whose contrast is below this share of the movie's usual one shows nothing: lamp off, shutter closed."""
SAMPLED = (slice(None, None, 2), slice(None, None, 2))


def find_blank_frames(frames: Iterable[Frame]) -> tuple[int, ...]:
    """Numbers of frames that show nothing: constant, or with hardly any contrast beside the movie's other frames.

    Contrast is the distance from the median to the 99.9 percentile. A movie that shows nothing anywhere is blank in
    its constant frames only: noise is all that there is to compare with.
    """
    contrasts, constant = [], []
    for frame in frames:
        low, high = np.percentile(frame[SAMPLED].astype(np.float64), (50, 99.9))
        contrasts.append(float(high) - float(low))
        constant.append(bool(frame.min() == frame.max()))
    shown = np.array([c for c, flat in zip(contrasts, constant, strict=True) if not flat])
    usual = float(np.median(shown)) if shown.size else 0.0
    pairs = enumerate(zip(contrasts, constant, strict=True))
    return tuple(t for t, (contrast, flat) in pairs if flat or contrast < BLANK_CONTRAST * usual)


def segment_frames(
    checkpoint: Checkpoint, frames: Iterable[Frame], *, blank_frames: Collection[int] = ()
) -> Iterator[NDArray[np.int32]]:
    """Label the somas of every frame.

    Frames larger than a tile are answered in overlapping tiles. Memory does not grow with the movie.

    Args:
        checkpoint: the network.
        frames: YX frames of one size.
        blank_frames: get no labels: a network asked about noise alone may find anything in it.

    Yields:
        YX int32, 0 = background, ids without meaning between frames.
    """
    from somanet.segmentation.prediction import predict_labels

    for t, frame in enumerate(frames):
        if t in blank_frames:
            yield np.zeros(frame.shape, np.int32)
        else:
            yield predict_labels(checkpoint.model, frame, checkpoint.spec)
