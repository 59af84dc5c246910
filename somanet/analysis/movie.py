"""One movie through all four stages: what `somanet analyze` does with a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from somanet.analysis import names
from somanet.analysis.manifest import provenance_of
from somanet.analysis.source import MovieSource
from somanet.analysis.stages import (
    migrate_movie,
    open_labels,
    read_metadata,
    read_tracks_of,
    scale_of,
    segment_movie,
    take_tracks,
    track_movie,
)
from somanet.core.files import make_folder, write_json
from somanet.core.guard import reading
from somanet.core.results import hashes_of, result_folder
from somanet.migration.measures import Measures
from somanet.migration.settings import MigrateSettings
from somanet.segmentation.inference.movie_labels import listed
from somanet.tracking.settings import TrackSettings

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter


@dataclass(frozen=True)
class AnalysisNetworks:
    """The network or networks to segment with, and their metadata for the manifest."""

    segmenter: Segmenter
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """How movies are analysed.

    Attributes:
        track, migrate: settings of these stages.
        report, overlay: write `report.html` and `overlay.mp4`.
        exports: further formats of the tracks, of :data:`somanet.tracking.formats.FORMATS`.
        any_modality: also analyse a movie outside the network's intended use.
    """

    track: TrackSettings = field(default_factory=TrackSettings)
    migrate: MigrateSettings = field(default_factory=MigrateSettings)
    report: bool = True
    overlay: bool = True
    exports: Sequence[str] = ()
    any_modality: bool = False

    def files(self) -> tuple[str, ...]:
        """Every file name that an analysis may write."""
        return (*names.ALL, *(names.EXPORTS[kind] for kind in self.exports))


def analyze_movie(
    source: MovieSource,
    output: Path,
    *,
    network: AnalysisNetworks | None,
    tracks_file: Path | None = None,
    options: Options | None = None,
) -> Measures:
    """From a movie to its folder of results; everything is written, or nothing.

    Args:
        source: the movie.
        output: the folder; results of an earlier analysis are replaced, other files in it stay.
        network: segments the somas; not needed with tracks.
        tracks_file: tracks made or corrected elsewhere, used instead of finding them.
        options: see :class:`Options`.

    Raises:
        SomaNetError: the movie or the tracks cannot be used, or the output cannot be written.
    """
    options = options or Options()
    with (
        reading(source.path, tracks_file),
        result_folder(output, names.RESULTS, writes=options.files()) as folder,
    ):
        if tracks_file is not None:
            take_tracks(source, tracks_file, folder)
        elif network is not None:
            segment_movie(source, network.segmenter, folder, any_modality=options.any_modality)
            track_movie(source, folder, folder, options.track)
            (folder / names.MASKS).unlink()
        measures = migrate_movie(folder, folder, options.migrate)
        about = None if network is None or tracks_file is not None else network.about
        provenance = provenance_of(folder, options.migrate, model=about)
        if options.report:
            report_movie(source, folder, folder, measures, provenance)
        if options.overlay:
            overlay_movie(source, folder, folder, measures)
        for kind in options.exports:
            export_tracks(source, folder, kind)
        notes = notes_of(folder)
        for name in names.STAGE_FILES:
            (folder / name).unlink()
        write_json(
            folder / names.MANIFEST, {**provenance, "notes": list(notes), "files": hashes_of(folder, names.RESULTS)}
        )
    return measures


def report_movie(
    source: MovieSource, tracks_folder: Path, folder: Path, measures: Measures, provenance: dict[str, Any]
) -> None:
    """Write `report.html`: player, plots, numbers, warnings and provenance in one file."""
    from somanet.analysis.report import ReportInput, write_report

    metadata = read_metadata(tracks_folder / names.MOVIE)
    with source.open() as movie, open_labels(tracks_folder) as labels:
        content = ReportInput(
            title=metadata["movie"],
            calibration=scale_of(metadata),
            frames=movie,
            labels=labels,
            tracks=read_tracks_of(tracks_folder),
            measures=measures,
            warnings=measures.warnings,
            notes=notes_of(tracks_folder),
            provenance=provenance,
        )
        write_report(make_folder(folder) / names.REPORT, content)


def overlay_movie(source: MovieSource, tracks_folder: Path, folder: Path, measures: Measures) -> None:
    """Write `overlay.mp4`: the movie with outlines and trails, cells that saltate in another colour."""
    from somanet.analysis.report import write_overlay

    calibration = scale_of(read_metadata(tracks_folder / names.MOVIE))
    with source.open() as movie, open_labels(tracks_folder) as labels:
        path = make_folder(folder) / names.OVERLAY
        events = measures.migration.saltations.events
        write_overlay(path, movie, labels, read_tracks_of(tracks_folder), calibration=calibration, saltations=events)


def notes_of(folder: Path) -> tuple[str, ...]:
    """Notes about a movie for the reader of its report."""
    metadata, segmentation, tracking = (read_metadata(folder / name) for name in names.STAGE_FILES)
    notes = []
    if metadata["truncated"]:
        notes.append(f"The file is truncated; the {metadata['n_frames']} complete frames were analysed.")
    if blank := segmentation["blank_frames"]:
        notes.append(
            f"{len(blank)} of {metadata['n_frames']} frames are blank ({listed(blank)}, counted from 0); cells were "
            "tracked across them, and they do not count as observed time."
        )
    if not tracking["n_tracks"]:
        notes.append(
            "No cell was found. Is it the channel of the somas, and is the pixel size right? A network trained on a "
            "few labelled crops of this microscope may be needed (somanet finetune)."
        )
    if note := _note_on_sizes(segmentation):
        notes.append(note)
    if segmentation.get("any_modality"):
        notes.append("The network was used without checking the kind of microscopy (--any-modality).")
    if "tracks_from" in segmentation:
        notes.append(f"The tracks were taken from {segmentation['tracks_from']}; SomaNet did not find them.")
    return tuple(notes)


def _note_on_sizes(segmentation: dict[str, Any]) -> str | None:
    from somanet.segmentation.inference.diameters import size_warning
    from somanet.segmentation.network.intended_use import IntendedUse

    if "serves" not in segmentation:
        return None
    median, downscaled_px = (
        float("nan") if segmentation[name] is None else float(segmentation[name])
        for name in ("median_diameter_px", "diameter_seen_smaller_px")
    )
    intended_use = IntendedUse.model_validate(segmentation["serves"])
    return size_warning(median, intended_use, factor=segmentation["rescale"], downscaled_px=downscaled_px)


def export_tracks(source: MovieSource, folder: Path, kind: str) -> Path:
    """Write the tracks in the format of another program, as `tracks_<kind>`; return its path."""
    from somanet.tracking.formats import write_tracks

    metadata = read_metadata(folder / names.MOVIE)
    path = folder / names.EXPORTS[kind]
    height, width = metadata["shape_YX"]
    with open_labels(folder) as labels:
        write_tracks(
            path,
            read_tracks_of(folder),
            scale_of(metadata),
            kind=kind,
            labels=labels,
            shape_YX=(height, width),
            movie=source.path,
        )
    return path
