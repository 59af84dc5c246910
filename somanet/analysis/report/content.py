"""The content of a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.schema import TRACKS, check_columns
from somanet.migration.measures import Measures


class Frames(Protocol):
    """Images that are read one at a time: an open movie, an array, a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, t: int, /) -> np.ndarray: ...


@dataclass(frozen=True)
class ReportInput:
    """One analysed movie.

    Attributes:
        title: the movie's name.
        calibration: its physical scale.
        frames: YX images of any real number type, read one at a time: an open movie or an array.
        labels: YX label images, value = track id, read one at a time; None if the tracks came from elsewhere, and
            cells are then drawn as circles.
        tracks: :data:`somanet.core.schema.TRACKS`; ``area_um2`` and further columns are optional.
        measures: results for these tracks.
        warnings: sentences about what weakens the numbers.
        notes: sentences about the movie.
        provenance: nested plain values: hashes, versions, parameters.
        before: of tracks that a person corrected, the numbers of the automatic ones, as in `summary.json`.
    """

    title: str
    calibration: Calibration
    frames: Frames
    labels: Frames | None
    tracks: pd.DataFrame
    measures: Measures
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] | None = None


def check_movie(frames: Frames, labels: Frames | None, tracks: pd.DataFrame) -> tuple[int, tuple[int, int]]:
    """The number of frames and their shape, if frames, labels and tracks belong together.

    Raises:
        SomaNetError: no frames, another number or shape of label images, or tracks beyond the movie.
    """
    check_columns(tracks, TRACKS, "tracks")
    n_frames = len(frames)
    if not n_frames:
        raise SomaNetError("Expected a movie, found no frames. Is the file complete?")
    shape = _shape(frames[0], "frames")
    if labels is not None:
        if len(labels) != n_frames:
            raise SomaNetError(
                f"Expected one label image per frame, {n_frames}, found {len(labels)}. Are they from another movie?"
            )
        found = _shape(labels[0], "label images")
        if found != shape:
            raise SomaNetError(f"Expected label images of {shape}, found {found}. Are they from another movie?")
    last = int(tracks["frame"].max()) if len(tracks) else 0
    if last >= n_frames:
        raise SomaNetError(
            f"The tracks reach frame {last}, the movie ends at {n_frames - 1}. Are they from another one?"
        )
    return n_frames, shape


def _shape(image: np.ndarray, name: str) -> tuple[int, int]:
    shape = np.shape(image)
    if len(shape) != 2:
        raise SomaNetError(f"Expected {name} of one channel (YX), found shape {shape}. Choose a channel.")
    return int(shape[0]), int(shape[1])


def saltating_frames(events: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """First and last frame of each saltation: columns ``track_id``, ``first_frame``, ``last_frame``.

    Args:
        events: :data:`somanet.migration.tables.SALTATION_EVENTS`; their times are those of frames of the tracks.
        tracks: that they were found in.
    """
    frame_at = tracks.drop_duplicates("t_h").set_index("t_h")["frame"]
    return pd.DataFrame(
        {
            "track_id": events["track_id"].astype("int64"),
            "first_frame": events["start_h"].map(frame_at).astype("int64"),
            "last_frame": events["end_h"].map(frame_at).astype("int64"),
        }
    )
