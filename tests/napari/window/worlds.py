"""Whether windows can be tested here, and a movie of squares for them."""

from __future__ import annotations

import os
import sys

import numpy as np

from somanet.core.extras import missing

SHAPE = (64, 96)
N_FRAMES = 10


def why_not() -> str:
    """Why windows cannot be tested here; empty if they can."""
    if lacking := missing("napari"):
        return f"{' and '.join(lacking)} not installed: make test-napari"
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        return "no display: make test-napari"
    return ""


def somas() -> np.ndarray:
    """Labels TYX, all of 12 × 12 px: 1 moves right by 2 px a frame, 2 rests, 4 nears 3 to a pixel from frame 8 on."""
    found = np.zeros((N_FRAMES, *SHAPE), np.int32)
    for t in range(N_FRAMES):
        found[t, 4:16, 4 + 2 * t : 16 + 2 * t] = 1
        found[t, 24:36, 60:72] = 2
        found[t, 44:56, 20:32] = 3
        left = 70 - 5 * t
        found[t, 44:56, max(left, 33) : max(left, 33) + 12] = 4
    return found
