"""The stage `report`: the page and the video of an analysed movie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from somanet.analysis import names
from somanet.analysis.correction_notes import notes_on_corrections
from somanet.analysis.no_cells import why_no_cells
from somanet.analysis.source import MovieSource
from somanet.analysis.stages.files import open_labels, read_metadata, read_tracks_of, scale_of
from somanet.core.files import make_folder
from somanet.migration.measures import Measures
from somanet.segmentation.inference.haze import note_on_haze
from somanet.segmentation.inference.movie_labels import listed

if TYPE_CHECKING:
    from somanet.analysis.report.overlay import Style

NO_DRIFT_MEASURED = "The stage was not measured by the version that tracked this movie: no drift was removed."


def report_movie(
    source: MovieSource,
    tracks_folder: Path,
    folder: Path,
    measures: Measures,
    provenance: dict[str, Any],
    *,
    summary: Mapping[str, Any] | None = None,
    notes: Sequence[str] | None = None,
) -> None:
    """Write `report.html`: player, plots, numbers, warnings and provenance in one file.

    Args:
        source: the movie.
        tracks_folder: its tracks and labels.
        folder: the folder to write to.
        measures, provenance: what the page says.
        summary: the content of `summary.json`, for what corrections changed.
        notes: about the movie, instead of :func:`notes_of` its folder.
    """
    from somanet.analysis.report import ReportInput, write_report

    metadata = read_metadata(tracks_folder / names.MOVIE)
    with (
        source.using(metadata).keeping_frames(make_folder(folder)) as source,
        source.open() as movie,
        open_labels(tracks_folder, scratch=folder) as labels,
    ):
        content = ReportInput(
            title=metadata["movie"],
            calibration=scale_of(metadata),
            frames=movie,
            labels=labels,
            tracks=read_tracks_of(tracks_folder),
            measures=measures,
            warnings=measures.warnings,
            notes=notes_of(tracks_folder) if notes is None else tuple(notes),
            provenance=provenance,
            before=(summary or {}).get("before_corrections"),
        )
        write_report(folder / names.REPORT, content)


def overlay_movie(
    source: MovieSource, tracks_folder: Path, folder: Path, measures: Measures, *, style: Style = "outlines"
) -> None:
    """Write `overlay.mp4`: the movie with outlines and trails, cells that saltate in another colour; or the somas."""
    from somanet.analysis.report import write_overlay

    metadata = read_metadata(tracks_folder / names.MOVIE)
    calibration = scale_of(metadata)
    with (
        source.using(metadata).keeping_frames(make_folder(folder)) as source,
        source.open() as movie,
        open_labels(tracks_folder, scratch=folder) as labels,
    ):
        path = folder / names.OVERLAY
        events = measures.migration.saltations.events
        tracks = read_tracks_of(tracks_folder)
        write_overlay(path, movie, labels, tracks, calibration=calibration, saltations=events, style=style)


def notes_of(folder: Path) -> tuple[str, ...]:
    """Notes about a movie for the reader of its report."""
    metadata, segmentation, tracking = (read_metadata(folder / name) for name in names.STAGE_FILES)
    notes = [*metadata.get("notes", ()), *metadata.get("time_notes", ())]
    if metadata["truncated"]:
        notes.append(f"The file is truncated; the {metadata['n_frames']} complete frames were analysed.")
    if blank := segmentation["blank_frames"]:
        notes.append(
            f"{len(blank)} of {metadata['n_frames']} frames {'is' if len(blank) == 1 else 'are'} blank "
            f"({listed(blank)}, counted from 0); "
            + ("cells were tracked across them, and " if _lie_between(blank, metadata["n_frames"]) else "")
            + "they do not count as observed time."
        )
    if not tracking["n_tracks"]:
        notes.append(why_no_cells(metadata, segmentation, tracking, scale_of(metadata)))
    drift = tracking.get("drift")
    notes.append(drift["reason"] if drift else NO_DRIFT_MEASURED)
    notes += drift["warnings"] if drift else []
    notes += _notes_on_sizes(segmentation)
    if haze := note_on_haze(segmentation.get("n_haze", 0), segmentation.get("n_objects", 0)):
        notes.append(haze)
    if fading := tracking.get("fading"):
        notes.append(fading)
    notes += _notes_on_the_picture(segmentation)
    if segmentation.get("inverted"):
        notes.append(
            "The movie was taken for dark cells on a bright background, and was inverted for the network. Is it "
            "fluorescence? A network for fluorescence never inverts."
        )
    if places := segmentation.get("burnt_in"):
        notes.append(
            f"A scale bar or a time stamp is burnt into the frames ({places}): no cell is looked for there, as the "
            "pixels under it are lost. Export the movie without it."
        )
    if segmentation.get("any_modality"):
        notes.append("The network was used without checking the kind of microscopy (--any-modality).")
    if "tracks_from" in segmentation:
        notes.append(f"The tracks were taken from {segmentation['tracks_from']}; SomaNet did not find them.")
    notes += segmentation.get("tracks_notes", [])
    if corrections := tracking.get("corrections"):
        notes += notes_on_corrections(corrections)
    return tuple(notes)


def _lie_between(frames: Sequence[int], n_frames: int) -> bool:
    """Whether some of the frames have others before and after them, as those at the ends of a movie have not."""
    given = set(frames)
    others = [t for t in range(n_frames) if t not in given]
    return bool(others) and any(others[0] < t < others[-1] for t in given)


def _notes_on_the_picture(segmentation: dict[str, Any]) -> list[str]:
    from somanet.segmentation.inference.appearance import note_on_appearance
    from somanet.segmentation.inference.clipping import Clipping, note_on_clipping
    from somanet.segmentation.inference.looks import Appearance

    clipping, appearance = segmentation.get("clipping"), segmentation.get("appearance")
    notes = (
        note_on_clipping(None if clipping is None else Clipping.model_validate(clipping)),
        note_on_appearance(None if appearance is None else Appearance.model_validate(appearance)),
    )
    return [note for note in notes if note]


def _notes_on_sizes(segmentation: dict[str, Any]) -> list[str]:
    from somanet.segmentation.inference.diameters import size_note, size_warning
    from somanet.segmentation.inference.soma_size import SizeEstimate
    from somanet.segmentation.network.intended_use import IntendedUse

    if "serves" not in segmentation:
        return []
    intended_use = IntendedUse.model_validate(segmentation["serves"])
    median, size = segmentation["median_diameter_px"], segmentation.get("size")
    estimate = SizeEstimate.model_validate(size) if size is not None and segmentation["n_objects"] else None
    median_px = float("nan") if median is None else float(median)
    notes = (
        size_note(estimate, intended_use),
        size_warning(median_px, intended_use, factor=segmentation["rescale"], estimate=estimate),
    )
    return [note for note in notes if note]
