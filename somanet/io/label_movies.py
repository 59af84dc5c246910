"""Label movies: written frame by frame as compressed TIFF or zarr, read as other programs save them, too."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.core.problems import ChannelProblem, FileProblem, StackProblem
from somanet.io.movies import CLASSIC_TIFF_BYTES, Movie, imagej_options, ome_options, open_movie

Scale = Calibration | FileCalibration

LARGEST_UINT16 = np.iinfo(np.uint16).max


def open_label_movie(path: Path | str) -> Movie:
    """Open a label movie that another program may have saved.

    Planes of a stack are its frames: labels are of two-dimensional images, and Fiji saves frames as planes once a
    filter or a plug-in has made a new stack of them.

    Raises:
        FileProblem: several channels, or frames of several planes; or as for :func:`somanet.io.movies.open_movie`.
    """
    try:
        return open_movie(path, labels=True)
    except StackProblem as stack:
        try:
            return open_movie(path, axes="TYX", labels=True)
        except FileProblem:
            raise FileProblem(
                f"{path}: expected a label image for each frame, found a Z stack for each. Save one plane of it.",
                "wrong shape",
            ) from stack
    except ChannelProblem as channels:
        raise FileProblem(
            f"{path}: expected a label movie of one channel, found several, or colours. Save the labels alone (Fiji: "
            "Image > Color > Split Channels); in a coloured copy the labels are lost.",
            "wrong shape",
        ) from channels


def write_label_movie(
    path: Path | str,
    frames: Iterable[np.ndarray],
    *,
    n_frames: int,
    shape_YX: tuple[int, int],
    largest_id: int,
    calibration: Scale,
) -> None:
    """Write a movie of label images atomically, one frame in memory at a time.

    Args:
        path: ends in .tif (zlib; ImageJ's format where it fits, else OME) or .zarr (OME-Zarr 0.5, one chunk per
            frame, for movies too large for a TIFF).
        frames: YX integers from 0, 0 = background.
        n_frames: number of frames.
        shape_YX: shape of each frame.
        largest_id: decides between uint16 and uint32.
        calibration: the physical scale, stored with them; missing values are left out.

    Raises:
        SomaNetError: another suffix, frames other than announced, or the file cannot be written.
    """
    path = Path(path)
    dtype = np.dtype(np.uint16 if largest_id <= LARGEST_UINT16 else np.uint32)
    checked = _checked(frames, n_frames, shape_YX, dtype, path)
    if path.suffix.lower() in (".tif", ".tiff"):
        _write_tiff(path, checked, (n_frames, *shape_YX), dtype, calibration)
    elif path.suffix.lower() == ".zarr":
        _write_zarr(path, checked, (n_frames, *shape_YX), dtype, calibration)
    else:
        raise SomaNetError(f"Cannot write {path}: expected the suffix .tif or .zarr for labels, found '{path.suffix}'.")


def _checked(
    frames: Iterable[np.ndarray], n_frames: int, shape_YX: tuple[int, int], dtype: np.dtype, path: Path
) -> Iterator[np.ndarray]:
    count = 0
    for frame in itertools.islice(frames, n_frames + 1):
        labels = np.asarray(frame)
        if count == n_frames or labels.shape != tuple(shape_YX) or labels.dtype.kind not in "uib":
            raise SomaNetError(
                f"Cannot write {path}: expected {n_frames} label images of {shape_YX}, found image {count + 1} of "
                f"{labels.shape}, {labels.dtype}."
            )
        if labels.size and (labels.min() < 0 or labels.max() > np.iinfo(dtype).max):
            raise SomaNetError(
                f"Cannot write {path}: expected ids of 0 to {np.iinfo(dtype).max}, found {labels.min()} to "
                f"{labels.max()} in frame {count}."
            )
        count += 1
        yield np.ascontiguousarray(labels.astype(dtype))
    if count < n_frames:
        raise SomaNetError(f"Cannot write {path}: expected {n_frames} label images, found {count}.")


def _write_tiff(
    path: Path,
    frames: Iterator[np.ndarray],
    shape: tuple[int, ...],
    dtype: np.dtype,
    scale: Scale,
) -> None:
    n_bytes = int(np.prod(shape)) * dtype.itemsize
    # With ImageJ's own header Fiji shows time as time; the format has no 32-bit integers and no large files.
    imagej = dtype == np.uint16 and n_bytes < CLASSIC_TIFF_BYTES
    kind: dict[str, Any] = {"imagej": True} if imagej else {"ome": True, "bigtiff": n_bytes >= CLASSIC_TIFF_BYTES}
    first = np.empty(shape[1:], dtype)
    options = imagej_options(scale) if imagej else ome_options(scale, shape[0], first)
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary, **kind) as tiff:
        tiff.write(
            itertools.islice(frames, shape[0]),
            shape=shape,
            dtype=dtype,
            photometric="minisblack",
            compression="zlib",
            **options,
        )
        next(frames, None)  # a surplus frame is refused here; tifffile would ignore it


def _write_zarr(
    path: Path,
    frames: Iterator[np.ndarray],
    shape: tuple[int, ...],
    dtype: np.dtype,
    scale: Scale,
) -> None:
    import zarr  # takes a second, which TIFF users are spared

    even_min = scale.frame_interval_min if scale.times_h is None else None  # an axis has one interval or none
    units = [("t", "time", "minute", even_min)]
    units += [(axis, "space", "micrometer", scale.pixel_size_um) for axis in "yx"]
    image: dict[str, Any] = {
        "name": path.stem,
        "axes": [
            {"name": name, "type": kind} | ({"unit": unit} if step is not None else {})
            for name, kind, unit, step in units
        ],
        "datasets": [
            {
                "path": "0",
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1.0 if step is None else step for *_, step in units]}
                ],
            }
        ],
    }
    with atomic_path(path) as temporary:
        group = zarr.open_group(str(temporary), mode="w", zarr_format=3)
        group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
        array = group.create_array(
            "0",
            shape=shape,
            chunks=(1, *shape[1:]),
            dtype=dtype,
            dimension_names=["t", "y", "x"],
            config={"write_empty_chunks": True},  # else frames without objects look like a copy that was interrupted
        )
        for t, frame in enumerate(frames):
            array[t] = frame
