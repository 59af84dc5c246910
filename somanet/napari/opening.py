"""What `somanet napari PATH` opens: a movie, or a folder of results together with its movie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from somanet.analysis import names
from somanet.analysis.manifest import edited_tracks, is_manifest, tracks_are_edited
from somanet.analysis.source import MovieSource
from somanet.analysis.stages.files import open_labels, read_tracks_of, scale_of
from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object
from somanet.core.schema import CONFIDENCE
from somanet.corrections import Corrected, Header
from somanet.io.movies import Movie, movie_exists, movie_files, movie_name, sha256_movie
from somanet.napari.frames import FrameArray

MOST_HASHED_AT_ONCE = 256 << 20
"""A larger movie's hash is compared while it is shown already."""


@dataclass(frozen=True)
class Results:
    """Automatic results of a movie.

    Attributes:
        folder: where they are.
        manifest: the content of their `manifest.json`.
        calibration: the scale.
        tracks: the table of tracks.
        labels: the label movie, of which a few frames are kept.
        header: what corrections of them are made on.
    """

    folder: Path
    manifest: dict[str, Any]
    calibration: Calibration
    tracks: pd.DataFrame
    labels: FrameArray
    header: Header

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
        for i in points.index[~known]:
            mask = drawn.get((int(points.at[i, "frame"]), int(points.at[i, "track_id"])))
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


def open_for_napari(source: MovieSource, *, results: Path | None = None) -> Opened:
    """Open a movie, with its results if they are given; no frame is read.

    Args:
        source: the movie.
        results: the folder of its results.

    Raises:
        SomaNetError: it cannot be read, or they are of another movie, have no outlines, or were edited by hand.
    """
    with ExitStack() as stack:
        found = None if results is None else _read_results(results, stack)
        if found is not None:
            source = source.using(found.manifest["input"])
        movie = stack.enter_context(source.open())
        frames = FrameArray(movie, shape=(movie.n_frames, *movie.shape_YX), dtype=movie.dtype)
        scale = movie.file_calibration
        if found is not None:
            expected = (found.manifest["input"]["n_frames"], *found.manifest["input"]["shape_YX"])
            if expected != frames.shape:
                raise SomaNetError(
                    f"{source.path} is {_words(frames.shape)}, and {results} has results of {_words(expected)}: of "
                    "another movie. Name the right one: --movie PATH."
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
        SomaNetError: as for :func:`find_source` and :func:`open_for_napari`; results and options for reading a movie.
    """
    results = path if is_results(path) else None
    if results is None and movie is not None:
        raise SomaNetError(f"--movie names the movie of results, and {path} is no folder of results. Leave it out.")
    if results is not None and (given := [name for name, value in reading.items() if value is not None]):
        raise SomaNetError(
            f"--{given[0].replace('_', '-')} is for a movie without results; {path} has results, which say how "
            "its movie was read. Leave it out."
        )
    source = source_of(path, **reading) if results is None else find_source(results, movie)
    open_for_napari(source, results=results).close()


def is_results(path: Path) -> bool:
    """Whether a path is a folder of a movie's results."""
    return path.is_dir() and is_manifest(json_object(path / names.MANIFEST))


def find_source(results: Path, movie: Path | None = None) -> MovieSource:
    """The movie of a folder of results, read as it was for them.

    Args:
        results: the folder.
        movie: where the movie is; by default it is looked for by its name beside the results, up to two folders above
            them, and in the current folder.

    Raises:
        SomaNetError: the results are of tracks without a movie, or the movie is not found or another one.
    """
    about = json_object(results / names.MANIFEST)["input"]
    if about.get("tracks_only"):
        raise SomaNetError(
            f"{results} has tracks measured without their movie: there is nothing to show. Analyse the movie with them "
            "first: somanet analyze MOVIE --tracks TRACKS --output NEW"
        )
    places = list(_places(results, about)) if movie is None else [movie]
    found = next((path for path in places if movie_exists(path)), None)
    if found is None:
        looked = f"{movie} not found" if movie is not None else f"{about.get('file')} is not beside {results}"
        raise SomaNetError(f"{looked}: the movie of these results. Say where it is: --movie PATH.")
    return MovieSource(
        found,
        about["movie"],
        about.get("channel"),
        about["pixel_size_um"],
        None if about.get("times") else about["frame_interval_min"],
        bool(about.get("truncated")),
        about.get("z"),
        about.get("axes"),
        about.get("position"),
    )


def source_of(path: Path, **given: Any) -> MovieSource:
    """A movie that has no results yet; ``given`` as for :class:`somanet.analysis.source.MovieSource`."""
    return MovieSource(path, movie_name(path), **given)


def n_bytes(source: MovieSource) -> int:
    """Size of a movie's files."""
    files = [file for path in movie_files(source.path) for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file())


def check_same_movie(source: MovieSource, results: Results) -> None:
    """Refuse a movie that is not the one that the results are of, by its hash; reads all of it.

    Raises:
        SomaNetError: naming both hashes.
    """
    expected, found = results.manifest["input"]["sha256"], sha256_movie(source.path)
    if found != expected:
        raise SomaNetError(
            f"{source.path} (SHA-256 {found[:12]}…) is not the movie that {results.folder} has results of "
            f"({expected[:12]}…). Name the right one: --movie PATH."
        )


def _places(results: Path, about: dict[str, Any]) -> Iterator[Path]:
    name = about.get("file")
    if not name:
        return
    here = results.resolve()
    for folder in (here, *list(here.parents)[:2], Path.cwd()):
        yield folder / name


def _read_results(folder: Path, stack: ExitStack) -> Results:
    manifest = json_object(folder / names.MANIFEST)
    if not is_manifest(manifest):
        raise SomaNetError(f"{folder} is no folder of a movie's results: it has no {names.MANIFEST} of one.")
    if tracks_are_edited(folder):
        raise SomaNetError(edited_tracks(folder, manifest))
    labels = stack.enter_context(open_labels(folder))
    if labels is None:
        raise SomaNetError(
            f"{folder} has no outlines: its tracks came without a label movie, so there are no masks to correct. "
            "Analyse the movie without --tracks into another folder, and correct that."
        )
    files = manifest["files"]
    header = Header(
        movie=manifest["input"]["movie"],
        movie_sha256=manifest["input"]["sha256"],
        labels_sha256=files.get(names.LABELS_TIFF, files.get(names.LABELS_ZARR)),
        tracks_sha256=files[names.TRACKS],
        network_sha256=(manifest.get("model") or {}).get("sha256"),
    )
    array = FrameArray(labels, shape=(labels.n_frames, *labels.shape_YX), dtype=labels.dtype)
    return Results(folder, manifest, scale_of(manifest["input"]), read_tracks_of(folder), array, header)


def _words(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} frames of {shape[1]} × {shape[2]} px"
