"""Label movies as tracks: a TIFF whose values are the cells' numbers, as DeepCell, TrackMate and others write them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.io.label_checks import CheckedFrames, describe_doubts
from somanet.io.label_movies import open_label_movie
from somanet.io.movies import Movie
from somanet.tracking.detections import detect_cells
from somanet.tracking.linking import as_tracks
from somanet.tracking.raw import GIVE_SCALE, Given, ImageFacts, TracksFile, check_same_movie

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of a TIFF and of a BigTIFF, of either byte order."""


@contextmanager
def open_label_tiff(path: Path) -> Iterator[Movie]:
    """The label movie in a TIFF file, whatever its name ends in."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise SomaNetError(
            f"{path}: expected a table of tracks, found a TIFF. Give it the suffix .tif and name it again."
        )
    with open_label_movie(path) as movie:
        yield movie


def read_label_tracks(path: Path, given: Given) -> TracksFile:
    """The tracks of a label movie: each value is one cell, at the centres of its masks.

    Raises:
        SomaNetError: no label images, values in several pieces (masks that nobody tracked), another movie than the
            one given, or no scale.
    """
    with open_label_tiff(path) as movie:
        image = ImageFacts(movie.n_frames, movie.shape_YX, movie.file_calibration)
        check_same_movie(image, given, str(path))
        own = movie.file_calibration
        scale = FileCalibration(
            given.scale.pixel_size_um or own.pixel_size_um,
            given.scale.frame_interval_min or own.frame_interval_min,
            given.scale.times_h,
        )
        if scale.pixel_size_um is None or scale.frame_interval_min is None:
            raise SomaNetError(f"{path}: the physical scale of these tracks (labels) is unknown. {GIVE_SCALE}")
        calibration = Calibration(scale.pixel_size_um, scale.frame_interval_min, scale.times_h)
        checked = CheckedFrames(movie, str(path))
        detections = detect_cells(checked)
    notes = [*describe_doubts(checked.doubts)]
    present = [set(rows["label"].tolist()) for _, rows in detections.groupby("frame")]
    sizes = {len(labels) for labels in present}
    if len(sizes) > 1 and all(labels == set(range(1, len(labels) + 1)) for labels in present):
        notes.append(
            "In every frame the objects are numbered from 1 without a gap, as they are before tracking. If nobody "
            "tracked them, these are no tracks."
        )
    tracks = as_tracks(detections, detections["label"].to_numpy(np.int64), calibration)
    return TracksFile(tracks, calibration, "labels", image, tuple(notes))
