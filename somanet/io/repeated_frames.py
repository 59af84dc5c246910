"""Frames that are stored twice or more: exports to video repeat them, and programs fill in for frames that were lost.

Noise differs from frame to frame, so a camera never takes the same picture twice. Drawn movies without noise do repeat
pictures, while nothing moves in them; there, little changes from other frames to the next, too. Lossy compression, as
of most videos, makes copies that differ a little, and less than frames do; they are only told apart where each frame of
the movie is stored the same number of times.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Frame = NDArray[np.generic]

SPARSE = (slice(None, None, 4), slice(None, None, 4))
LEAST_CHANGE = 0.1
"""Share of the pixels that noise changes from one frame to the next at least; in a drawn movie only what moves does."""
COPY = 0.4
"""Difference of copies after lossy compression at most, over that of the frames around them. H.264, MPEG-4 and Motion
JPEG, from fine to coarse, reach 0.37; other neighbours differ about equally."""
MOST_COPIES = 4
FEWEST = 2
"""Repeats from which they can be regular."""


@dataclass(frozen=True)
class Repeats:
    """Frames that repeat the one before.

    Attributes:
        frames: their numbers.
        n_frames: of the movie.
    """

    frames: tuple[int, ...]
    n_frames: int

    @property
    def regular(self) -> bool:
        """Whether each frame, or each so many-eth, is repeated, as a change of the frame rate does it.

        Distances from repeat to repeat, and from the ends of the movie to the nearest, then differ by one at most.
        """
        if len(self.frames) < FEWEST:
            return False
        distances = np.diff(self.frames)
        ends = self.frames[0], self.n_frames - self.frames[-1]
        return bool(np.ptp(distances) <= 1 and max(ends) <= distances.max() + 1)

    @property
    def distinct(self) -> tuple[int, ...]:
        """The other frames."""
        return tuple(sorted(set(range(self.n_frames)) - set(self.frames)))


def find_repeats(frames: Iterable[Frame]) -> Repeats:
    """Frames equal to the one before in every pixel; none in a movie without noise, and never blank ones, of one value.

    In a movie of one picture all but the first are repeats.
    """
    repeated: list[int] = []
    changes: list[float] = []
    differences = [math.nan]
    n_frames = 0
    before: Frame | None = None  # None too where the frame before is blank
    for t, frame in enumerate(frames):
        n_frames = t + 1
        blank = frame.min() == frame.max()
        if before is None or blank:
            differences += [math.nan] if t else []
        else:
            # Nearly all frames differ in some of these pixels, which spares the comparison of the rest.
            change = float(np.mean(frame[SPARSE] != before[SPARSE]))
            if change or not np.array_equal(frame, before):
                changes.append(change)
            else:
                repeated.append(t)
            differences.append(float(np.abs(frame.astype(np.float32) - before.astype(np.float32)).mean()))
        before = None if blank else frame
    if not changes and before is not None:  # one picture: noise makes its pixels differ from their neighbours
        changes = [float(np.mean(before[:, 1:] != before[:, :-1]))]
    if changes and np.quantile(changes, 0.9) < LEAST_CHANGE:  # nine of ten may be copies that compression changed
        return Repeats((), n_frames)
    return Repeats(_copies(np.array(differences)) or tuple(repeated), n_frames)


def _copies(difference: NDArray[np.float64]) -> tuple[int, ...]:
    """The frames that are copies where each is stored so many times; none if they are not.

    Args:
        difference: (T,) mean difference from the frame before; NaN where there is none or one is blank.
    """
    frames = np.arange(len(difference))
    for times in range(MOST_COPIES, 1, -1):
        if len(frames) < 2 * times:
            continue
        for first in range(times):
            new = (frames - first) % times == 0
            copies = ~new & ~np.isnan(difference)
            around = ndimage.maximum_filter1d(np.where(new, np.nan_to_num(difference), 0.0), 2 * times + 1)
            if copies.any() and (around[copies] > 0).all() and (difference <= COPY * around)[copies].all():
                return tuple(frames[copies].tolist())
    return ()
