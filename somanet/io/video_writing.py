"""Write videos that every player and browser can play."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path

# Visually near-lossless at a tenth of the size of the frames; a key frame every second makes scrubbing quick.
_OPTIONS = {"crf": "20", "preset": "veryfast"}
_LARGEST_DENOMINATOR = 1001


def write_video(path: Path | str, frames: Iterable[NDArray[np.uint8]], *, fps: float) -> None:
    """Write an H.264 MP4 atomically, one frame in memory at a time.

    Args:
        path: ends in .mp4.
        frames: YXC uint8, C = 3 (RGB), all of one shape. Odd sizes are padded with a copy of the last row or column,
            as the format requires even ones.
        fps: frames shown per second.

    Raises:
        SomaNetError: another suffix, no frames, unexpected frames, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        raise SomaNetError(f"Cannot write {path}: expected the suffix .mp4, found '{path.suffix}'.")
    if not (math.isfinite(fps) and fps > 0):
        raise SomaNetError(f"Cannot write {path}: frames per second must be a positive number, found {fps}.")
    import av  # takes half a second, which callers without a video are spared

    try:
        with atomic_path(path) as temporary:
            _encode(temporary, path, frames, Fraction(fps).limit_denominator(_LARGEST_DENOMINATOR))
    except av.error.FFmpegError as error:
        raise SomaNetError(f"Cannot write {path}: the video encoder failed ({error}).") from error


def _encode(temporary: Path, path: Path, frames: Iterable[NDArray[np.uint8]], rate: Fraction) -> None:
    import av

    shape: tuple[int, ...] | None = None
    # bitexact leaves out the library's version; even so x264's output occasionally differs in a byte or two.
    with av.open(
        str(temporary.absolute()), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}
    ) as container:
        stream = container.add_stream("libx264", rate=rate, options={**_OPTIONS, "g": str(max(1, round(rate)))})
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or not frame.size:
                raise SomaNetError(
                    f"Cannot write {path}: expected YXC uint8 frames, found {frame.shape} {frame.dtype}."
                )
            if shape is None:
                shape = frame.shape
                stream.height, stream.width = shape[0] + shape[0] % 2, shape[1] + shape[1] % 2
            if frame.shape != shape:
                raise SomaNetError(f"Cannot write {path}: expected frames of {shape}, found one of {frame.shape}.")
            even = np.pad(frame, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")))
        if shape is None:
            raise SomaNetError(f"Cannot write {path}: expected at least one frame, found none.")
        container.mux(stream.encode())
