"""What `somanet napari PATH` opens: a movie, or a folder of results together with its movie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pandas as pd

from somanet.analysis import names
from somanet.analysis.base import Base, open_base
from somanet.analysis.manifest import is_manifest
from somanet.analysis.source import MovieSource
from somanet.analysis.stages.files import scale_of
from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object
from somanet.core.schema import CONFIDENCE, TRACKS, check_tracks
from somanet.corrections import Corrected
from somanet.io.movies import Movie, movie_files, movie_name, name_at, open_movie
from somanet.io.tables import read_table
from somanet.napari.frames import FrameArray
from somanet.tracking.detections import Labels

MOST_HASHED_AT_ONCE = 256 << 20
"""A larger movie's hash is compared while it is shown already."""


@dataclass(frozen=True)
class Results:
    """Automatic results of a movie.

    Attributes:
        base: where they are, also where corrected ones took their place.
        calibration: the scale.
        tracks: the table of tracks.
        labels: the label movie, of which a few frames are kept.
    """

    base: Base
    calibration: Calibration
    tracks: pd.DataFrame
    labels: FrameArray

    @property
    def folder(self) -> Path:
        """The folder of results."""
        return self.base.result

    def frames(self) -> Sequence[Labels]:
        """The label images by frame, for :func:`somanet.corrections.apply`."""
        return cast("Sequence[Labels]", self.labels)

    def points(self, corrected: Corrected) -> pd.DataFrame:
        """The corrected detections as :func:`somanet.napari.places.find_places` needs them."""
        points = corrected.points()
        row = points["row"].to_numpy()
        known = row >= 0
        area_px = pd.Series(float("nan"), index=points.index)
        confidence = pd.Series(float("nan"), index=points.index)
        pixel_area = self.calibration.pixel_area_um2
        if "area_um2" in self.tracks:
            area_px[known] = self.tracks["area_um2"].to_numpy(float)[row[known]] / pixel_area
        if CONFIDENCE.name in self.tracks:
            confidence[known] = self.tracks[CONFIDENCE.name].to_numpy(float)[row[known]]
        drawn = corrected.drawn
        by_hand = points[~known]
        for i, frame, track in zip(by_hand.index, by_hand["frame"].tolist(), by_hand["track_id"].tolist(), strict=True):
            mask = drawn.get((frame, track))
            area_px[i] = float("nan") if mask is None else mask.area_px
        return points.assign(area_px=area_px, confidence=confidence)


@dataclass
class Opened:
    """An open movie, with its results if there are some; close it.

    Attributes:
        source: the movie.
        movie: the same, open.
        frames: its frames, for napari.
        scale: what is known of the physical scale.
        results: of its analysis; None if it has not been analysed.
    """

    source: MovieSource
    movie: Movie
    frames: FrameArray
    scale: FileCalibration
    results: Results | None = None
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    def close(self) -> None:
        """Close its files."""
        self._stack.close()


def open_for_napari(source: MovieSource, *, base: Base | None = None) -> Opened:
    """Open a movie, with its results if they are given; no frame is read.

    Args:
        source: the movie.
        base: its results.

    Raises:
        SomaNetError: it cannot be read, or they are of another movie, have no outlines, or were edited by hand.
    """
    with ExitStack() as stack:
        found = None if base is None else _read_results(base, stack)
        movie = stack.enter_context(source.open())
        frames = FrameArray(movie, shape=(movie.n_frames, *movie.shape_YX), dtype=movie.dtype)
        scale = movie.file_calibration
        if found is not None:
            about = found.base.about
            expected = (about["n_frames"], *about["shape_YX"])
            if expected != frames.shape:
                raise SomaNetError(
                    f"{source.path} is {_words(frames.shape)}, and {found.folder} has results of {_words(expected)}: "
                    "of another movie. Name the right one: --movie PATH."
                )
            scale = FileCalibration(found.calibration.pixel_size_um, found.calibration.frame_interval_min)
        elif source.pixel_size_um is not None or source.frame_interval_min is not None:
            scale = FileCalibration(
                scale.pixel_size_um if source.pixel_size_um is None else source.pixel_size_um,
                scale.frame_interval_min if source.frame_interval_min is None else source.frame_interval_min,
            )
        return Opened(source, movie, frames, scale, found, stack.pop_all())


def check_openable(path: Path, movie: Path | None, reading: Mapping[str, Any]) -> None:
    """Refuse what :func:`open_for_napari` cannot open, before a window is.

    Args:
        path: a movie, or a folder of results.
        movie: where the folder's movie is.
        reading: how a movie without results is read.

    Raises:
        SomaNetError: as for :func:`find_and_open`; options that are for a movie without results, or for results only.
    """
    results = path if is_results(path) else None
    if results is None and movie is not None:
        raise SomaNetError(f"--movie names the movie of results, and {path} is no folder of results. Leave it out.")
    if results is not None and (given := [name for name, value in reading.items() if value is not None]):
        raise SomaNetError(
            f"--{given[0].replace('_', '-')} is for a movie without results; {path} has results, which say how "
            "its movie was read. Leave it out."
        )
    find_and_open(path, movie, reading).close()


def find_and_open(path: Path, movie: Path | None, reading: Mapping[str, Any]) -> Opened:
    """Open a movie, or a folder of results with its movie; as for :func:`check_openable`.

    That the movie is the same is seen by its shape here, and by its hash in :func:`check_same_movie`.

    Raises:
        SomaNetError: no such movie, or as for :func:`somanet.analysis.base.open_base` and :func:`open_for_napari`.
    """
    if not is_results(path):
        return open_for_napari(MovieSource(path, name_at(movie_name(path), reading.get("position")), **reading))
    base = open_base(path)
    return open_for_napari(base.source(movie, check=False), base=base)


def is_results(path: Path) -> bool:
    """Whether a path is a folder of a movie's results."""
    return path.is_dir() and is_manifest(json_object(path / names.MANIFEST))


def n_bytes(source: MovieSource) -> int:
    """Size of a movie's files."""
    files = [file for path in movie_files(source.path) for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file())


def check_same_movie(source: MovieSource, results: Results) -> None:
    """Refuse a movie that is not the one that the results are of, by its hash; reads all of it.

    Raises:
        SomaNetError: naming both hashes.
    """
    results.base.source(source.path)


def _read_results(base: Base, stack: ExitStack) -> Results:
    labels = None if base.labels is None else stack.enter_context(open_movie(base.labels, labels=True))
    if labels is None:
        raise SomaNetError(
            f"{base.result} has no outlines: its tracks came without a label movie, so there are no masks to correct. "
            "Analyse the movie without --tracks into another folder, and correct that."
        )
    array = FrameArray(labels, shape=(labels.n_frames, *labels.shape_YX), dtype=labels.dtype)
    tracks = check_tracks(read_table(base.tracks, TRACKS), str(base.tracks))
    return Results(base, scale_of(base.about), tracks, array)


def _words(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} frames of {shape[1]} × {shape[2]} px"
