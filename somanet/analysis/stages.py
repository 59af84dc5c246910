"""The four stages from a movie to its results.

Each reads and writes files only, so that a command, a pipeline stage or a corrected table of tracks can start or stop
anywhere, and every number follows from the files next to it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from somanet.analysis import names
from somanet.analysis.cell_tables import write_migration
from somanet.analysis.source import MovieSource, check_intended_use
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder, read_json, write_json
from somanet.core.schema import CONFIDENCE, SOMAS, TRACKS, check_tracks
from somanet.core.swapping import scratch_folder
from somanet.io.label_movies import LARGEST_UINT16, write_label_movie
from somanet.io.movies import CLASSIC_TIFF_BYTES, Movie, open_movie
from somanet.io.tables import read_table, write_table
from somanet.migration.measures import Measures, measure_movie
from somanet.migration.settings import MigrateSettings
from somanet.migration.tables import PAUSES, SALTATION_EVENTS
from somanet.segmentation.inference.movie_labels import label_movie
from somanet.segmentation.inference.record import record_of
from somanet.segmentation.inference.video import find_blank_frames
from somanet.tracking.confidence import confidence_of_tracks
from somanet.tracking.detections import Labels
from somanet.tracking.exchange import write_csv
from somanet.tracking.movie import track_masks
from somanet.tracking.settings import TrackSettings

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter

LARGEST_ID = np.iinfo(np.int32).max


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata that an earlier stage wrote.

    Raises:
        SomaNetError: as in :func:`somanet.core.files.read_json`.
    """
    return read_json(path, expected="a movie's metadata, written by an earlier stage")


def scale_of(metadata: dict[str, Any]) -> Calibration:
    """The physical scale in `movie.json`."""
    return Calibration(metadata["pixel_size_um"], metadata["frame_interval_min"])


def segment_movie(
    source: MovieSource,
    segmenter: Segmenter,
    folder: Path,
    *,
    any_modality: bool = False,
) -> dict[str, Any]:
    """Segment the somas in every frame: `movie.json`, `masks.tif`, `somas.csv` and `segmentation.json`.

    Args:
        source: the movie.
        segmenter: the network or networks.
        folder: the folder to write to.
        any_modality: also segment a movie outside the network's intended use.

    Returns:
        The content of `segmentation.json`.

    Raises:
        SomaNetError: the movie cannot be read, has no scale, or is outside the network's intended use.
    """
    from somanet.segmentation.inference.diameters import median_or_nan

    if not any_modality:
        check_intended_use([source], segmenter.intended_use)
    metadata = source.describe()
    write_json(folder / names.MOVIE, metadata)
    with source.open() as movie:
        found = label_movie(segmenter, movie, folder / names.MASKS, calibration=scale_of(metadata))
    write_table(folder / names.SOMAS, found.somas, SOMAS)
    median_px = median_or_nan(found.somas["diameter_px"].to_numpy(float))
    segmentation = {
        **record_of(segmenter),
        "serves": segmenter.intended_use.model_dump(mode="json"),
        "any_modality": any_modality,
        "blank_frames": list(found.blank_frames),
        "n_objects": sum(found.counts),
        "objects_per_frame": found.counts,
        "median_diameter_px": round(median_px, 2),
        "diameter_seen_smaller_px": round(found.downscaled_px, 2),
    }
    write_json(folder / names.SEGMENTATION, segmentation)
    return segmentation


