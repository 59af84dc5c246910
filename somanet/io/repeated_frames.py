"""Frames that are stored twice or more: exports to video repeat them, and programs fill in for frames that were lost.

Noise differs from frame to frame, so a camera never takes the same picture twice. Drawn movies without noise do repeat
pictures, while nothing moves in them; there, little changes from other frames to the next, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.generic]

SPARSE = (slice(None, None, 4), slice(None, None, 4))
LEAST_CHANGE = 0.1
"""Share of the pixels that noise changes from one frame to the next at least; in a drawn movie only what moves does."""
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
    n_frames = 0
    before: Frame | None = None  # None too where the frame before is blank
    for t, frame in enumerate(frames):
        n_frames = t + 1
        if frame.min() == frame.max():
            before = None
            continue
        if before is not None:
            # Nearly all frames differ in some of these pixels, which spares the comparison of the rest.
            change = float(np.mean(frame[SPARSE] != before[SPARSE]))
            if change or not np.array_equal(frame, before):
                changes.append(change)
            else:
                repeated.append(t)
        before = frame
    if not changes and before is not None:  # one picture: noise makes its pixels differ from their neighbours
        changes = [float(np.mean(before[:, 1:] != before[:, :-1]))]
    if changes and np.median(changes) < LEAST_CHANGE:
        return Repeats((), n_frames)
    return Repeats(tuple(repeated), n_frames)
