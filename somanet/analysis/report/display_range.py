"""One display range for a whole movie, so that fading cells remain visible as such."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from somanet.analysis.report.content import Frames

SAMPLED_FRAMES = 12
SAMPLED_PIXELS = 250_000
LOW_PERCENT, HIGH_PERCENT = 1.0, 99.8


@dataclass(frozen=True)
class DisplayRange:
    """The grey values displayed as black and as white."""

    low: float
    high: float

    def grey(self, frame_YX: NDArray[np.generic]) -> NDArray[np.uint8]:
        """The frame for display: intensities with a square root, so that dim somas are visible."""
        if frame_YX.dtype in (np.uint8, np.uint16):
            return np.asarray(self._grey_of_counts[frame_YX], np.uint8)
        return self._grey(frame_YX)

    @cached_property
    def _grey_of_counts(self) -> NDArray[np.uint8]:
        """That of every possible count: looking it up is three times as fast as a root for each pixel."""
        return self._grey(np.arange(1 << 16))

    def _grey(self, frame_YX: NDArray[np.generic]) -> NDArray[np.uint8]:
        values = np.nan_to_num(frame_YX.astype(np.float32), copy=False)
        spread = np.clip((values - self.low) / max(self.high - self.low, 1e-9), 0, 1)
        return np.asarray(np.rint(255 * np.sqrt(spread)), np.uint8)


def evenly_spaced(n_frames: int, count: int = SAMPLED_FRAMES) -> list[int]:
    """Numbers of evenly spaced frames, including the first and the last."""
    return sorted({round(t) for t in np.linspace(0, n_frames - 1, min(count, n_frames))})


def display_range(frames: Frames) -> DisplayRange:
    """The range of a movie from percentiles of sampled frames; constant frames (black ones) do not count."""
    seen = []
    for t in evenly_spaced(len(frames)):
        values = np.asarray(frames[t]).astype(np.float32).ravel()
        values = values[:: max(1, values.size // SAMPLED_PIXELS)]
        values = values[np.isfinite(values)]
        if values.size and values.min() < values.max():
            seen.append(values)
    if not seen:
        return DisplayRange(0.0, 1.0)
    low, high = np.percentile(np.concatenate(seen), (LOW_PERCENT, HIGH_PERCENT))
    return DisplayRange(float(low), float(high))
