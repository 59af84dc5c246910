"""Tracks made or corrected in another program, in place of the stages `segment` and `track`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from somanet.analysis import names
from somanet.analysis.source import MovieSource
from somanet.analysis.stages.files import frames_without_data, scale_of
from somanet.analysis.stages.track import write_labels_of
from somanet.analysis.timing import uneven_in_words
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder, write_json
from somanet.core.hashing import sha256_tree
from somanet.core.schema import DRIFT
from somanet.core.typed import typed
from somanet.io.tables import write_table
from somanet.segmentation.inference.video import find_blank_frames
from somanet.tracking.drift import measure_drift
from somanet.tracking.exchange import write_csv
from somanet.tracking.real_times import times_in_table


def take_tracks(source: MovieSource, tracks_file: Path, folder: Path) -> dict[str, Any]:
    """Use tracks made or corrected elsewhere instead of tracking; formats that consist of masks include the labels.

    Raises:
        SomaNetError: the file is not a table of tracks, or they lie outside the movie.
    """
    from somanet.tracking.formats import Given, open_masks, open_tracks

    metadata = source.describe()
    make_folder(folder)
    calibration = scale_of(metadata)
    shape = (int(metadata["shape_YX"][0]), int(metadata["shape_YX"][1]))
    given_scale = Given.of(calibration).scale
    found = open_tracks(tracks_file, Given(given_scale, n_frames=metadata["n_frames"], shape_YX=shape))
    kind, tracks = found.kind, found.tracks
    if found.relative:
        raise SomaNetError(
            f"{tracks_file}: it has displacements, and no positions that could be laid over the movie. Export "
            "Location_Center_X and Location_Center_Y with it, or measure it alone: "
            f"{typed('tracks', 'measure', tracks_file, '--output', 'OUT')}"
        )
    check_inside(tracks, metadata, tracks_file)
    calibration = _with_times_of(tracks, calibration, metadata, tracks_file)
    write_json(folder / names.MOVIE, metadata)
    with open_masks(tracks_file, kind, tracks) as masks:
        if masks is not None:
            largest = int(tracks["track_id"].max()) if len(tracks) else 0
            write_labels_of(folder, masks, metadata["n_frames"], shape, largest, calibration)
    write_csv(folder / names.TRACKS, tracks)
    with source.using(metadata).keeping_frames(folder) as source, source.open() as movie:
        blank = find_blank_frames(movie)
        empty = frames_without_data(metadata, {"blank_frames": blank})
        # Without the tracks: what a person corrects in one cell must not change the numbers of the others.
        drift = measure_drift(movie, calibration, blank_frames=empty)
    write_table(folder / names.DRIFT, drift.table, DRIFT)
    given: dict[str, Any] = {"tracks_from": tracks_file.name, "tracks_sha256": sha256_tree(tracks_file)}
    given["tracks_notes"] = list(found.notes)
    write_json(folder / names.SEGMENTATION, {"blank_frames": list(blank), **given})
    tracking = {
        "n_tracks": int(tracks["track_id"].nunique()),
        "n_points": len(tracks),
        "format": kind,
        "drift": drift.summary(),
    }
    write_json(folder / names.TRACKING, tracking)
    return tracking


def _with_times_of(
    tracks: pd.DataFrame, calibration: Calibration, metadata: dict[str, Any], source: Path
) -> Calibration:
    """The scale with the times of the tracks, where these are uneven and the movie says nothing of it."""
    times = times_in_table(tracks)
    if calibration.times_h is not None or times is None:
        return calibration
    after = np.arange(1, metadata["n_frames"] - len(times) + 1) * calibration.frame_interval_h
    found = replace(calibration, times_h=(*times, *(times[-1] + after).tolist()))
    metadata["times_h"] = list(found.times_h or ())
    metadata["time_notes"] = [*metadata["time_notes"], uneven_in_words(found, f"in {source.name}")]
    return found


def check_inside(tracks: pd.DataFrame, movie: dict[str, Any], source: Path) -> None:
    """Refuse tracks with a point far outside of the movie.

    Raises:
        SomaNetError: naming the first such point.
    """
    height, width = movie["shape_YX"]
    outside = (
        (tracks["frame"] >= movie["n_frames"])
        | ~tracks["y_px"].between(-0.5 * height, 1.5 * height)
        | ~tracks["x_px"].between(-0.5 * width, 1.5 * width)
    )
    if outside.any():
        repeats = "The file repeats frames, and SomaNet numbers the others only: do the same."
        row = tracks[outside].iloc[0]
        raise SomaNetError(
            f"{source}: track {row['track_id']:.12g} is at frame {row['frame']:.12g}, ({row['y_px']:.6g}, "
            f"{row['x_px']:.6g}) px, outside the movie of {movie['n_frames']} frames, {height} × {width} px. "
            f"{repeats if movie['stored_frames'] else 'Are they from another movie, or in another unit?'}"
        )
