"""Open and write movies."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sized
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.documents import parsed_once
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.core.foreign import check_kind, parsing
from somanet.core.guard import protect
from somanet.core.hashing import sha256_files, sha256_tree
from somanet.core.limits import FRAMES
from somanet.core.problems import FileProblem
from somanet.io.declared_size import check_movie_size, check_pixels, open_tiff
from somanet.io.movie_base import Movie
from somanet.io.tiff_files import companions, used_files

__all__ = ["MOVIE_SUFFIXES", "Movie", "movie_files", "open_movie", "sha256_movie", "write_movie"]

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")
VIDEO_SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mkv")
MOVIE_SUFFIXES = (*TIFF_SUFFIXES, *VIDEO_SUFFIXES, ".zarr")

CLASSIC_TIFF_BYTES = (1 << 32) - (1 << 20)
"""The capacity of a TIFF without 64-bit offsets, minus room for its headers."""
_IMAGEJ_DTYPES = ("uint8", "uint16", "float32")
_OME_DTYPES = (*_IMAGEJ_DTYPES, "int8", "int16", "int32", "uint32")
_MAX_RATIONAL = (1 << 32) - 1


def open_movie(
    path: Path | str,
    *,
    channel: int | str | None = None,
    z: int | str | None = None,
    allow_truncated: bool = False,
) -> Movie:
    """Open a movie for reading one frame at a time.

    Args:
        path: TIFF (plain, ImageJ, OME), AVI or MP4, or a zarr folder (TYX array or OME-Zarr image).
        channel: name or index (from 0) of the channel; required if a TIFF or zarr has several, RGB included. For a
            video, red, green or blue; without it the grey value.
        z: focal plane (from 0) of a Z stack, or `max` for its maximum projection. Unnamed pages, or an unnamed first
            axis of a bare zarr array, are planes if this is given, else time points.
        allow_truncated: also open a truncated TIFF, as the frames before the cut; the movie is then marked
            ``truncated``.

    Returns:
        The movie, a context manager. ``file_calibration`` has the scale in the file's metadata.

    Raises:
        FileProblem: missing, truncated or unreadable file; several channels and no choice.
        StackProblem: a Z stack and no choice.
    """
    path = Path(path)
    check_kind(path, "a movie")
    if not path.exists():
        raise FileProblem(f"{path}: no such file. Check the path.", "missing")
    with parsing(path, "a movie", remedy="Is it damaged, or another format? Fetch it again."), parsed_once():
        movie = _open(path, channel, z, allow_truncated)
    try:
        height, width = movie.shape_YX
        check_pixels(height, width, path)
        FRAMES.check(movie.n_frames, path)
        decoded = movie.n_frames * movie.n_planes * height * width * movie.dtype.itemsize
        check_movie_size(decoded, movie.files, source=path)
        for file in movie.files[1:]:
            protect(file)
    except BaseException:
        movie.close()
        raise
    return movie


def movie_files(path: Path) -> tuple[Path, ...]:
    """A movie's file or folder and, of a TIFF that is spread over several files, the others.

    A file that cannot be opened counts alone: whoever opens it as a movie says why.
    """
    if path.suffix.lower() not in TIFF_SUFFIXES or not path.is_file():
        return (path,)
    try:
        with parsing(path, "a TIFF"), parsed_once(), open_tiff(path, str(path)) as tiff:
            return used_files(tiff, path, companions(tiff, str(path)))
    except FileProblem:
        return (path,)


def sha256_movie(path: Path) -> str:
    """SHA-256 of a movie: of its file's bytes, or of the names and contents of all its files, as of a folder's.

    Other data, such as a folder of images, have that of :func:`somanet.core.hashing.sha256_tree`.
    """
    files = movie_files(path)
    return sha256_tree(path) if len(files) == 1 else sha256_files({file.name: file for file in files})


def _open(path: Path, channel: int | str | None, z: int | str | None, allow_truncated: bool) -> Movie:
    # The readers are imported here: PyAV and zarr take a second, which TIFF users are spared.
    if path.is_dir():
        from somanet.io.movie_zarr import MARKERS, ZarrMovie

        if path.suffix == ".zarr" or any((path / marker).exists() for marker in MARKERS):
            return ZarrMovie(path, channel, z)
        raise FileProblem(f"{path}: expected a movie file or a zarr folder, found another folder.", "not an image")
    if path.suffix.lower() in VIDEO_SUFFIXES:
        from somanet.io.movie_video import VideoMovie

        return VideoMovie(path, channel, z)
    if path.suffix.lower() in TIFF_SUFFIXES:
        from somanet.io.movie_tiff import TiffMovie

        if allow_truncated:
            from somanet.io.movie_cut_tiff import CutTiffMovie, is_cut

            if is_cut(path):
                return CutTiffMovie(path, channel, z)
        return TiffMovie(path, channel, z)
    raise FileProblem(
        f"{path}: expected a movie ({', '.join(MOVIE_SUFFIXES)}), found the suffix '{path.suffix}'. "
        "Export it as TIFF (Fiji: File > Save As > Tiff).",
        "not an image",
    )


def write_movie(path: Path | str, frames_TYX: Iterable[np.ndarray], calibration: Calibration | FileCalibration) -> None:
    """Write a movie atomically, with its scale, one frame in memory at a time.

    Args:
        path: ends in .ome.tif (OME-TIFF) or .tif (ImageJ; up to 4 GB; uint8, uint16 or float32).
        frames_TYX: an array, an open movie, or any iterable of YX frames of one shape and data type. One without a
            length is spooled to a temporary file first, as the header comes before the frames.
        calibration: the scale. It reads back as the same number (in an ImageJ TIFF: up to 9 decimals are exact, longer
            ones within 1e-9).

    Raises:
        SomaNetError: no frames, frames that differ, a data type or size that the format lacks, or the file cannot be
            written.
    """
    path = Path(path)
    name = path.name.lower()
    if not name.endswith((".tif", ".tiff")):
        raise SomaNetError(f"Cannot write {path}: expected the suffix .tif or .ome.tif, found '{path.suffix}'.")
    if not isinstance(frames_TYX, Sized):
        with tempfile.TemporaryFile(dir=path.parent if path.parent.is_dir() else None) as spool:
            first, count = _spool(frames_TYX, spool, path)
            _write(path, _unspool(spool, first, count), count, first, calibration)
        return
    frames = iter(frames_TYX)
    first = _checked_frame(next(frames, None), None, path)

    def all_frames() -> Iterator[np.ndarray]:
        yield first
        for frame in frames:
            yield _checked_frame(frame, first, path)

    _write(path, all_frames(), len(frames_TYX), first, calibration)


def _write(
    path: Path,
    frames: Iterator[np.ndarray],
    n_frames: int,
    first: np.ndarray,
    scale: Calibration | FileCalibration,
) -> None:
    ome = path.name.lower().endswith((".ome.tif", ".ome.tiff"))
    n_bytes = n_frames * first.nbytes
    if first.dtype.name not in (_OME_DTYPES if ome else _IMAGEJ_DTYPES):
        raise SomaNetError(
            f"Cannot write {path}: {'OME' if ome else 'ImageJ'} TIFF has no {first.dtype.name} pixels; "
            f"it has {', '.join(_OME_DTYPES if ome else _IMAGEJ_DTYPES)}. Convert the frames."
        )
    if not ome and n_bytes > CLASSIC_TIFF_BYTES:
        raise SomaNetError(
            f"Cannot write {path}: {n_bytes / 1e9:.1f} GB is more than an ImageJ TIFF holds (4.3 GB). Name it .ome.tif."
        )
    options: dict[str, Any] = ome_options(scale, n_frames, first) if ome else imagej_options(scale)
    kind: dict[str, Any] = {"ome": True, "bigtiff": n_bytes > CLASSIC_TIFF_BYTES} if ome else {"imagej": True}
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary, **kind) as tiff:
        tiff.write(frames, shape=(n_frames, *first.shape), dtype=first.dtype, photometric="minisblack", **options)


def imagej_options(scale: Calibration | FileCalibration) -> dict[str, Any]:
    """Arguments of tifffile for an ImageJ TYX stack with a known scale."""
    metadata: dict[str, Any] = {"axes": "TYX"}
    options: dict[str, Any] = {"metadata": metadata}
    if scale.pixel_size_um is not None:
        if not 1e-7 < scale.pixel_size_um < 1e7:
            raise SomaNetError(f"Cannot write a pixel size of {scale.pixel_size_um} µm. Check its unit.")
        ratio = 1 / Fraction(repr(scale.pixel_size_um))
        # Numerator and denominator of a TIFF rational are 32-bit: bound whichever is larger.
        ratio = ratio.limit_denominator(int(_MAX_RATIONAL / max(float(ratio), 1.0)) - 1)
        options["resolution"] = ((ratio.numerator, ratio.denominator),) * 2
        metadata["unit"] = "um"
    if scale.frame_interval_min is not None:
        metadata["finterval"] = float(Fraction(repr(scale.frame_interval_min)) * 60)
    return options


def ome_options(scale: Calibration | FileCalibration, n_frames: int, first: np.ndarray) -> dict[str, Any]:
    """Arguments of tifffile for an OME TYX stack with a known scale."""
    identity = f"{n_frames} {first.shape} {first.dtype} {scale}"
    # tifffile would insert a random id; equal movies should be equal files, for DVC's hashes.
    metadata: dict[str, Any] = {"axes": "TYX", "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, identity))}
    if scale.pixel_size_um is not None:
        for axis in "XY":
            metadata[f"PhysicalSize{axis}"] = scale.pixel_size_um
            metadata[f"PhysicalSize{axis}Unit"] = "µm"
    if scale.frame_interval_min is not None:
        metadata |= {"TimeIncrement": scale.frame_interval_min, "TimeIncrementUnit": "min"}
    return {"metadata": metadata}


def _checked_frame(frame: Any, first: np.ndarray | None, path: Path) -> np.ndarray:
    if frame is None:
        raise SomaNetError(f"Cannot write {path}: expected at least one frame, found none.")
    array = np.ascontiguousarray(frame)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if (
        array.ndim != 2
        or array.size == 0
        or (first is not None and (array.shape != first.shape or array.dtype != first.dtype))
    ):
        expected = "YX frames" if first is None else f"frames like the first ({first.shape} {first.dtype})"
        raise SomaNetError(f"Cannot write {path}: expected {expected}, found {array.shape} {array.dtype}.")
    return array


def _spool(frames: Iterable[np.ndarray], spool: Any, path: Path) -> tuple[np.ndarray, int]:
    first: np.ndarray | None = None
    count = 0
    for frame in frames:
        array = _checked_frame(frame, first, path)
        first = array if first is None else first
        spool.write(array.tobytes())
        count += 1
    return _checked_frame(first, None, path), count


def _unspool(spool: Any, first: np.ndarray, count: int) -> Iterator[np.ndarray]:
    spool.seek(0)
    for _ in range(count):
        yield np.frombuffer(spool.read(first.nbytes), dtype=first.dtype).reshape(first.shape)
