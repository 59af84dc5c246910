"""Write videos: such as every player and browser can play, and such as keep every pixel."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.core.mending import codec_trouble

# Visually near-lossless at a tenth of the size of the frames; a key frame every second makes scrubbing quick. What
# slow presets search for, similar places in other frames, is rare in a noisy movie at minutes a frame: without it, but
# with their filter and entropy coder, the picture is nearer to the frames, in a third of the time and a quarter larger.
_OPTIONS = {"crf": "19", "preset": "ultrafast", "x264-params": "deblock=0,0:cabac=1"}
_LARGEST_DENOMINATOR = 1001
_BIT_EXACT = 1 << 23
"""FFmpeg's AV_CODEC_FLAG_BITEXACT: no name of the library's version."""


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
    _check(path, ".mp4", fps)
    import av  # takes half a second, which callers without a video are spared

    try:
        with atomic_path(path) as temporary:
            _encode(temporary, path, frames, _rate(fps))
    except av.error.FFmpegError as error:
        raise SomaNetError(f"Cannot write {path}: the video encoder failed ({error}).") from error


def write_lossless_video(path: Path | str, frames: Iterable[NDArray[np.uint8]], *, fps: float) -> None:
    """Write a grey FFV1 video atomically, for programs that measure its pixels; one frame in memory at a time.

    Args:
        path: ends in .avi.
        frames: YX uint8, all of one shape, odd sizes included.
        fps: frames shown per second.

    Raises:
        SomaNetError: another suffix, no frames, unexpected frames, or the file cannot be written.
    """
    path = Path(path)
    _check(path, ".avi", fps)
    import av

    try:
        with (
            atomic_path(path) as temporary,
            av.open(str(temporary.absolute()), "w", options={"fflags": "+bitexact"}) as container,
        ):
            # Version 3 has checksums of its slices; each frame is a key frame, so that any can be read alone.
            stream = _add_stream(container, "ffv1", _rate(fps), {"level": "3", "g": "1", "slicecrc": "1"})
            stream.codec_context.flags |= _BIT_EXACT
            stream.pix_fmt = "gray"
            shape: tuple[int, ...] | None = None
            for frame in frames:
                if frame.ndim != 2 or frame.dtype != np.uint8 or not frame.size:
                    raise SomaNetError(
                        f"Cannot write {path}: expected YX uint8 frames, found {frame.shape} {frame.dtype}."
                    )
                if shape is None:
                    shape = frame.shape
                    stream.height, stream.width = shape
                _check_shape(frame, shape, path)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="gray")))
            if shape is None:
                raise SomaNetError(f"Cannot write {path}: expected at least one frame, found none.")
            container.mux(stream.encode())
    except av.error.FFmpegError as error:
        raise SomaNetError(f"Cannot write {path}: the video encoder failed ({error}).") from error


def _add_stream(container: Any, codec: str, rate: Fraction, options: dict[str, str]) -> Any:
    """A stream of a codec.

    Raises:
        SomaNetError: this PyAV was built without the codec.
    """
    import av

    try:
        return container.add_stream(codec, rate=rate, options=options)
    except (av.codec.codec.UnknownCodecError, av.error.EncoderNotFoundError) as error:
        raise SomaNetError(codec_trouble("Writing this video", codec, "av").line) from error


def _check(path: Path, suffix: str, fps: float) -> None:
    if path.suffix.lower() != suffix:
        raise SomaNetError(f"Cannot write {path}: expected the suffix {suffix}, found '{path.suffix}'.")
    if not (math.isfinite(fps) and fps > 0):
        raise SomaNetError(f"Cannot write {path}: frames per second must be a positive number, found {fps}.")


def _check_shape(frame: NDArray[np.uint8], shape: tuple[int, ...], path: Path) -> None:
    if frame.shape != shape:
        raise SomaNetError(f"Cannot write {path}: expected frames of {shape}, found one of {frame.shape}.")


def _rate(fps: float) -> Fraction:
    return Fraction(fps).limit_denominator(_LARGEST_DENOMINATOR)


def _encode(temporary: Path, path: Path, frames: Iterable[NDArray[np.uint8]], rate: Fraction) -> None:
    import av

    shape: tuple[int, ...] | None = None
    # bitexact leaves out the library's version; even so x264's output occasionally differs in a byte or two.
    with av.open(
        str(temporary.absolute()), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}
    ) as container:
        stream = _add_stream(container, "libx264", rate, {**_OPTIONS, "g": str(max(1, round(rate)))})
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or not frame.size:
                raise SomaNetError(
                    f"Cannot write {path}: expected YXC uint8 frames, found {frame.shape} {frame.dtype}."
                )
            if shape is None:
                shape = frame.shape
                stream.height, stream.width = shape[0] + shape[0] % 2, shape[1] + shape[1] % 2
            _check_shape(frame, shape, path)
            even = np.pad(frame, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")
            rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
            container.mux(stream.encode(rgb.reformat(format="yuv420p", interpolation="AREA")))
        if shape is None:
            raise SomaNetError(f"Cannot write {path}: expected at least one frame, found none.")
        container.mux(stream.encode())
