"""What corrections make of automatic results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.corrections.edits import Edit
from somanet.corrections.masks import Mask
from somanet.corrections.somas import Somas


@dataclass(frozen=True)
class Misfit:
    """An edit that could not be applied, and why.

    Attributes:
        number: its place among the edits, from 1.
        edit: the edit.
        reason: a sentence.
    """

    number: int
    edit: Edit
    reason: str


class Corrected(Sequence[NDArray[np.int32]]):
    """Corrected labels, as a sequence of YX int32 frames, and corrected tracks.

    Attributes:
        misfits: edits that could not be applied, in order.
        applied: edits that were, in order; without undone ones.
        n_undone: number of undone edits.
    """

    def __init__(self, somas: Somas, *, misfits: Sequence[Misfit], applied: Sequence[Edit], n_undone: int) -> None:
        """Take the corrected somas, which change no more; see :func:`somanet.corrections.apply`."""
        self._somas = somas
        self.misfits, self.applied, self.n_undone = tuple(misfits), tuple(applied), n_undone

    def __len__(self) -> int:
        """Number of frames; 0 without labels."""
        return 0 if self._somas.labels is None else len(self._somas.labels)

    def __getitem__(self, t):  # type: ignore[no-untyped-def]
        """Frame ``t``: value = corrected track id, 0 = background; computed anew at each call."""
        if not 0 <= t < len(self):
            raise IndexError(t)
        return self._somas.frame(t)

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        """All frames in order of time, one in memory at a time."""
        return (self[t] for t in range(len(self)))

    @property
    def shape_YX(self) -> tuple[int, int]:
        """Size of a frame; only with labels."""
        height, width = self._somas.base(0).shape
        return height, width

    @property
    def largest_id(self) -> int:
        """The largest track id."""
        return max(self._somas.detections.of_track, default=0)

    @property
    def drawn(self) -> dict[tuple[int, int], Mask | None]:
        """(frame, track id) → the mask that a person drew or changed; None for a position without one."""
        found = self._somas.detections
        return {
            (found.frame[row], found.track[row]): mask
            for row, mask in sorted(self._somas.drawn.items())
            if found.track[row]
        }

    def points(self) -> pd.DataFrame:
        """The corrected detections, by track and frame.

        Returns:
            ``track_id``, ``frame``, ``y_px``, ``x_px``, ``row``: the row of the automatic table whose measures still
            hold, or -1 where a person drew the mask or gave the position; and ``drawn``: 1 if there is such a mask.
        """
        found = self._somas.detections
        rows = [row for rows in found.of_frame.values() for row in rows]
        table = pd.DataFrame(
            {
                "track_id": np.array([found.track[row] for row in rows], np.int64),
                "frame": np.array([found.frame[row] for row in rows], np.int64),
                "y_px": np.array([found.y_px[row] for row in rows], np.float64),
                "x_px": np.array([found.x_px[row] for row in rows], np.float64),
                "row": np.array([-1 if row in self._somas.drawn else row for row in rows], np.int64),
                "drawn": np.array([self._somas.drawn.get(row) is not None for row in rows], np.int64),
            }
        )
        return table.sort_values(["track_id", "frame"], ignore_index=True)
