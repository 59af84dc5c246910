"""Movies in AVI and MP4. Their frame rate is for playback and unrelated to the microscope's frame interval."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from somanet.core.calibration import FileCalibration
from somanet.core.problems import FileProblem
from somanet.io.declared_size import check_pixels
from somanet.io.movie_base import Movie
from somanet.io.movie_choices import choose_channel, choose_planes
from somanet.io.movie_layout import Wanted

_CONTAINERS = "avi,mov,matroska,webm"
_COLOURS = ("red", "green", "blue")
_LOSSLESS = frozenset(
    ("rawvideo", "ffv1", "ffvhuff", "huffyuv", "hymt", "utvideo", "png", "apng", "tiff", "bmp", "qtrle", "lagarith",
     "magicyuv", "zlib", "mszh", "cscd", "tscc", "v210", "v410", "r210", "r10k", "y41p", "yuv4", "flashsv", "cllc"),
)  # fmt: skip
"""FFmpeg's names of codecs that return the pixels they were given; H.264 can too, but says so nowhere."""


_COLOURED_SHARE, _COLOURED = 1e-3, 40
"""A frame is coloured if in more than this share of its pixels its 8-bit colours differ by more."""
_IN_COLOUR = (
    "The video is in colour, by its first frame; its brightness was read, mixed of red, green and blue. A pseudocolour "
    "is read by --channel red, green or blue. Lines or text drawn into the frames count as bright objects: export the "
    "movie without them."
)


class VideoMovie(Movie):
    """A video decoded in order; going back decodes again from the start (see :class:`Movie`).

    Without a channel the luma is read: video stores even grey movies as colour. A note says so if the first frame has
    colours: a pseudocolour, or tracks and text that were drawn into it. Lossy compression has altered the grey levels;
    prefer the microscope's own file.
    """

    def __init__(self, path: Path, wanted: Wanted) -> None:
        self.path, self.files = path, (path,)
        choose_planes(1, wanted.z, str(path), described="a video")
        self._take_position(("0",), wanted)
        if wanted.axes is not None:
            raise FileProblem(
                f"{path}: a video has only time, height, width and colours, which need no --axes. Leave it out.",
                "wrong shape",
            )
        try:
            # FFmpeg tells formats by content, and some are lists of other files and addresses, which it would open.
            # It takes a name's part before a colon for a protocol, as in `concat:a|b`, unless the path is absolute.
            whitelists = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
            self._container = av.open(str(path.absolute()), options=whitelists)
        except (av.error.FFmpegError, OSError) as error:
            raise FileProblem(
                f"{path}: expected a video, but it cannot be opened ({error}). Is it truncated, or in another format? "
                "Export the movie as TIFF."
            ) from error
        try:
            self._open(wanted.channel)
        except BaseException:
            self._container.close()
            raise

    def _open(self, channel: int | str | None) -> None:
        if not self._container.streams.video:
            raise FileProblem(f"{self.path}: the file has no video stream. Export the movie as TIFF.", "not an image")
        self._stream = self._container.streams.video[0]
        height, width = self._stream.height, self._stream.width
        check_pixels(height, width, self.path)
        pixels = getattr(self._stream, "format", None)  # without a decoder, PyAV has no such attribute, or None
        if pixels is None:
            raise FileProblem(
                f"{self.path}: the video's codec is unknown or its header damaged, and it cannot be decoded. Export "
                "the movie as TIFF.",
                "wrong type",
            )
        announced = self._stream.frames
        try:
            self.n_frames = sum(1 for packet in self._container.demux(self._stream) if packet.size)
        except av.error.FFmpegError as error:
            raise FileProblem(f"{self.path}: the video is damaged ({error}). Fetch it again.", "truncated") from error
        if not self.n_frames or announced > self.n_frames:
            raise FileProblem(
                f"{self.path}: the video is truncated: expected {announced or 'some'} frames, found "
                f"{self.n_frames}. "
                "Fetch it again.",
                "truncated",
            )
        colour = None if channel is None else choose_channel(_COLOURS, channel, str(self.path))
        deep = any(component.bits > 8 for component in pixels.components)
        self._colour = colour
        self._format = ("gray16le" if deep else "gray") if colour is None else ("rgb48le" if deep else "rgb24")
        self.dtype = np.dtype(np.uint16 if deep else np.uint8)
        self.shape_YX = (self._stream.height, self._stream.width)
        self.file_calibration = FileCalibration()
        codec = str(getattr(self._stream.codec_context, "name", "unknown"))
        if codec not in _LOSSLESS:
            lossy = (
                f"The video is compressed with {codec}, which usually loses detail: edges and dim somas are altered."
            )
            self.notes = (f"{lossy} Measure the microscope's own file if there is one.",)
        if colour is None and self._starts_in_colour():
            self.notes = (*self.notes, _IN_COLOUR)
        self._next = 0
        self._frames = self._from_start()

    def _starts_in_colour(self) -> bool:
        try:
            first = next(self._from_start()).to_ndarray(format="rgb24")
        except (StopIteration, av.error.FFmpegError):  # who reads the frame says why
            return False
        return bool((np.ptp(first.astype(np.int16), axis=-1) > _COLOURED).mean() > _COLOURED_SHARE)

    def _from_start(self) -> Iterator[av.VideoFrame]:
        self._container.seek(0, stream=self._stream)
        self._next = 0
        return self._container.decode(self._stream)

    def _read(self, t: int) -> np.ndarray:
        if t < self._next:
            # Seeking into a video lands on key frames only; counting from the start is always exact.
            self._frames = self._from_start()
        try:
            while self._next < t:
                next(self._frames)
                self._next += 1
            frame = next(self._frames)
            self._next += 1
        except (StopIteration, av.error.FFmpegError) as error:
            # The decoder is exhausted; the next call starts from the beginning.
            reached, self._next = self._next, self.n_frames + 1
            raise FileProblem(
                f"{self.path}: the video is damaged: expected {self.n_frames} frames, decoding stops at "
                f"{reached}. "
                "Fetch it again.",
                "truncated",
            ) from error
        array = frame.to_ndarray(format=self._format)
        return np.ascontiguousarray(array if self._colour is None else array[..., self._colour])

    def close(self) -> None:
        """Close the file."""
        self._container.close()
