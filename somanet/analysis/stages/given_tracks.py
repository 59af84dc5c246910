"""Tracks made or corrected in another program, in place of the stages `segment` and `track`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from somanet.analysis import names
from somanet.analysis.source import MovieSource
from somanet.analysis.stages.files import scale_of
from somanet.analysis.stages.track import write_labels_of
from somanet.core.calibration import FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder, write_json
from somanet.core.hashing import sha256_tree
from somanet.core.schema import DRIFT
from somanet.io.tables import write_table
from somanet.segmentation.inference.video import find_blank_frames
from somanet.tracking.drift import measure_drift
from somanet.tracking.exchange import write_csv


def take_tracks(source: MovieSource, tracks_file: Path, folder: Path) -> dict[str, Any]:
    """Use tracks made or corrected elsewhere instead of tracking; a CTC folder includes its labels.

    Raises:
        SomaNetError: the file is not a table of tracks, or they lie outside the movie.
    """
    from somanet.tracking.ctc import CtcMasks
    from somanet.tracking.formats import Given, open_tracks
    from somanet.tracking.relabel import relabel_movie

    metadata = source.describe()
    write_json(make_folder(folder) / names.MOVIE, metadata)
    calibration = scale_of(metadata)
    shape = (int(metadata["shape_YX"][0]), int(metadata["shape_YX"][1]))
    scale = FileCalibration(calibration.pixel_size_um, calibration.frame_interval_min)
    found = open_tracks(tracks_file, Given(scale, n_frames=metadata["n_frames"], shape_YX=shape))
    kind, tracks = found.kind, found.tracks
    if found.relative:
        raise SomaNetError(
            f"{tracks_file}: it has displacements, and no positions that could be laid over the movie. Export "
            "Location_Center_X and Location_Center_Y with it, or measure it alone: somanet tracks measure "
            f"{tracks_file} --output OUT"
        )
    _check_inside(tracks, metadata, tracks_file)
    if kind == "ctc":
        masks = CtcMasks(tracks_file)
        largest = int(tracks["track_id"].max()) if len(tracks) else 0
        write_labels_of(folder, relabel_movie(masks, tracks), len(masks), shape, largest, calibration)
    write_csv(folder / names.TRACKS, tracks)
    with source.open() as movie:
        blank = find_blank_frames(movie)
        # Without the tracks: what a person corrects in one cell must not change the numbers of the others.
        drift = measure_drift(movie, calibration, blank_frames=blank)
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


def _check_inside(tracks: pd.DataFrame, movie: dict[str, Any], source: Path) -> None:
    height, width = movie["shape_YX"]
    outside = (
        (tracks["frame"] >= movie["n_frames"])
        | ~tracks["y_px"].between(-0.5 * height, 1.5 * height)
        | ~tracks["x_px"].between(-0.5 * width, 1.5 * width)
    )
    if outside.any():
        row = tracks[outside].iloc[0]
        raise SomaNetError(
            f"{source}: track {row['track_id']:.12g} is at frame {row['frame']:.12g}, ({row['y_px']:.6g}, "
            f"{row['x_px']:.6g}) px, outside the movie of {movie['n_frames']} frames, {height} × {width} px. Are they "
            "from another movie, or in another unit?"
        )
