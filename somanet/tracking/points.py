"""Tracks as bare points, as other programs store them: validated and converted to SomaNet's table."""

from __future__ import annotations

import pandas as pd

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.schema import LARGEST_ID, PARENT, TRACKS, check_tracks


def tracks_from_points(
    points: pd.DataFrame, calibration: Calibration, source: str, *, real_h: pd.Series | None = None
) -> pd.DataFrame:
    """The table of tracks of points in pixels.

    Args:
        points: ``track_id``, ``frame``, ``y_px``, ``x_px``; further columns are kept. Ids of programs that count from
            0 are all raised by 1, as 0 is the background of label images.
        calibration: the physical scale.
        source: where they came from, for messages.
        real_h: times in hours since frame 0, where they are no multiples of the frame interval.

    Returns:
        ``schema.TRACKS`` columns, then the others, by track and frame.

    Raises:
        SomaNetError: as for :func:`somanet.core.schema.check_tracks`.
    """
    wrong = [n for n in ("track_id", "frame") if len(points) and not (points[n].abs() <= LARGEST_ID).all()]
    if wrong:
        raise SomaNetError(
            f"{source}: expected whole numbers up to {LARGEST_ID} in {wrong[0]}, found others. Number them anew."
        )
    shift = 1 if len(points) and points["track_id"].min() == 0 else 0
    table = points.assign(
        track_id=points["track_id"].astype("int64") + shift,
        frame=points["frame"].astype("int64"),
        t_h=calibration.hours(points["frame"]) if real_h is None else real_h,
        y_px=points["y_px"].astype("float64"),
        x_px=points["x_px"].astype("float64"),
    )
    if PARENT.name in table:
        table = table.assign(**{PARENT.name: table[PARENT.name].astype("Int64") + shift})
    table = table.assign(y_um=table["y_px"] * calibration.pixel_size_um, x_um=table["x_px"] * calibration.pixel_size_um)
    table = table[[*TRACKS.names, *(name for name in table.columns if name not in TRACKS.names)]]
    return check_tracks(table, source)


def edges_of(tracks: pd.DataFrame) -> list[tuple[int, int]]:
    """Pairs of positions of consecutive rows of the same track, also over gaps; rows by track and frame.

    With ``parent_id``, also from the last row of a cell that divided to the first one of each daughter.
    """
    ids = tracks["track_id"].tolist()
    edges = [(i, i + 1) for i in range(len(ids) - 1) if ids[i] == ids[i + 1]]
    if PARENT.name in tracks:
        first = {ids[i]: i for i in reversed(range(len(ids)))}
        last = {track: i for i, track in enumerate(ids)}
        frames, parents = tracks["frame"].tolist(), tracks[PARENT.name].fillna(0).tolist()
        born = [(last[parents[i]], i) for i in first.values() if parents[i] in last]
        edges += sorted(pair for pair in born if frames[pair[0]] < frames[pair[1]])
    return edges
