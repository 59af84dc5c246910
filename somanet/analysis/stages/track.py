"""The stage `track`: from the masks of every frame to tracks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from somanet.analysis import names
from somanet.analysis.fading import note_on_fading
from somanet.analysis.source import MovieSource
from somanet.analysis.stages.files import frames_without_data, read_metadata, scale_of
from somanet.core.calibration import Calibration
from somanet.core.files import make_folder, write_json
from somanet.core.progress import Progress
from somanet.core.schema import CONFIDENCE, DRIFT, SOMAS
from somanet.core.swapping import scratch_folder
from somanet.io.frame_store import FrameFile, keeping, kept
from somanet.io.label_movies import LARGEST_UINT16, write_label_movie
from somanet.io.movies import CLASSIC_TIFF_BYTES, open_movie
from somanet.io.tables import read_table, write_table
from somanet.segmentation.inference.burnt_in import Cleaned
from somanet.tracking.confidence import confidence_of_tracks
from somanet.tracking.detections import Labels
from somanet.tracking.exchange import write_csv
from somanet.tracking.movie import track_masks
from somanet.tracking.settings import TrackSettings


def track_movie(source: MovieSource, masks: Path, folder: Path, settings: TrackSettings) -> dict[str, Any]:
    """Track the somas: `tracks.csv`, `drift.csv`, `labels.tif` (or `.zarr`) and `tracking.json`, which is returned.

    Tracks have the network's confidence in each detection, unless the masks came without `somas.csv`.

    Args:
        source: the movie.
        masks: folder written by :func:`segment_movie`.
        folder: the folder to write to.
        settings: for tracking.
    """
    about = read_metadata(masks / names.MOVIE)
    calibration = scale_of(about)
    segmentation = read_metadata(masks / names.SEGMENTATION)
    empty = frames_without_data(about, segmentation)
    make_folder(folder)
    with (
        scratch_folder(folder / "tracking") as scratch,
        source.using(about).keeping_frames(scratch) as source,
        source.open() as movie,
        keeping(open_movie(masks / names.MASKS, labels=True), scratch, compressed=True) as mask_movie,
        FrameFile(scratch, compressed=True) as separated,
        Progress(3, doing="tracking", unit="pass") as progress,
    ):
        shape = mask_movie.shape_YX
        boxes = segmentation.get("burnt_in_boxes")
        frames = Cleaned(movie, boxes, movie.shape_YX) if boxes else movie

        def keep(labels: Iterable[Labels]) -> Sequence[Labels]:
            found = kept(labels, separated)
            progress.step()
            return found

        tracked = track_masks(mask_movie, frames, calibration, settings=settings, blank_frames=empty, keep=keep)
        progress.step()
        largest = int(tracked.tracks["track_id"].max()) if len(tracked.tracks) else 0
        write_labels_of(folder, tracked.labels(), len(mask_movie), shape, largest, calibration)
        progress.step()
        tracks, fading = tracked.tracks, None
        if (masks / names.SOMAS).exists():
            somas = read_table(masks / names.SOMAS, SOMAS)
            confidence = confidence_of_tracks(tracks, tracked.masks, mask_movie, somas)
            tracks = tracks.assign(**{CONFIDENCE.name: confidence})
            fading = note_on_fading(somas, n_frames=len(mask_movie), blank_frames=empty)
    write_csv(folder / names.TRACKS, tracks)
    write_table(folder / names.DRIFT, tracked.drift.table, DRIFT)
    metadata = {
        "settings": tracked.settings.model_dump(mode="json"),
        "n_tracks": int(tracked.tracks["track_id"].nunique()),
        "n_points": len(tracked.tracks),
        "n_noise_objects": tracked.n_noise,
        "n_points_in_short_tracks": tracked.n_short,
        "drift": tracked.drift.summary(),
        "fading": fading,
    }
    write_json(folder / names.TRACKING, metadata)
    return metadata


def write_labels_of(
    folder: Path,
    labels: Iterable[Labels],
    n_frames: int,
    shape_YX: tuple[int, int],
    largest_id: int,
    calibration: Calibration,
) -> Path:
    """Write the label movie as TIFF, or as zarr if it is too large for TIFF; return its path."""
    n_bytes = n_frames * shape_YX[0] * shape_YX[1] * (2 if largest_id <= LARGEST_UINT16 else 4)
    path = folder / (names.LABELS_TIFF if n_bytes < CLASSIC_TIFF_BYTES else names.LABELS_ZARR)
    write_label_movie(
        path, labels, n_frames=n_frames, shape_YX=shape_YX, largest_id=largest_id, calibration=calibration
    )
    return path
