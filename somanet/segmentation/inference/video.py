"""Movies to label images: detect blank frames and segment every other frame, one in memory at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from somanet.segmentation.inference.at_once import at_once, usual_workers
from somanet.segmentation.inference.contrast import ROUNDING

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmented, Segmenter

Frame = NDArray[np.generic]

BLANK_CONTRAST = 0.05
"""A frame is blank if its contrast is below this share of the movie's usual one: lamp off, shutter closed."""
LEAST_STRUCTURE = 3.0
"""Times the noise, that something in a frame stands out from its surroundings at least."""
AROUND_PX = 12
"""Standard deviation of the smoothing that gives these, at every second pixel."""
SAMPLED = (slice(None, None, 2), slice(None, None, 2))


class Glances(NamedTuple):
    """What a first pass over a movie's frames tells.

    Attributes:
        contrasts: of each frame, the distance from the median of its intensities to the 99.9 percentile.
        structure: the 99.9 percentile of what stands out from its surroundings, without single bright pixels, as a
            multiple of the noise: of Gaussian noise alone about 1.
        constant: whether all pixels of a frame are equal.
    """

    contrasts: NDArray[np.float64]
    structure: NDArray[np.float64]
    constant: NDArray[np.bool_]

    @property
    def blank(self) -> tuple[int, ...]:
        """Numbers of the blank frames: see :func:`find_blank_frames`."""
        shown = self.contrasts[~self.constant]
        usual = float(np.median(shown)) if shown.size else 0.0
        dark = (self.contrasts < BLANK_CONTRAST * usual) & (self.structure < LEAST_STRUCTURE)
        return tuple(np.flatnonzero(self.constant | dark).tolist())

    @property
    def strongest(self) -> int | None:
        """The frame of the largest contrast; None without frames."""
        return int(np.argmax(self.contrasts)) if len(self.contrasts) else None


def glance_at(frames: Iterable[Frame]) -> Glances:
    """Look at every frame, at every second pixel along both axes."""
    contrasts, structure, constant = [], [], []
    for frame in frames:
        seen = frame[SAMPLED].astype(np.float32)
        low, high = np.percentile(seen, (50, 99.9))
        contrasts.append(float(high) - float(low))
        structure.append(_structure(seen, whole=frame.dtype.kind in "iu"))
        constant.append(bool(frame.min() == frame.max()))
    return Glances(np.array(contrasts), np.array(structure), np.array(constant, bool))


def _structure(seen: NDArray[np.float32], *, whole: bool) -> float:
    """See :class:`Glances`; ``whole`` numbers have at least the noise of rounding."""
    grey = np.ascontiguousarray(seen if seen.ndim == 2 else seen[..., :3].max(axis=-1))
    smooth = cv2.medianBlur(grey, 3)
    low, high = np.percentile(grey - smooth, (16, 84))
    noise = max(float(high - low) / 2, ROUNDING if whole else 1e-12)
    near, around = (cv2.GaussianBlur(smooth, (0, 0), sigma) for sigma in (1, AROUND_PX))
    return float(np.percentile(near - around, 99.9)) / noise


def find_blank_frames(frames: Iterable[Frame]) -> tuple[int, ...]:
    """Numbers of blank frames: constant, or with hardly any contrast compared with the movie's other frames.

    A frame with something that stands out from its noise is not blank: after a bright cell has left, dim ones are much
    below the movie's usual contrast. In an empty movie only constant frames are blank, as there is only noise to
    compare with.
    """
    return glance_at(frames).blank


def segmented_frames(
    segmenter: Segmenter,
    frames: Iterable[Frame],
    *,
    blank_frames: Collection[int] = (),
    workers: int | None = None,
) -> Iterator[Segmented]:
    """Segment the somas of every frame, with the confidence in each.

    Frames larger than a tile are predicted in overlapping tiles. Memory does not grow with the movie. Several frames
    are processed :func:`~somanet.segmentation.inference.at_once.at_once`.

    Args:
        segmenter: the network or networks.
        frames: YX or YXC frames.
        blank_frames: frames that get no labels: a network may predict anything on pure noise.
        workers: frames at once; as usual if None; fewer if they are large.

    Returns:
        One per frame; ids have no meaning between frames.
    """
    from somanet.segmentation.inference.segmenter import Segmented

    def label(numbered: tuple[int, Frame]) -> Segmented:
        t, frame = numbered
        if t in blank_frames:
            return Segmented.none(frame.shape[:2])
        return segmenter.segment(frame)

    workers = workers or usual_workers(segmenter)
    return at_once(label, enumerate(frames), n_pixels=lambda one: one[1].size, workers=workers)
