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
from somanet.core.problems import FileProblem
from somanet.core.schema import MOVIE_MANIFEST
from somanet.io.movies import MOVIE_SUFFIXES, Movie, open_movie, sha256_movie


def check_movies(path: Path | str, *, channel: int | str | None = None, progress: bool = False) -> pd.DataFrame:
    """Check one movie, or every movie directly in a folder.

    Args:
        path: a movie file, a zarr folder, or a folder of movies.
        channel: as in :func:`~somanet.io.movies.open_movie`.
        progress: show a bar, if stderr is a terminal.

    Returns:
        One row per movie in name order, columns of ``schema.MOVIE_MANIFEST``. ``reason`` is one of: truncated,
        unreadable, not an image, not finite, wrong shape, wrong type, empty movie, duplicate. The note counts blank
        frames and frames equal to the one before, which a stalled camera leaves.

    Raises:
        SomaNetError: no such path, or a folder without movies.
    """
    path = Path(path)
    if not path.exists():
        raise SomaNetError(f"{path}: no such file or folder. Check the path.")
    files = [path]
    if path.is_dir() and path.suffix != ".zarr" and not any((path / m).exists() for m in ("zarr.json", ".zattrs")):
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in MOVIE_SUFFIXES and p.name[0] != ".")
        if not files:
            raise SomaNetError(f"{path}: expected movies ({', '.join(MOVIE_SUFFIXES)}), found none. Check the path.")
    first_of: dict[str, str] = {}
    rows = []
    for file in tqdm(files, desc="check", unit="movie", disable=not (progress and sys.stderr.isatty())):
        row, pixels = _check(file, channel)
        if row["status"] == "accepted":
            first = first_of.setdefault(pixels, file.name)
            if first != file.name:
                row |= {"status": "rejected", "reason": "duplicate", "note": f"the same pixels as {first}"}
        rows.append(row)
    return MOVIE_MANIFEST.frame(rows)


def check_movie(path: Path | str, *, channel: int | str | None = None) -> dict[str, object]:
    """The row of one movie (see :func:`check_movies`)."""
    return _check(Path(path), channel)[0]


def _check(path: Path, channel: int | str | None) -> tuple[dict[str, object], str]:
    row: dict[str, object] = {"name": path.stem, "path": path.name, "sha256": "", "dtype": ""}
    try:
        row["sha256"] = sha256_movie(path)
        with open_movie(path, channel=channel) as movie:
            row |= {"n_frames": movie.n_frames, "dtype": movie.dtype.name}
            row |= {"height_px": movie.shape_YX[0], "width_px": movie.shape_YX[1]}
            row["pixel_size_um"] = movie.file_calibration.pixel_size_um
            row["frame_interval_min"] = movie.file_calibration.frame_interval_min
            times = _about_times(movie.file_calibration)
            blank, frozen, pixels = _decode_all(movie)
    except FileProblem as problem:
        return row | {"status": "rejected", "reason": problem.kind, "note": str(problem)}, ""
    except OSError as error:
        return row | {"status": "rejected", "reason": "unreadable", "note": str(error)}, ""
    if blank == row["n_frames"]:
        return row | {"status": "rejected", "reason": "empty movie", "note": "every frame is blank"}, ""
    parts = [f"{blank} blank frames"] if blank else []
    parts += [f"{frozen} frames equal to the one before"] if frozen else []
    return row | {"status": "accepted", "reason": "", "note": "; ".join([*parts, *times])}, pixels


def _about_times(scale: FileCalibration) -> list[str]:
    """What analyses of the movie will say of the times of its frames."""
    uneven = ["frames are uneven in time"] if scale.times_h is not None else []
    return [*uneven, *(text.removesuffix(".") for text in (scale.time_problem, scale.time_note) if text)]


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
