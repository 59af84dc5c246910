"""The manifest of movies: every frame decoded."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from somanet.core.calibration import FileCalibration
from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem
from somanet.core.schema import MOVIE_MANIFEST
from somanet.io.movie_layout import Wanted
from somanet.io.movie_search import find_movies
from somanet.io.movies import Movie, movie_name, open_movie, sha256_movie


def check_movies(path: Path | str, wanted: Wanted | None = None, *, progress: bool = False) -> pd.DataFrame:
    """Check the movies at a path, the same that `somanet analyze` finds there (:func:`find_movies`).

    Args:
        path: a movie: a file, a zarr folder, or a pattern of numbered images; or a folder of movies or such images,
            which is searched at any depth.
        wanted: the channel, plane, axes and position, as for :func:`~somanet.io.movies.open_movie`.
        progress: show a bar, if stderr is a terminal.

    Returns:
        One row per movie in name order, columns of ``schema.MOVIE_MANIFEST``. ``reason`` is one of: missing, truncated,
        unreadable, not an image, not finite, wrong shape, wrong type, too large, empty movie, duplicate. The note says
        what an analysis would lack, and counts blank frames and frames equal to the one before, which a stalled camera
        leaves.

    Raises:
        SomaNetError: no such path, or a folder without movies.
    """
    movies = find_movies([Path(path)])
    first_of: dict[str, str] = {}
    rows = []
    for file, name in tqdm(movies, desc="check", unit="movie", disable=not (progress and sys.stderr.isatty())):
        row, pixels = _check(file, name, wanted or Wanted())
        if row["status"] == "accepted":
            first = first_of.setdefault(pixels, file.name)
            if first != file.name:
                row |= {"status": "rejected", "reason": "duplicate", "note": f"the same pixels as {first}"}
        rows.append(row)
    return MOVIE_MANIFEST.frame(rows)


def check_movie(path: Path | str, wanted: Wanted | None = None) -> dict[str, object]:
    """The row of one movie (see :func:`check_movies`)."""
    return _check(Path(path), movie_name(Path(path)), wanted or Wanted())[0]


def _check(path: Path, name: str, wanted: Wanted) -> tuple[dict[str, object], str]:
    row: dict[str, object] = {"name": name, "path": path.name, "sha256": "", "dtype": ""}
    try:
        row["sha256"] = sha256_movie(path)
        with open_movie(path, channel=wanted.channel, z=wanted.z, axes=wanted.axes, position=wanted.position) as movie:
            row |= {"n_frames": movie.n_frames, "dtype": movie.dtype.name}
            row |= {"n_channels": movie.n_channels, "n_planes": movie.n_planes}
            row |= {"height_px": movie.shape_YX[0], "width_px": movie.shape_YX[1]}
            row["pixel_size_um"] = movie.file_calibration.pixel_size_um
            row["frame_interval_min"] = movie.file_calibration.frame_interval_min
            about_scale = _about_scale(movie.file_calibration)
            blank, frozen, pixels = _decode_all(movie)
            parts = _lacking(movie)
    except FileProblem as problem:
        return row | {"status": "rejected", "reason": problem.kind, "note": str(problem)}, ""
    except OSError as error:
        return row | {"status": "rejected", "reason": "unreadable", "note": str(error)}, ""
    except SomaNetError as problem:  # the package that reads the format is not installed
        return row | {"status": "rejected", "reason": "unreadable", "note": str(problem)}, ""
    if blank == row["n_frames"]:
        return row | {"status": "rejected", "reason": "empty movie", "note": "every frame is blank"}, ""
    parts += [counted(blank, "blank frame")] if blank else []
    parts += [f"{counted(frozen, 'frame')} equal to the one before"] if frozen else []
    return row | {"status": "accepted", "reason": "", "note": "; ".join([*parts, *about_scale])}, pixels


def _about_scale(scale: FileCalibration) -> list[str]:
    """What analyses of the movie will say of its scale and the times of its frames."""
    uneven = ["frames are uneven in time"] if scale.times_h is not None else []
    return [
        *uneven,
        *(text.removesuffix(".") for text in (scale.pixel_note, scale.time_problem, scale.time_note) if text),
    ]


def _lacking(movie: Movie) -> list[str]:
    """What the analysis of a movie would ask for, and what its reader has to know."""
    scale = movie.file_calibration
    lacking = [
        option
        for option, value in (
            ("--pixel-size-um", scale.pixel_size_um),
            ("--frame-interval-min", scale.frame_interval_min),
        )
        if value is None
    ]
    parts = ["a single image: `somanet predict` segments it"] if movie.n_frames == 1 else []
    if movie.unnamed and movie.n_frames > 1:
        parts.append("pages taken for time points, which the file does not say (planes of a stack: --z max)")
    if lacking and movie.n_frames > 1:
        parts.append(f"its metadata lack the scale, so `somanet analyze` needs {' and '.join(lacking)}")
    return parts + [note.removesuffix(".") for note in movie.notes]


def _decode_all(movie: Movie) -> tuple[int, int, str]:
    """Number of blank frames, of frames equal to the one before, and a hash of all pixels."""
    digest = hashlib.sha256(f"{movie.n_frames} {movie.shape_YX} {movie.dtype} ".encode())
    blank = frozen = 0
    before: np.ndarray | None = None
    for frame in movie:
        digest.update(frame.tobytes())
        flat = bool(frame.min() == frame.max())
        blank += flat
        frozen += not flat and before is not None and np.array_equal(frame, before)
        before = frame
    return blank, frozen, digest.hexdigest()
