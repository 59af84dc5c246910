"""One movie through all four stages: what `somanet analyze` does with a file.

Each stage is imported when it begins, so that segmentation does not wait for the libraries of statistics.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from somanet.analysis import names
from somanet.analysis.base import open_base
from somanet.analysis.correction_notes import notes_on_corrections
from somanet.analysis.finished import movie_inputs
from somanet.analysis.leaving import keep_tracks, leave_corrections
from somanet.analysis.manifest import code_record, is_manifest, provenance_of
from somanet.analysis.replacing import check_output, goes_aside
from somanet.analysis.source import MovieSource
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object, plain, write_json, write_text
from somanet.core.guard import reading, release, replacing
from somanet.core.hashing import sha256_tree
from somanet.core.installation import PACKAGE
from somanet.core.result_records import hashes_of
from somanet.core.results import result_folder
from somanet.core.unchanged import unchanged
from somanet.corrections import Corrections, read
from somanet.io.movie_files import movie_files
from somanet.migration.settings import MigrateSettings
from somanet.provenance.code import code_digest
from somanet.segmentation.inference.record import record_of
from somanet.tracking.settings import TrackSettings

if TYPE_CHECKING:
    import pandas as pd

    from somanet.analysis.report.overlay import Style
    from somanet.analysis.stages.segment import Elsewhere
    from somanet.migration.measures import Measures
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


def check_exports(kinds: Sequence[str]) -> None:
    """Refuse formats of tracks that are none.

    Raises:
        SomaNetError: naming the first one.
    """
    if unknown := sorted(set(kinds) - set(names.EXPORTS)):
        raise SomaNetError(
            f"Unknown export format {unknown[0]!r}. Use one of {', '.join(names.EXPORTS)}; the label movie is "
            f"{names.LABELS_TIFF} in the results."
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
        try:
            yield copy
        except SomaNetError as error:  # the user knows the file by its own name
            error.args = (str(error).replace(str(copy), str(tracks_file)), *error.args[1:])
            raise


def analyze_movie(
    source: MovieSource,
    output: Path,
    *,
    network: AnalysisNetworks | None,
    tracks_file: Path | None = None,
    corrections_file: Path | None = None,
    options: Options | None = None,
    elsewhere: Elsewhere | None = None,
    aside: bool = False,
) -> Measures:
    """From a movie to its folder of results; everything is written, or nothing.

    Args:
        source: the movie.
        output: the folder; results of an earlier analysis are replaced, other files in it stay. Tracks that a person
            corrected are replaced by further corrections only, and are then kept under another name.
        network: segments the somas; not needed with tracks.
        tracks_file: tracks made or corrected elsewhere, used instead of finding them.
        corrections_file: a person's corrections of these results, see :mod:`somanet.corrections`.
        options: see :class:`Options`.
        elsewhere: other processes that segment the frames; by default this one does.
        aside: the output goes aside as a whole first, see :func:`somanet.analysis.replacing.goes_aside`.

    Raises:
        SomaNetError: the movie or the tracks cannot be used, the output cannot be written, or an automatic analysis
            would replace a corrected one.
    """
    options = options or Options()
    automatic = tracks_file is None and corrections_file is None
    check_output(output, movie=source.name, automatic=automatic, path=source.path)
    corrections = None if corrections_file is None else read(corrections_file)
    files_read = movie_files(source.path)
    request = request_of(source, network=network, tracks_file=tracks_file, options=options, corrections=corrections)
    with (
        reading(source.path, tracks_file, source.times, corrections_file),
        result_folder(output, names.RESULTS, writes=options.files(), aside=aside) as folder,
        unchanged(*files_read, tracks_file, source.times),
        source.keeping_frames(folder) as source,
    ):
        if tracks_file is not None:
            from somanet.analysis.stages.given_tracks import take_tracks

            take_tracks(source, tracks_file, folder)
        elif network is not None:
            from somanet.analysis.stages.segment import segment_movie

            segment_movie(source, network.segmenter, folder, any_modality=options.any_modality, elsewhere=elsewhere)
            from somanet.segmentation.engines.resting import rest

            rest(one.model for one in network.segmenter.networks)
            from somanet.analysis.stages.track import track_movie

            track_movie(source, folder, folder, options.track)
            (folder / names.MASKS).unlink()
        from somanet.analysis.stages.report import notes_of

        about = None if network is None or tracks_file is not None else network.about
        provenance, notes = provenance_of(folder, options.migrate, model=about), notes_of(folder)
        if corrections is not None:
            provenance, notes = _correct(source, folder, corrections, provenance, notes)
        measures = _finish(source, folder, options, provenance, notes, request)
        if not aside:
            keep_tracks(output, folder)
        leave_corrections(None if aside else output, folder)
    return measures


def correct_movie(
    result: Path, output: Path, *, corrections_file: Path, movie: Path | None = None, options: Options | None = None
) -> Measures:
    """Apply a person's corrections to results, and measure again; no network is needed.

    The results are those of :func:`analyze_movie` with the same corrections. Results that are corrected already are
    corrected anew, from their automatic ones.

    Args:
        result: a folder of results.
        output: the folder for the corrected ones, which may be the same: the automatic tracks and labels stay in it.
        corrections_file: the corrections.
        movie: the movie; if None, it is looked for beside the results.
        options: only what is written; tracking and measuring are as they were.

    Raises:
        SomaNetError: the folder has no results of a movie or they were changed since, the movie is not found or is
            another, the corrections are of another movie, or the output has results of another.
    """
    base = open_base(result)
    source = base.source(movie)
    corrections = read(corrections_file, movie_sha256=base.about["sha256"], position=base.position)
    options = replace(options or Options(), migrate=base.migrate)
    check_output(output, movie=source.name, automatic=False)
    aside = goes_aside(output, source.path, position=base.position, sha256=base.about["sha256"])
    request = request_of(source, network=None, tracks_file=base.tracks, options=options, corrections=corrections)
    with (
        reading(source.path, source.times, corrections_file),
        result_folder(output, names.RESULTS, writes=options.files(), aside=aside) as folder,
        unchanged(*movie_files(source.path), source.times, base.tracks, base.labels),
        source.keeping_frames(folder) as source,
    ):
        base.copy_to(folder)
        record = base.analysis
        provenance, notes = {**record["provenance"], "code": code_record()}, tuple(record["notes"])
        provenance, notes = _correct(source, folder, corrections, provenance, notes)
        measures = _finish(source, folder, options, provenance, notes, request)
        if not aside:
            keep_tracks(output, folder)
        leave_corrections(None if aside else output, folder)
    return measures


def _correct(
    source: MovieSource,
    folder: Path,
    corrections: Corrections,
    provenance: dict[str, Any],
    notes: tuple[str, ...],
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Apply corrections to the tracks in a folder; gives the provenance and the notes with them."""
    from somanet.analysis.stages.correct import correct_tracks

    found = correct_tracks(source, folder, corrections)
    known = {name: value for name, value in provenance.items() if name != "code"}
    write_json(folder / names.AUTOMATIC / names.ANALYSIS, {"provenance": known, "notes": list(notes)})
    return {**provenance, "corrections": found}, (*notes, *notes_on_corrections(found))


