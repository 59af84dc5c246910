"""The table of corrected tracks: measures of what was not edited stay, edited masks are measured anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.core.schema import CONFIDENCE, PARENT
from somanet.corrections.corrected import Corrected
from somanet.corrections.masks import Mask
from somanet.tracking.detections import detect_cells
from somanet.tracking.linking import as_tracks

EDITED = "edited"
"""Column of corrected tracks: 1 where a person drew or changed the outline, or gave the position; else 0."""
_WHOLE = ("track_id", "frame", "label", "touches_edge")
"""Columns that are 0 where nothing else is known."""


def measure(
    corrected: Corrected,
    automatic: pd.DataFrame,
    calibration: Calibration,
    frames: Sequence[NDArray[np.generic]] | None = None,
) -> pd.DataFrame:
    """The tracks of corrected results.

    Args:
        corrected: as :func:`somanet.corrections.apply` gave it.
        automatic: the tracks that were given to it.
        calibration: the physical scale.
        frames: the movie, for the intensities of edited masks; read only where there are some.

    Returns:
        The columns of ``automatic`` and :data:`EDITED`, by track and frame. Rows of somas that were not edited are as
        they were, but for their track. An edited mask has no confidence (NaN: no network judged it) and the label 0; a
        position without a mask has no measures.
    """
    automatic = automatic.reset_index(drop=True)
    points = corrected.points()
    kept = points[points["row"] >= 0]
    rows = automatic.iloc[kept["row"].to_numpy()].assign(track_id=kept["track_id"].to_numpy())
    drawn = corrected.drawn
    edited = points[points["row"] < 0]
    parts = [rows.assign(**{EDITED: 0})]
    for t, found in edited.groupby("frame"):
        parts.append(_edited_in(int(str(t)), found, drawn, corrected, automatic, calibration, frames))
    table = pd.concat([part for part in parts if len(part)], ignore_index=True) if len(points) else parts[0]
    table = table.sort_values(["track_id", "frame"], ignore_index=True)
    table = table[[*automatic.columns, EDITED]]
    if PARENT.name in table:
        known = table[PARENT.name].where(table[PARENT.name].isin(table["track_id"]))
        table[PARENT.name] = known.astype("Int64")
    whole = [name for name in _WHOLE if name in table]
    # A column of measures may hold whole numbers by chance: what is missing or measured anew must not become one.
    return table.fillna(dict.fromkeys(whole, 0)).astype(dict.fromkeys([*whole, EDITED], "int64"))


def _edited_in(
    t: int,
    found: pd.DataFrame,
    drawn: Mapping[tuple[int, int], Mask | None],
    corrected: Corrected,
    automatic: pd.DataFrame,
    calibration: Calibration,
    frames: Sequence[NDArray[np.generic]] | None,
) -> pd.DataFrame:
    """Rows of the edited somas of one frame."""
    ids = found["track_id"].tolist()
    masks = {track: mask for track in ids if (mask := drawn[t, track]) is not None}
    parts = []
    if masks:
        labels_YX = np.zeros(corrected.shape_YX, np.int32)
        for track, mask in masks.items():
            mask.paint(labels_YX, track)
        image = None if frames is None else [np.asarray(frames[t])]
        detections = detect_cells([labels_YX], image)
        detections = detections.assign(frame=t)
        measured = as_tracks(detections, detections["label"].to_numpy(), calibration)
        parts.append(measured.assign(label=0, **{CONFIDENCE.name: np.nan}))
    alone = found[~found["track_id"].isin(list(masks))]
    if len(alone):
        parts.append(
            pd.DataFrame(
                {
                    "track_id": alone["track_id"],
                    "frame": t,
                    "t_h": calibration.hours(alone["frame"]),
                    "y_px": alone["y_px"],
                    "x_px": alone["x_px"],
                    "y_um": alone["y_px"] * calibration.pixel_size_um,
                    "x_um": alone["x_px"] * calibration.pixel_size_um,
                }
            )
        )
    rows = pd.concat(parts, ignore_index=True)
    return rows.reindex(columns=[*automatic.columns]).assign(**{EDITED: 1})
