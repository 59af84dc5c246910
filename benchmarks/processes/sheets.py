"""Film strips of traced leading processes, to be judged by eye.

Each row is one cell: the frame before, the frame, the same with what was traced, and a frame after. Dots are the cell's
places from two frames before (small) to two after (large); the thick line is the process called leading.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.analysis.processes.pictures import drawn
from somanet.analysis.processes.tracing import TracedLine
from somanet.analysis.report.content import Frames
from somanet.analysis.report.display_range import display_range
from somanet.core.files import atomic_path
from somanet.io.images import write_image
from tools.strip import png

Picture = NDArray[np.uint8]

ROWS, HALF_PX, FACTOR, GAP_PX = 6, 62, 1.75, 3
AWAY = 2
"""Frames before and after."""


def sample(table: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Rows called leading, drawn at random without any regard to their confidence, in order of cell and frame."""
    leading = table[table["role"] == "leading"]
    return leading.sample(count, random_state=seed).sort_values(["track_id", "frame"], ignore_index=True)


def strip(
    frames: Frames, tracks: pd.DataFrame, lines: Sequence[TracedLine], *, track: int, t: int, grey: object
) -> Picture:
    """YXC: the panels of one cell."""
    places = tracks[(tracks["track_id"] == track) & (tracks["frame"] - t).abs().le(AWAY)].sort_values("frame")
    here = places[places["frame"] == t][["y_px", "x_px"]].to_numpy(float)[0]
    times = [max(t - AWAY, 0), t, t, min(t + AWAY, len(frames) - 1)]
    panels = []
    for k, time in enumerate(times):
        picture = _enlarged(grey(np.asarray(frames[time])))
        if k == 2:
            thin = [line for line in lines if line.role != "leading" or line.track_id != track]
            faint = [TracedLine(one.track_id, one.role, 0.0, one.line_yx_px) for one in thin]
            chosen = [TracedLine(one.track_id, one.role, 1.0, one.line_yx_px) for one in lines if one not in thin]
            drawn(picture, [*faint, *chosen], FACTOR)
            for n, (y, x) in enumerate(places[["y_px", "x_px"]].to_numpy(float)):
                centre = (round((x + 0.5) * FACTOR), round((y + 0.5) * FACTOR))
                cv2.circle(picture, centre, 1 + n // 2, (86, 180, 233), cv2.FILLED, cv2.LINE_AA)
        panels.append(_cut(picture, here))
    row = np.concatenate([part for one in panels for part in (one, np.full_like(one[:, :GAP_PX], 255))][:-1], axis=1)
    return np.ascontiguousarray(row)


def _enlarged(grey_YX: Picture) -> Picture:
    large = cv2.resize(grey_YX, None, fx=FACTOR, fy=FACTOR, interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.cvtColor(large, cv2.COLOR_GRAY2RGB), np.uint8)


def _cut(picture: Picture, centre_px: NDArray[np.float64]) -> Picture:
    half = round(HALF_PX * FACTOR)
    y, x = (round((float(c) + 0.5) * FACTOR) for c in centre_px)
    padded = cv2.copyMakeBorder(picture, half, half, half, half, cv2.BORDER_CONSTANT)
    return np.asarray(padded[y : y + 2 * half, x : x + 2 * half], np.uint8)


def write_sheets(
    folder: Path, frames: Frames, tracks: pd.DataFrame, lines: dict[int, list[TracedLine]], chosen: pd.DataFrame
) -> list[Path]:
    """Write sheets of :data:`ROWS` strips each, numbered from 1 as in ``chosen``, and every tenth for a page."""
    grey = display_range(frames).grey
    rows = []
    for number, one in enumerate(chosen.itertuples(), start=1):
        t = int(one.frame)
        row = strip(frames, tracks, lines.get(t, []), track=int(one.track_id), t=t, grey=grey)
        text = f"{number}: cell {one.track_id}, frame {t}"
        cv2.putText(row, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
        rows.append(row)
    paths = []
    for first in range(0, len(rows), ROWS):
        paths.append(folder / f"sheet_{first // ROWS + 1:02d}.png")
        write_image(paths[-1], _stacked(rows[first : first + ROWS]))
    every_tenth = _stacked(rows[::10])
    paths.append(folder / "processes.png")
    with atomic_path(paths[-1]) as temporary:
        temporary.write_bytes(png(every_tenth))
    return paths


def _stacked(rows: Sequence[Picture]) -> Picture:
    return np.concatenate([part for row in rows for part in (row, np.full_like(row[:GAP_PX], 255))], axis=0)
