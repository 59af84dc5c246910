"""One movie through all four stages: what `somanet analyze` does with a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from somanet.analysis import names
from somanet.analysis.manifest import provenance_of
from somanet.analysis.source import MovieSource
from somanet.analysis.stages.files import open_labels, read_metadata, read_tracks_of, scale_of
from somanet.analysis.stages.given_tracks import take_tracks
from somanet.analysis.stages.migrate import migrate_movie
from somanet.analysis.stages.report import notes_of, overlay_movie, report_movie
from somanet.analysis.stages.segment import segment_movie
from somanet.analysis.stages.track import track_movie
from somanet.core.files import write_json
from somanet.core.guard import reading
from somanet.core.results import hashes_of, result_folder
from somanet.migration.measures import Measures
from somanet.migration.settings import MigrateSettings
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
