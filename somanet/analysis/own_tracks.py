"""Tracks that another program corrected, and that SomaNet found: they become edits of the results that they come from.

An export has no mark of its results that every program would keep. So results are known by their positions: of another
program's tracking hardly one lies within a tenth of a pixel of SomaNet's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from somanet.analysis import names
from somanet.analysis.base import open_base
from somanet.analysis.manifest import is_corrected, is_manifest, tracks_are_edited, tracks_are_given
from somanet.analysis.movie import Options, correct_movie
from somanet.analysis.next_steps import correcting
from somanet.analysis.returned import NothingCorrected, taking_back
from somanet.analysis.source import MovieSource
from somanet.analysis.stages.files import read_tracks_of, scale_of
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object
from somanet.core.guard import reading
from somanet.core.typed import typed
from somanet.corrections.comparing import LEAST_SHARE, same_points
from somanet.io.movies import sha256_movie
from somanet.migration.measures import Measures
from somanet.tracking.formats import Given, open_tracks
from somanet.tracking.real_times import times_in_table
from somanet.tracking.trackmate_reading import OWN_NAME

MOST_FOLDERS = 500
"""Of a folder's subfolders so many are looked at for results."""
_HEAD_BYTES = 1 << 20
_POSITIONS = ["track_id", "frame", "y_px", "x_px"]
_READING = ("channel", "z", "axes")


@dataclass(frozen=True)
class Origin:
    """Results that tracks come from.

    Attributes:
        folder: of the results.
        manifest: theirs.
        tracks: the tracks in question, as read.
    """

    folder: Path
    manifest: dict[str, Any]
    tracks: pd.DataFrame


def take_own_tracks(
    source: MovieSource, tracks_file: Path, taken: Path, output: Path, options: Options, say: Callable[[str], None]
) -> Measures | None:
    """Measure tracks that come from SomaNet's results of this movie as corrections of these, so that outlines stay.

    Args:
        source: the movie.
        tracks_file: tracks that may come from results.
        taken: what is read of them: the same, or a copy, see :func:`somanet.analysis.movie.tracks_to_take`.
        output: the folder for the corrected results.
        options: as for :func:`somanet.analysis.movie.analyze_movie`.
        say: is told where they come from, and if they cannot be taken as corrections, why.

    Returns:
        The measurements; None if the tracks are to be measured as they are: they come from elsewhere, or ``say`` was
        told why.

    Raises:
        SomaNetError: the corrected results cannot be written.
    """
    origin = find_origin(source, tracks_file, output)
    if origin is None:
        if is_own_export(tracks_file):
            say(
                f"{tracks_file} is an export of SomaNet's, and results of this movie that it comes from are not beside "
                "it, the movie or the output. It is measured without outlines, areas and confidence; "
                f"`{typed('correct', 'RESULT', '--from', tracks_file, '--output', 'CORRECTED')}` keeps those of the "
                "results in RESULT."
            )
        return None
    folder = origin.folder
    in_place = tracks_file.resolve() == (folder / names.TRACKS).resolve()
    if in_place and tracks_are_edited(folder) and not is_corrected(origin.manifest):
        say(
            f"{tracks_file} was changed in its place among SomaNet's results, so that there is no original to compare "
            "it with. It is measured as it is, without the outlines, areas and confidence of those results."
        )
        return None
    command = f"`{correcting(folder, '--from', tracks_file, movie=source.path)}`"
    if why := hindrance(origin, source, tracks_file, options):
        say(
            f"{tracks_file} comes from SomaNet's results in {folder}, and {command} keeps outlines, areas and "
            f"confidence. Here it is measured without them, as {why}"
        )
        return None
    with ExitStack() as stack:
        try:
            returned = stack.enter_context(taking_back(folder, taken, None, movie=source.path))
        except NothingCorrected:
            say(
                f"{tracks_file} has the tracks of SomaNet's results in {folder}, and nothing was corrected in it: was "
                "it saved? It is measured as it is, without the outlines, areas and confidence of those results."
            )
            return None
        except SomaNetError as error:
            say(
                f"{tracks_file} comes from SomaNet's results in {folder}. It is measured without their outlines, areas "
                f"and confidence, as it cannot be taken as corrections of them: {error}"
            )
            return None
        say(
            f"{tracks_file} comes from SomaNet's results in {folder}, and is taken as corrections of them, which keep "
            f"outlines, areas and confidence, as by {command}: {returned.in_words}"
        )
        with reading(taken):
            return correct_movie(folder, output, corrections_file=returned.path, movie=source.path, options=options)


