"""Whether the packages that read and write videos and compressed images were built with the codecs that are needed."""

from __future__ import annotations

from typing import Literal

from somanet.core.mending import Trouble, codec_trouble

VIDEO_CODECS: tuple[tuple[str, str, Literal["r", "w"]], ...] = (
    ("Writing overlay.mp4", "libx264", "w"),
    ("Writing videos for idtracker.ai", "ffv1", "w"),
    ("Reading H.264 videos", "h264", "r"),
    ("Reading Motion JPEG videos", "mjpeg", "r"),
)
"""What needs a codec, its name in FFmpeg, and whether it is read or written."""
TIFF_CODECS = ("LZW", "DEFLATE", "JPEG8", "JPEG2K", "ZSTD")
"""Compressions of TIFF files of microscopes, by imagecodecs' names."""


def missing_codec() -> Trouble | None:
    """The first codec that is missing; None if there is none."""
    import av
    import imagecodecs

    for purpose, codec, mode in VIDEO_CODECS:
        try:
            av.codec.Codec(codec, mode)
        except ValueError:  # PyAV's error for an unknown codec is one
            return codec_trouble(purpose, codec, "av")
    for codec in TIFF_CODECS:
        if not getattr(imagecodecs, codec).available:
            return codec_trouble("Reading compressed TIFF files", codec, "imagecodecs")
    return None