def track_movie(source: MovieSource, masks: Path, folder: Path, settings: TrackSettings) -> dict[str, Any]:
    """Track the somas: `tracks.csv`, `labels.tif` (or `.zarr`) and `tracking.json`, whose content is returned.

    Tracks have the network's confidence in each detection, unless the masks came without `somas.csv`.

    Args:
        source: the movie.
        masks: folder written by :func:`segment_movie`.
        folder: the folder to write to.
        settings: for tracking.
    """
    calibration = scale_of(read_metadata(masks / names.MOVIE))
    blank = tuple(read_metadata(masks / names.SEGMENTATION)["blank_frames"])
    make_folder(folder)
    with (
        source.open() as movie,
        open_movie(masks / names.MASKS) as mask_movie,
        scratch_folder(folder / "tracking") as scratch,
    ):
        shape = mask_movie.shape_YX
        bar = tqdm(total=3, desc="tracking", unit="pass", disable=None)

        def keep(frames: Iterable[Labels]) -> Sequence[Labels]:
            path = scratch / "separated.zarr"
            write_label_movie(
                path,
                frames,
                n_frames=len(mask_movie),
                shape_YX=shape,
                largest_id=LARGEST_ID,
                calibration=calibration,
            )
            bar.update()
            return open_movie(path)

        tracked = track_masks(mask_movie, movie, calibration, settings=settings, blank_frames=blank, keep=keep)
        bar.update()
        largest = int(tracked.tracks["track_id"].max()) if len(tracked.tracks) else 0
        write_labels_of(folder, tracked.labels(), len(mask_movie), shape, largest, calibration)
        bar.update()
        bar.close()
        tracks = tracked.tracks
        if (masks / names.SOMAS).exists():
            somas = read_table(masks / names.SOMAS, SOMAS)
            confidence = confidence_of_tracks(tracks, tracked.masks, mask_movie, somas)
            tracks = tracks.assign(**{CONFIDENCE.name: confidence})
    write_csv(folder / names.TRACKS, tracks)
    metadata = {
        "settings": tracked.settings.model_dump(mode="json"),
        "n_tracks": int(tracked.tracks["track_id"].nunique()),
        "n_points": len(tracked.tracks),
        "n_noise_objects": tracked.n_noise,
        "n_points_in_short_tracks": tracked.n_short,
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


@contextmanager
def open_labels(folder: Path) -> Iterator[Movie | None]:
    """The label movie in a folder of results; None if the tracks came without one."""
    for name in (names.LABELS_TIFF, names.LABELS_ZARR):
        if (folder / name).exists():
            with open_movie(folder / name) as labels:
                yield labels
            return
    yield None


def take_tracks(source: MovieSource, tracks_file: Path, folder: Path) -> dict[str, Any]:
    """Use tracks made or corrected elsewhere instead of tracking; a CTC folder includes its labels.

    Raises:
        SomaNetError: the file is not a table of tracks, or they lie outside the movie.
    """
    from somanet.tracking.ctc import CtcMasks
    from somanet.tracking.formats import read_tracks, recognise
    from somanet.tracking.relabel import relabel_movie

    metadata = source.describe()
    write_json(make_folder(folder) / names.MOVIE, metadata)
    calibration = scale_of(metadata)
    kind = recognise(tracks_file)
    tracks = read_tracks(tracks_file, calibration)
    _check_inside(tracks, metadata, tracks_file)
    if kind == "ctc":
        masks = CtcMasks(tracks_file)
        largest = int(tracks["track_id"].max()) if len(tracks) else 0
        shape = (int(metadata["shape_YX"][0]), int(metadata["shape_YX"][1]))
        write_labels_of(folder, relabel_movie(masks, tracks), len(masks), shape, largest, calibration)
    write_csv(folder / names.TRACKS, tracks)
    with source.open() as movie:
        blank = find_blank_frames(movie)
    write_json(folder / names.SEGMENTATION, {"blank_frames": list(blank), "tracks_from": tracks_file.name})
    tracking = {"n_tracks": int(tracks["track_id"].nunique()), "n_points": len(tracks), "format": kind}
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
            f"{source}: track {row['track_id']:.0f} is at frame {row['frame']:.0f}, ({row['y_px']:.0f}, "
            f"{row['x_px']:.0f}) px, outside the movie of {movie['n_frames']} frames, {height} × {width} px. Are they "
            "from another movie, or in another unit?"
        )


def migrate_movie(tracks_folder: Path, folder: Path, settings: MigrateSettings) -> Measures:
    """Measure `tracks.csv`: `saltations.csv`, `pauses.csv`, `migration.csv` with its internals, and `summary.json`."""
    metadata = read_metadata(tracks_folder / names.MOVIE)
    tracks = read_tracks_of(tracks_folder)
    measures = measure_movie(tracks, **settings.model_dump())
    found = measures.migration
    write_table(make_folder(folder) / names.SALTATIONS, found.saltations.events, SALTATION_EVENTS)
    write_table(folder / names.PAUSES, found.saltations.pauses, PAUSES)
    write_migration(folder, found.cells)
    write_json(folder / names.SUMMARY, summary_of(measures, metadata))
    return measures


def read_tracks_of(folder: Path) -> pd.DataFrame:
    """The tracks in a folder of results."""
    path = folder / names.TRACKS
    return check_tracks(read_table(path, TRACKS), str(path))


def summary_of(measures: Measures, metadata: dict[str, Any]) -> dict[str, Any]:
    """The content of `summary.json`: numbers with intervals, by the rule and by the model, and directions."""
    found = measures.migration
    return {
        "movie": metadata["movie"],
        "n_frames": metadata["n_frames"],
        "pixel_size_um": metadata["pixel_size_um"],
        "frame_interval_min": metadata["frame_interval_min"],
        **measures.summary.as_dict(),
        "model": measures.model_summary.as_dict()["numbers"],
        "localisation_noise_um": found.noise.sigma_um,
        "mobile_threshold_um_per_h": found.threshold_um_per_h,
        "least_saltation_um": found.saltations.min_length_um,
        "direction_of_cells": asdict(measures.direction),
        "direction_of_saltations": asdict(measures.saltation_direction),
        "persistent_walk": asdict(measures.walk) if measures.walk else None,
        "warnings": list(measures.warnings),
    }


def copy_metadata(source: Path, folder: Path) -> None:
    """Copy the metadata of earlier stages, if the folders differ."""
    for name in names.STAGE_FILES:
        if (source / name).exists() and source.resolve() != folder.resolve():
            shutil.copyfile(source / name, make_folder(folder) / name)
