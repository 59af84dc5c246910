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
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.io.movie_base import Movie
from somanet.io.movie_files import (
    find_movie_files,
    movie_exists,
    movie_files,
    movie_name,
    movies_in,
    name_at,
    sha256_movie,
    sha256_of_each,
    together,
)
from somanet.io.movie_opening import IMAGE_TIFF_SUFFIXES, MOVIE_SUFFIXES, open_movie

__all__ = [
    "IMAGE_TIFF_SUFFIXES",
    "MOVIE_SUFFIXES",
    "Movie",
    "find_movie_files",
    "movie_exists",
    "movie_files",
    "movie_name",
    "movies_in",
    "name_at",
    "open_movie",
    "sha256_movie",
    "sha256_of_each",
    "together",
    "write_movie",
]

CLASSIC_TIFF_BYTES = (1 << 32) - (1 << 20)
"""The capacity of a TIFF without 64-bit offsets, minus room for its headers."""
_IMAGEJ_DTYPES = ("uint8", "uint16", "float32")
_OME_DTYPES = (*_IMAGEJ_DTYPES, "int8", "int16", "int32", "uint32")
_MAX_RATIONAL = (1 << 32) - 1


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
    if scale.frame_interval_min is not None and scale.times_h is None:  # ImageJ has no times of single frames
        metadata["finterval"] = float(Fraction(repr(scale.frame_interval_min)) * 60)
    return options


def ome_options(scale: Calibration | FileCalibration, n_frames: int, first: np.ndarray) -> dict[str, Any]:
    """Arguments of tifffile for an OME TYX stack with a known scale."""
    named = f"pixel_size_um={scale.pixel_size_um!r}, frame_interval_min={scale.frame_interval_min!r}"
    identity = f"{n_frames} {first.shape} {first.dtype} {type(scale).__name__}({named})"
    # tifffile would insert a random id; equal movies should be equal files, for DVC's hashes.
    metadata: dict[str, Any] = {"axes": "TYX", "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, identity))}
    if scale.pixel_size_um is not None:
        for axis in "XY":
            metadata[f"PhysicalSize{axis}"] = scale.pixel_size_um
            metadata[f"PhysicalSize{axis}Unit"] = "µm"
    if scale.times_h is not None:
        seconds = [float(Fraction(repr(hours)) * 3600) for hours in scale.times_h]
        metadata["Plane"] = {"DeltaT": seconds, "DeltaTUnit": ["s"] * len(seconds), "TheT": list(range(len(seconds)))}
        metadata["UUID"] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{identity} {seconds}"))
    elif scale.frame_interval_min is not None:
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
