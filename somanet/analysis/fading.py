"""Movies in which fewer and fewer cells are found: they fade, lose focus, or their cells leave."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

LEAST_SHARE = 0.5
"""Cells in a frame of the last third over those in one of the first, from which nothing is said."""
LEAST_CELLS = 3.0
"""Fewer in a frame of the first third are few enough to leave."""
FEWEST_FRAMES = 9
DIMMER = 0.67
"""Contrast of the cells in the last third over that in the first, from which they are not called dimmer."""


def note_on_fading(somas: pd.DataFrame, *, n_frames: int, blank_frames: Collection[int] = ()) -> str | None:
    """What a reader has to know if hardly half of the first frames' cells are found in the last ones; else None.

    Args:
        somas: :data:`somanet.core.schema.SOMAS`.
        n_frames: of the movie.
        blank_frames: frames that show nothing, of which another note tells.
    """
    shown = np.array([t for t in range(n_frames) if t not in blank_frames])
    if len(shown) < FEWEST_FRAMES:
        return None
    counts = np.bincount(somas["frame"].to_numpy(int), minlength=n_frames)[shown]
    third = len(shown) // 3
    first, last = float(counts[:third].mean()), float(counts[-third:].mean())
    if first < LEAST_CELLS or last >= LEAST_SHARE * first:
        return None
    gone = shown[third:][np.flatnonzero(_smoothed(counts)[third:] < LEAST_SHARE * first)[:1]]
    where = f" from frame {gone[0]} on" if len(gone) else ""
    before, after = (
        somas.loc[somas["frame"].isin(frames), "contrast"].median() for frames in (shown[:third], shown[-third:])
    )
    found = (
        f"Cells get lost as the movie goes on: {first:.1f} are found in a frame of its first third, {last:.1f} in one "
        f"of its last, less than half{where}."
    )
    if not after >= DIMMER * before:
        stand_out = f", and those that are found stand out less (contrast {before:.1f}, then {after:.1f})"
        found = f"{found[:-1]}{stand_out if np.isfinite(after) else ''}: it fades or loses focus."
    else:
        found += " Do they leave the field or the focus?"
    return f"{found} Numbers rest on the frames before: analyse these alone."


def _smoothed(counts: np.ndarray) -> np.ndarray:
    """The median of five frames."""
    padded = np.pad(counts, 2, mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1))
