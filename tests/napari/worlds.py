"""A movie of squares whose somas, tracks and errors are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from somanet.corrections import Header
from somanet.napari.session import Session
from somanet.tracking.detections import detect_cells

N_FRAMES, SHAPE = 6, (40, 60)  # T ≠ Y ≠ X
HEADER = Header("squares", "a" * 64, "b" * 64, "c" * 64)


def square(labels_YX: np.ndarray, label: int, top: int, left: int, side: int = 8) -> None:
    labels_YX[top : top + side, left : left + side] = label


def squares() -> np.ndarray:
    """Labels TYX: 1 moves right by 2 px a frame, 2 rests, 3 is seen in frames 0 to 2 and its place 4 from there on."""
    labels = np.zeros((N_FRAMES, *SHAPE), np.int32)
    for t in range(N_FRAMES):
        square(labels[t], 1, 4, 4 + 2 * t)
        square(labels[t], 2, 16, 20)
        square(labels[t], 3 if t < 3 else 4, 28, 40)
    return labels


def table(labels: np.ndarray) -> pd.DataFrame:
    """The tracks of labels whose values are the tracks, in pixels."""
    found = detect_cells(list(labels)).rename(columns={"label": "track_id"})
    return found[["track_id", "frame", "y_px", "x_px", "area_px"]].sort_values(["track_id", "frame"], ignore_index=True)


def session(path: Path, labels: np.ndarray | None = None) -> Session:
    found = squares() if labels is None else labels
    return Session(list(found), table(found), HEADER, path)


def frames(of: Session) -> np.ndarray:
    return np.stack([of.frame(t) for t in range(N_FRAMES)])
