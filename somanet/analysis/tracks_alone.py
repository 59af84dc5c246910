"""Tracks without their movie: what `somanet tracks measure` does with a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from somanet.analysis import names
from somanet.analysis.leaving import leave_corrections
from somanet.analysis.manifest import provenance_of
from somanet.analysis.methods import movie_methods
from somanet.analysis.replacing import goes_aside_for_tracks
from somanet.analysis.source import FEWEST_FRAMES, check_plausible
from somanet.analysis.stages.migrate import migrate_movie
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object, write_json, write_text
from somanet.core.guard import reading
from somanet.core.hashing import sha256_tree
from somanet.core.result_records import hashes_of
from somanet.core.results import result_folder
from somanet.core.unchanged import unchanged
from somanet.migration.measures import Measures
from somanet.migration.settings import MigrateSettings
from somanet.tracking.exchange import write_csv
from somanet.tracking.formats import Given, TracksFile, open_tracks
from somanet.tracking.real_times import times_in_table

WRITES = (
    names.TRACKS, names.SALTATIONS, names.PAUSES, names.MODES, names.MIGRATION, names.MIGRATION_INTERNALS,
    names.SUMMARY, names.METHODS, names.MANIFEST,
)  # fmt: skip
"""Files that tracks alone give: no images, and so no masks, drift, report or video."""
FARTHEST_UM = 1e6
"""A metre: no stage goes that far."""
NO_IMAGES = "The tracks were measured without their movie: what the stage did is not known."


def measure_tracks(tracks_file: Path, output: Path, *, name: str, given: Given, settings: MigrateSettings) -> Measures:
    """From a file of tracks to a folder of results like a movie's; everything is written, or nothing.

    Args:
        tracks_file: of any format of :mod:`somanet.tracking.formats`.
        output: the folder; results of earlier tracks alone are replaced, other files in it stay. Those of an analysis
            with images go aside as a whole, if files may be replaced.
        name: of the movie that they are of, for the tables.
        given: the scale and units that the file lacks.
        settings: of the measurement.

    Raises:
        SomaNetError: the tracks cannot be read or measured, or the output cannot be written, or has results of an
            analysis with images.
    """
    aside = goes_aside_for_tracks(output)
    with (
        reading(tracks_file),
        result_folder(output, names.RESULTS, writes=WRITES, aside=aside) as folder,
        unchanged(tracks_file),
    ):
        found = open_tracks(tracks_file, given)
        check_plausible(found.scale, str(tracks_file))
        _check_places(found.tracks, tracks_file)
        _write_stages(found, tracks_file, folder, name)
        measures = migrate_movie(folder, folder, settings)
        provenance = provenance_of(folder, settings)
        write_text(folder / names.METHODS, movie_methods(provenance, json_object(folder / names.SUMMARY)))
        for stage in names.STAGE_FILES:
            (folder / stage).unlink()
        record = {**provenance, "notes": [NO_IMAGES, *found.notes], "files": hashes_of(folder, names.RESULTS)}
        write_json(folder / names.MANIFEST, record)
        leave_corrections(None if aside else output, folder)
    return measures


def _check_places(tracks: pd.DataFrame, source: Path) -> None:
    """Refuse positions where no cell can be, as a movie's frame does."""
    far = (tracks[["y_um", "x_um"]].abs() > FARTHEST_UM).any(axis=1)
    if far.any():
        row = tracks[far].iloc[0]
        raise SomaNetError(
            f"{source}: track {row['track_id']:.12g} is at ({row['y_um']:.6g}, {row['x_um']:.6g}) µm in frame "
            f"{row['frame']:.12g}; expected positions within {FARTHEST_UM:g} µm. Is the unit or "
            "the decimal sign another?"
        )


def _write_stages(found: TracksFile, tracks_file: Path, folder: Path, name: str) -> None:
    """What the stages before `migrate` write of a movie, as far as tracks tell it."""
    tracks = found.tracks
    n_frames = found.image.n_frames or (int(tracks["frame"].max()) + 1 if len(tracks) else 0)
    if n_frames < FEWEST_FRAMES:
        raise SomaNetError(
            f"{tracks_file}: expected tracks of at least {FEWEST_FRAMES} frames, found {n_frames}. Is it the file of "
            "one image, or a table without tracks?"
        )
    shape: list[int] | None = None if found.image.shape_YX is None or found.relative else list(found.image.shape_YX)
    sha256 = sha256_tree(tracks_file)
    movie: dict[str, Any] = {"movie": name, "file": tracks_file.name, "sha256": sha256, "tracks_only": True}
    movie |= {"n_frames": n_frames, "shape_YX": shape, "truncated": False}
    movie |= {"pixel_size_um": found.scale.pixel_size_um, "frame_interval_min": found.scale.frame_interval_min}
    if (times := times_in_table(tracks)) is not None:
        movie["times_h"] = list(times)
    write_csv(folder / names.TRACKS, tracks)
    write_json(folder / names.MOVIE, movie)
    given = {"blank_frames": [], "tracks_from": tracks_file.name, "tracks_sha256": sha256}
    write_json(folder / names.SEGMENTATION, given)
    counts = {"n_tracks": int(tracks["track_id"].nunique()), "n_points": len(tracks)}
    write_json(folder / names.TRACKING, {**counts, "format": found.kind})
