"""One movie through all four stages: what `somanet analyze` does with a file."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from somanet.analysis import names
from somanet.analysis.manifest import (
    edited_tracks,
    is_manifest,
    provenance_of,
    results_in,
    tracks_are_edited,
    tracks_are_given,
)
from somanet.analysis.methods import movie_methods
from somanet.analysis.source import MovieSource
from somanet.analysis.stages.files import open_labels, read_metadata, read_tracks_of, scale_of
from somanet.analysis.stages.given_tracks import take_tracks
from somanet.analysis.stages.migrate import migrate_movie
from somanet.analysis.stages.report import notes_of, overlay_movie, report_movie
from somanet.analysis.stages.segment import segment_movie
from somanet.analysis.stages.track import track_movie
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object, plain, write_json, write_text
from somanet.core.guard import keep, reading, release, replacing
from somanet.core.hashing import sha256_tree
from somanet.core.installation import PACKAGE
from somanet.core.result_records import hashes_of
from somanet.core.results import result_folder
from somanet.core.swapping import free_name
from somanet.core.unchanged import unchanged
from somanet.io.movie_files import movie_files
from somanet.io.movies import sha256_movie
from somanet.migration.measures import Measures
from somanet.migration.settings import MigrateSettings
from somanet.provenance.code import code_digest
from somanet.segmentation.inference.record import record_of
from somanet.tracking.settings import TrackSettings

if TYPE_CHECKING:
    from somanet.analysis.report.overlay import Style
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
        style: of `overlay.mp4`, see :data:`somanet.analysis.report.overlay.Style`.
        exports: further formats of the tracks, of :data:`somanet.analysis.names.EXPORTS`.
        any_modality: also analyse a movie outside the network's intended use.
    """

    track: TrackSettings = field(default_factory=TrackSettings)
    migrate: MigrateSettings = field(default_factory=MigrateSettings)
    report: bool = True
    overlay: bool = True
    style: Style = "outlines"
    exports: Sequence[str] = ()
    any_modality: bool = False

    def files(self) -> tuple[str, ...]:
        """Every file name that an analysis may write."""
        return (*names.ALL, *(names.EXPORTS[kind] for kind in self.exports))


def check_output(output: Path, *, movie: str, automatic: bool) -> None:
    """Refuse a folder in which a movie's results would damage other work, whether files may be replaced or not.

    Args:
        output: where the results are to go.
        movie: its name.
        automatic: a network finds the tracks; else a person gives them.

    Raises:
        SomaNetError: the folder is a study of several movies, or a person has corrected the tracks in it.
    """
    if (output / names.COHORT_RECORD).is_file() or any(place != output for place in results_in(output)):
        raise SomaNetError(
            f"{output} is a study: it has the results of other movies, each in a folder of its own. Give this movie "
            f"one too: --output {output / movie}; then `somanet cohort {output}` combines them."
        )
    manifest = json_object(output / names.MANIFEST)
    if not automatic or not is_manifest(manifest):
        return
    if tracks_are_edited(output):
        raise SomaNetError(edited_tracks(output, manifest))
    if tracks_are_given(manifest):
        raise SomaNetError(
            f"{output} has tracks that a person corrected, and an automatic analysis would replace them. Choose "
            "another --output, or move that folder away."
        )