def _finish(
    source: MovieSource,
    folder: Path,
    options: Options,
    provenance: dict[str, Any],
    notes: tuple[str, ...],
    request: str,
) -> Measures:
    """Measure the tracks in a folder, write what is read, and the manifest last."""
    from somanet.analysis.methods import movie_methods
    from somanet.analysis.stages.migrate import migrate_movie
    from somanet.analysis.stages.report import overlay_movie, report_movie

    measures = migrate_movie(folder, folder, options.migrate)
    summary = json_object(folder / names.SUMMARY)
    if options.report:
        report_movie(source, folder, folder, measures, provenance, summary=summary, notes=notes)
    if options.overlay:
        overlay_movie(source, folder, folder, measures, style=options.style)
    for kind in options.exports:
        export_tracks(source, folder, kind)
    write_text(folder / names.METHODS, movie_methods(provenance, summary))
    for name in names.STAGE_FILES:
        (folder / name).unlink(missing_ok=True)
    files = hashes_of(folder, names.RESULTS)
    write_json(folder / names.MANIFEST, {**provenance, "request": request, "notes": list(notes), "files": files})
    return measures


def request_of(
    source: MovieSource,
    *,
    network: AnalysisNetworks | None,
    tracks_file: Path | None,
    options: Options,
    corrections: Corrections | None = None,
) -> str:
    """SHA-256 of all that decides a movie's results: bytes, tracks, corrections, network, settings and code.

    Raises:
        SomaNetError: the movie is gone.
    """
    try:
        movie, tracks = movie_inputs(source), None if tracks_file is None else sha256_tree(tracks_file)
    except OSError as error:
        raise SomaNetError(
            f"{error.filename or source.path} cannot be read ({error.strerror or error}). Check the path."
        ) from error
    asked = {
        **movie,
        "tracks": tracks,
        **({} if corrections is None else {"corrections": corrections.sha256}),
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
    from somanet.analysis.stages.files import open_labels, read_metadata, read_tracks_of, scale_of
    from somanet.tracking.formats import WITH_MASKS, write_tracks

    metadata = read_metadata(folder / names.MOVIE)
    path = folder / names.EXPORTS[kind]
    height, width = metadata["shape_YX"]
    tracks = read_tracks_of(folder)
    with open_labels(folder, scratch=folder) as labels, source.using(metadata).open() as frames:
        if kind in WITH_MASKS:
            _check_outlines(tracks, kind, outlines=labels is not None)
        write_tracks(
            path,
            tracks,
            scale_of(metadata),
            kind=kind,
            labels=labels,
            shape_YX=(height, width),
            n_frames=metadata["n_frames"],
            movie=source.path,
            frames=frames,
        )
    return path


def _check_outlines(tracks: pd.DataFrame, kind: str, *, outlines: bool) -> None:
    """Refuse a format of masks for tracks with positions that have none."""
    bare = tracks if not outlines else tracks[tracks["area_um2"].isna()] if "area_um2" in tracks else tracks[:0]
    if len(bare):
        row = bare.iloc[0]
        raise SomaNetError(
            f"--export {kind}: the format consists of outlines, and {len(bare)} of {len(tracks)} positions have none, "
            f"such as track {row['track_id']:.0f} in frame {row['frame']:.0f}. Export csv, napari, geff or trackmate."
        )