def find_origin(source: MovieSource, tracks_file: Path, output: Path) -> Origin | None:
    """The results that tracks come from: most of the positions of one are those of the other.

    They are looked for beside the tracks, the movie and the output, in the folder around the tracks, in the output and
    in the current folder. Only results of this movie count, by its hash, whose tracks a network found.

    Raises:
        SomaNetError: the movie cannot be read.
    """
    places = (tracks_file.parent, tracks_file.parent.parent, source.path.parent, output, output.parent, Path())
    sha256 = ""
    best: tuple[int, Origin] | None = None
    tracks: pd.DataFrame | None = None
    for folder, manifest in _results_at(places):
        about = manifest["input"]
        sha256 = sha256 or sha256_movie(source.path)
        if about.get("sha256") != sha256 or tracks_are_given(manifest):
            continue
        try:
            own = read_tracks_of(folder)[_POSITIONS]
            tracks = _read(tracks_file, about) if tracks is None else tracks
        # Nothing can be kept of damaged results; what is wrong with the tracks is said when they are used.
        except (SomaNetError, KeyError, TypeError, ValueError):
            continue
        n_same = int((same_points(own, tracks[_POSITIONS].reset_index(drop=True)) >= 0).sum())
        enough = n_same and n_same >= LEAST_SHARE * min(len(own), len(tracks))
        if enough and (best is None or n_same > best[0]):
            best = (n_same, Origin(folder, manifest, tracks))
    return None if best is None else best[1]


def _results_at(places: tuple[Path, ...]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Folders of results at or directly in some folders, with their manifests, each once."""
    seen = set()
    for place in places:
        for folder in (place, *_folders_in(place)):
            if folder.resolve() in seen:
                continue
            seen.add(folder.resolve())
            manifest = json_object(folder / names.MANIFEST)
            about = manifest.get("input")
            if is_manifest(manifest) and isinstance(about, dict) and not about.get("tracks_only"):
                yield folder, manifest


def _folders_in(place: Path) -> list[Path]:
    try:
        with os.scandir(place) as entries:
            found = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:  # not there, or not to be read
        return []
    return [place / name for name in found[:MOST_FOLDERS]]


def is_own_export(tracks_file: Path) -> bool:
    """Whether a table or TrackMate file has what only SomaNet's exports of results have."""
    if not tracks_file.is_file():
        return False
    try:
        with tracks_file.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    if head.lstrip().startswith(b"<"):
        return b"<TrackMate" in head and f'name="{OWN_NAME}'.encode() in head
    columns = head.partition(b"\n")[0].strip().split(b",")
    return {b"track_id", b"label", b"area_um2"} <= set(columns)


def _read(tracks_file: Path, about: dict[str, Any]) -> pd.DataFrame:
    shape = (int(about["shape_YX"][0]), int(about["shape_YX"][1]))
    given = Given(Given.of(scale_of(about)).scale, n_frames=about["n_frames"], shape_YX=shape)
    return open_tracks(tracks_file, given).tracks


def hindrance(origin: Origin, source: MovieSource, tracks_file: Path, options: Options) -> str:
    """Why tracks cannot be taken as corrections of the results that they come from; empty if they can."""
    about = origin.manifest["input"]
    try:
        base = open_base(origin.folder)
    except SomaNetError as error:
        return str(error)
    if base.labels is None:
        return "these results have no outlines either."
    if differing := [name for name in _READING if getattr(source, name) != about.get(name)]:
        return f"the movie is read with another --{differing[0]} than there."
    scale = scale_of(about)
    with source.open() as movie:
        asked, position = source.calibration(movie), movie.position
    if about.get("position") not in (position, source.position):
        return "it is another position of the movie than there."
    if about.get("stored_frames") is not None and source.frame_interval_min is None and source.times is None:
        asked = replace(asked, frame_interval_min=scale.frame_interval_min, times_h=scale.times_h)
    if asked != scale:
        return f"the scale is another one ({_scale_in_words(asked)}) than there ({_scale_in_words(scale)})."
    if scale.times_h is None and times_in_table(origin.tracks) is not None:
        return "its frames are uneven in time, and there they are even."
    if "parent_id" in origin.tracks and origin.tracks["parent_id"].notna().any():
        return "cells divide in it, which no correction can say."
    if options.migrate != base.migrate:
        return "other settings of the measurement were given than there."
    try:
        base.source(source.path, check=False)
    except SomaNetError as error:
        return str(error)
    return ""


def _scale_in_words(scale: Calibration) -> str:
    times = "" if scale.times_h is None else ", real times"
    return f"{scale.pixel_size_um:g} µm/px, {scale.frame_interval_min:g} min{times}"