@contextmanager
def tracks_to_take(tracks_file: Path | None, output: Path) -> Iterator[Path | None]:
    """Yield the tracks to read: a copy of those that lie among the results they correct, if files may be replaced.

    The results that replace them keep the file itself under another name.
    """
    inside = tracks_file is not None and output.is_dir() and tracks_file.resolve().parent == output.resolve()
    if tracks_file is None or not inside or not replacing() or not tracks_file.exists():
        yield tracks_file
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / tracks_file.name
        (shutil.copytree if tracks_file.is_dir() else shutil.copy2)(tracks_file, copy)
        release(tracks_file)
        yield copy


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
        output: the folder; results of an earlier analysis are replaced, other files in it stay. Tracks that a person
            corrected are replaced by further corrections only, and are then kept under another name.
        network: segments the somas; not needed with tracks.
        tracks_file: tracks made or corrected elsewhere, used instead of finding them.
        options: see :class:`Options`.

    Raises:
        SomaNetError: the movie or the tracks cannot be used, the output cannot be written, or an automatic analysis
            would replace a corrected one.
    """
    options = options or Options()
    check_output(output, movie=source.name, automatic=tracks_file is None)
    corrected = tracks_are_given(json_object(output / names.MANIFEST))
    files_read = movie_files(source.path)
    request = request_of(source, network=network, tracks_file=tracks_file, options=options)
    with (
        reading(source.path, tracks_file, source.times),
        result_folder(output, names.RESULTS, writes=options.files()) as folder,
        unchanged(*files_read, tracks_file, source.times),
        source.keeping_frames(folder) as source,
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
            overlay_movie(source, folder, folder, measures, style=options.style)
        for kind in options.exports:
            export_tracks(source, folder, kind)
        notes = notes_of(folder)
        write_text(folder / names.METHODS, movie_methods(provenance, json_object(folder / names.SUMMARY)))
        for name in names.STAGE_FILES:
            (folder / name).unlink()
        files = hashes_of(folder, names.RESULTS)
        write_json(folder / names.MANIFEST, {**provenance, "request": request, "notes": list(notes), "files": files})
        if corrected:  # after the record, so that they are the user's and stay through every further analysis
            _keep_corrections(output, folder)
    return measures


def _keep_corrections(output: Path, folder: Path) -> None:
    """Put corrected tracks, and labels made from them, among new results, if those are others."""
    for name in (names.TRACKS, names.LABELS_TIFF, names.LABELS_ZARR):
        old, new = output / name, folder / name
        if old.exists() and not (new.exists() and sha256_tree(new) == sha256_tree(old)):
            kept = keep(free_name(old, "before"))
            (shutil.copytree if old.is_dir() else shutil.copy2)(old, folder / kept.name)


def request_of(
    source: MovieSource, *, network: AnalysisNetworks | None, tracks_file: Path | None, options: Options
) -> str:
    """SHA-256 of all that decides a movie's results: the movie's and the tracks' bytes, network, settings, and code.

    Raises:
        SomaNetError: the movie is gone.
    """
    try:
        movie, tracks = sha256_movie(source.path), None if tracks_file is None else sha256_tree(tracks_file)
        times = None if source.times is None else sha256_tree(source.times)
    except OSError as error:
        raise SomaNetError(
            f"{error.filename or source.path} cannot be read ({error.strerror or error}). Check the path."
        ) from error
    asked = {
        "name": source.name,
        "movie": movie,
        "tracks": tracks,
        "source": [
            source.channel,
            source.z,
            source.axes,
            source.position,
            source.pixel_size_um,
            source.frame_interval_min,
            source.allow_truncated,
        ],
        "times": times,
        "network": None if network is None or tracks_file is not None else record_of(network.segmenter),
        "track": options.track.model_dump(mode="json"),
        "migrate": options.migrate.model_dump(mode="json"),
        "files": [options.report, options.overlay and options.style, sorted(options.exports)],
        "any_modality": options.any_modality,
        "code": code_digest(PACKAGE),
    }
    return hashlib.sha256(json.dumps(plain(asked), sort_keys=True).encode()).hexdigest()


def is_finished(output: Path, source: MovieSource, *, network: AnalysisNetworks, options: Options) -> bool:
    """Whether a folder has the whole results of the same analysis, all files as they were written."""
    manifest = json_object(output / names.MANIFEST)
    if not is_manifest(manifest) or "request" not in manifest:
        return False
    if manifest["request"] != request_of(source, network=network, tracks_file=None, options=options):
        return False
    files = manifest["files"].items()
    return all((output / name).exists() and sha256_tree(output / name) == sha256 for name, sha256 in files)


def export_tracks(source: MovieSource, folder: Path, kind: str) -> Path:
    """Write the tracks in the format of another program, as `tracks_<kind>`; return its path."""
    from somanet.tracking.formats import write_tracks

    metadata = read_metadata(folder / names.MOVIE)
    path = folder / names.EXPORTS[kind]
    height, width = metadata["shape_YX"]
    with open_labels(folder, scratch=folder) as labels, source.using(metadata).open() as frames:
        write_tracks(
            path,
            read_tracks_of(folder),
            scale_of(metadata),
            kind=kind,
            labels=labels,
            shape_YX=(height, width),
            n_frames=metadata["n_frames"],
            movie=source.path,
            frames=frames,
        )
    return path
