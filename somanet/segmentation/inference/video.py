"""Movies to label images: detect blank frames and segment every other frame, one in memory at a time."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from somanet.core.machine import available_processors
from somanet.segmentation.engines.devices import CPU
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
MOST_WORKERS = 4
"""Each worker holds a frame's activations, some 0.2 GB per megapixel up to a tile, and 60 bytes per pixel beyond."""
MOST_BESIDE_GRAPHICS = 16
"""Workers that prepare and label while a graphics processor computes batches of what waits."""
AT_ONCE_PX = 1 << 24
"""Pixels of all frames that are segmented at once: of large frames fewer, so that memory is bounded."""
SAMPLED = (slice(None, None, 2), slice(None, None, 2))


def usual_workers(segmenter: Segmenter | None = None) -> int:
    """Number of frames prepared, segmented and labelled at once: one per processor, at most :data:`MOST_WORKERS`.

    For a network on a graphics processor, where frames in work hold no activations here, at most
    :data:`MOST_BESIDE_GRAPHICS`.
    """
    beside = segmenter is not None and segmenter.device.kind != CPU
    return min(available_processors(), MOST_BESIDE_GRAPHICS if beside else MOST_WORKERS)


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
    are processed at once, each by one thread: on two cores that is as fast as two threads per frame on an idle machine,
    and five times faster beside another busy process, for which threads that share a frame would wait at every layer;
    and sums do not depend on the number of cores.

    Args:
        segmenter: the network or networks.
        frames: YX or YXC frames.
        blank_frames: frames that get no labels: a network may predict anything on pure noise.
        workers: frames at once; as :func:`usual_workers` if None; fewer if they are large
            (:data:`AT_ONCE_PX`).

    Yields:
        One per frame; ids have no meaning between frames.
    """
    from somanet.segmentation.inference.segmenter import Segmented

    torch: Any = sys.modules.get("torch")  # not loaded where another engine computes all networks

    def label(t: int, frame: Frame) -> Segmented:
        if t in blank_frames:
            return Segmented.none(frame.shape[:2])
        return segmenter.segment(frame)

    workers = workers or usual_workers(segmenter)
    threads_before = torch and torch.get_num_threads()

    def use_threads(number: int) -> None:
        if torch:
            torch.set_num_threads(number)

    pending: deque[Future[Segmented]] = deque()
    try:
        with ThreadPoolExecutor(workers, initializer=use_threads, initargs=(1,)) as pool:
            for t, frame in enumerate(frames):
                while len(pending) >= max(1, AT_ONCE_PX // frame.size):
                    yield pending.popleft().result()
                pending.append(pool.submit(label, t, frame))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
    finally:
        use_threads(threads_before)
