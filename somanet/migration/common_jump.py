"""A jump of the whole scene that was not measured: seen in the tracks, as cells do not jump together.

The stage is measured on the background (:mod:`somanet.tracking.registration`). Where the background shows nothing, a
jump of the stage stays in the positions: cells are followed across a small one, and most tracks break at a large one.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FEWEST_CELLS = 5
TOGETHER, UNUSUAL, ISOLATED = 0.5, 3.0, 4.0
"""A jump: the steps differ from their median by less than this part of it, which is this many times the usual step, and
this many times the usual median; cells that migrate one way have such a median at every frame."""
BROKEN = 0.45
"""Or this part of the tracks ends there, and as many as half of those begin in the next frame."""


def common_jump_warnings(tracks: pd.DataFrame) -> tuple[str, ...]:
    """A sentence where the whole scene seems to jump between two frames; none otherwise.

    Args:
        tracks: :data:`somanet.core.schema.TRACKS` of one movie, after the removal of drift.
    """
    frames, index = np.unique(tracks["frame"].to_numpy(np.int64), return_inverse=True)
    if len(frames) < 3:
        return ()
    ordered = tracks.assign(_at=index).sort_values(["track_id", "_at"])
    cell, at = ordered["track_id"].to_numpy(), ordered["_at"].to_numpy(np.int64)
    place = ordered[["y_um", "x_um"]].to_numpy(np.float64)
    same = (cell[1:] == cell[:-1]) & (at[1:] == at[:-1] + 1)
    found = _stepping_together(at[:-1][same], np.diff(place, axis=0)[same], len(frames))
    found |= _breaking_together(cell, at, len(frames))
    where = np.flatnonzero(found)
    if not len(where):
        return ()
    places = ", ".join(f"{frames[one]} and {frames[one + 1]}" for one in where[:3]) + (", …" if len(where) > 3 else "")
    sentence = (
        f"Between frames {places} all cells step one way, or half of the tracks end, as if the stage had jumped; that "
        "could not be measured in the background. Speeds, directions and persistence contain the jump: register the "
        "movie first (Fiji: StackReg), or analyse the parts before and after it."
    )
    return (sentence,)


def _stepping_together(at: NDArray[np.int64], step_um: NDArray[np.float64], n_frames: int) -> NDArray[np.bool_]:
    """For each frame, whether the cells step one way, far, and farther than from other frames."""
    table = pd.DataFrame({"at": at, "y": step_um[:, 0], "x": step_um[:, 1]})
    median_um = table.groupby("at").median().reindex(range(n_frames)).to_numpy(np.float64)
    count = np.bincount(at, minlength=n_frames)
    common_um = np.hypot(median_um[:, 0], median_um[:, 1])
    apart = np.hypot(*(step_um - median_um[at]).T)
    spread_um = pd.Series(apart).groupby(at).median().reindex(range(n_frames)).to_numpy()
    enough = count >= FEWEST_CELLS
    if not enough.any():
        return np.zeros(n_frames, bool)
    usual_um = float(np.median(np.hypot(step_um[:, 0], step_um[:, 1])))
    usual_common_um = float(np.median(common_um[enough]))
    with np.errstate(invalid="ignore"):
        far = (common_um > UNUSUAL * usual_um) & (common_um > ISOLATED * usual_common_um)
        return np.asarray(enough & far & (spread_um < TOGETHER * common_um), bool)


def _breaking_together(cell: NDArray[np.generic], at: NDArray[np.int64], n_frames: int) -> NDArray[np.bool_]:
    """For each frame, whether most tracks end there, and others begin in the next one."""
    change = np.flatnonzero(cell[1:] != cell[:-1])
    first = at[np.concatenate([[0], change + 1])]
    last = at[np.concatenate([change, [len(at) - 1]])]
    alive = np.bincount(at, minlength=n_frames)
    ends, begins = np.bincount(last, minlength=n_frames), np.bincount(first, minlength=n_frames)
    ends[-1] = 0
    many = (alive >= FEWEST_CELLS) & (ends >= BROKEN * alive)
    return np.asarray(many & (np.append(begins[1:], 0) >= ends / 2), bool)
