"""The manifest of movies: every frame decoded."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from somanet.core.calibration import FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem, StackProblem
from somanet.core.schema import MOVIE_MANIFEST
from somanet.io.image_names import Series, find_series, is_image_name, leave_out_thumbnails
from somanet.io.images import read_image
from somanet.io.label_names import PICKLE_ENDING, bare_name
from somanet.io.movie_layout import Wanted
from somanet.io.movies import (
    IMAGE_TIFF_SUFFIXES,
    MOVIE_SUFFIXES,
    Movie,
    find_movie_files,
    movie_exists,
    movie_files,
    movie_name,
    movies_in,
    open_movie,
    sha256_movie,
)


def check_movies(path: Path | str, wanted: Wanted | None = None, *, progress: bool = False) -> pd.DataFrame:
    """Check one movie, or every movie directly in a folder.

    Args:
        path: a movie: a file, a zarr folder, or a pattern of numbered images; or a folder of movies or such images.
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
    path = Path(path)
    if not movie_exists(path):
        raise SomaNetError(f"{path}: no such file or folder. Check the path.")
    files = [path]
    if path.is_dir() and path.suffix != ".zarr" and not any((path / m).exists() for m in ("zarr.json", ".zattrs")):
        files = movies_in(path)
        if not files:
            raise SomaNetError(
                f"{path}: expected movies ({', '.join(MOVIE_SUFFIXES)}) or numbered images, found none. Check the path."
            )
    first_of: dict[str, str] = {}
    rows = []
    for file in tqdm(files, desc="check", unit="movie", disable=not (progress and sys.stderr.isatty())):
        row, pixels = _check(file, wanted or Wanted())
        if row["status"] == "accepted":
            first = first_of.setdefault(pixels, file.name)
            if first != file.name:
                row |= {"status": "rejected", "reason": "duplicate", "note": f"the same pixels as {first}"}
        rows.append(row)
    return MOVIE_MANIFEST.frame(rows)


def check_movie(path: Path | str, wanted: Wanted | None = None) -> dict[str, object]:
    """The row of one movie (see :func:`check_movies`)."""
    return _check(Path(path), wanted or Wanted())[0]


def is_movie_folder(folder: Path) -> bool:
    """Whether a folder's own files are movies: several frames in a file, or numbered images of one movie.

    Images whose names do not say that the number counts time are one movie if they are all of one shape, without a gap
    in their numbers, and the only files of their kind; the folders of a data set, and labels among them, make it none.
    """
    entries = leave_out_thumbnails(sorted(folder.iterdir()))
    files = [file for file in entries if file.is_file() or file.suffix == ".zarr"]
    if folder.name in _OF_DATA_SETS or any(map(_is_label, files)):
        return False
    found = find_movie_files(files)
    for path in found:
        if not path.exists():
            if any(file.suffix.lower() == ".json" for file in files):  # outlines, of Labelme or COCO
                return False
            series = find_series(movie_files(path))
            alone = len(found) == 1 and set(movie_files(path)) >= {file for file in files if is_image_name(file)}
            return any(one.says_time or (alone and not one.problem and _of_one_shape(one)) for one in series)
        try:
            with open_movie(path) as movie:
                return movie.n_frames > 1
        except StackProblem:
            return True
        except FileProblem as problem:  # what is missing are other images of a movie
            return problem.kind == "missing" or path.suffix.lower() not in IMAGE_TIFF_SUFFIXES
        except SomaNetError:
            return path.suffix.lower() not in IMAGE_TIFF_SUFFIXES
    return False


_OF_DATA_SETS = ("images", "labels", "masks")


def _is_label(file: Path) -> bool:
    return bare_name(file.stem) != file.stem or file.name.endswith(PICKLE_ENDING)


def _of_one_shape(series: Series) -> bool:
    shapes = []
    for file in (series.files[0], series.files[-1]):
        try:
            image = read_image(file)
        except FileProblem:
            return False
        shapes.append((image.shape, image.dtype))
    return shapes[0] == shapes[1]


def _check(path: Path, wanted: Wanted) -> tuple[dict[str, object], str]:
    row: dict[str, object] = {"name": movie_name(path), "path": path.name, "sha256": "", "dtype": ""}
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
    parts += [f"{blank} blank frames"] if blank else []
    parts += [f"{frozen} frames equal to the one before"] if frozen else []
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
