"""The times of Micro-Manager's images: in each page of a TIFF, or in `metadata.txt` beside single images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tifffile

from somanet.core.documents import parse_json
from somanet.core.foreign import file_bytes, parsing
from somanet.core.limits import JSON_BYTES
from somanet.io.scale import to_minutes, to_um

METADATA = "metadata.txt"
"""Micro-Manager's file beside its images."""
ELAPSED = "Micro-Manager's ElapsedTime"
"""What the times are called in messages."""
_KEY = "Metadata-"
"""What the name of an image follows, in version 2."""


def elapsed_min(tiff: tifffile.TiffFile, n_frames: int) -> dict[int, float]:
    """Minutes of the first channel's and focal plane's pages by frame; Micro-Manager writes them into each page."""
    if not tiff.is_micromanager:
        return {}
    times: dict[int, float] = {}
    for page in tiff.pages:
        if isinstance(page, tifffile.TiffFrame):  # a page of which only the offsets were read
            if not page.offset:
                continue
            page = page.aspage()
        tag = page.tags.get("MicroManagerMetadata")
        about = tag.value if tag is not None else None
        if not isinstance(about, dict) or about.get("ChannelIndex", 0) or about.get("SliceIndex", 0):
            continue
        frame = about.get("FrameIndex", about.get("Frame"))
        minutes = _minutes(about)
        if minutes is not None and isinstance(frame, int) and frame < n_frames:
            times.setdefault(frame, minutes)
    return times


def beside_images(file: Path, frame_of: Mapping[str, int]) -> tuple[float | None, float | None, dict[int, float]]:
    """What `metadata.txt` says: µm per pixel, minutes between frames as they were asked for, and those of each frame.

    Args:
        file: the metadata.
        frame_of: the frames whose times are wanted, by the names of their images.

    Raises:
        FileProblem: it is not whole, as of a recording that was stopped, or other text.
    """
    with parsing(file, "Micro-Manager's metadata"):
        about = parse_json(file_bytes(file, "metadata", JSON_BYTES), file, "Micro-Manager's metadata")
        summary = about["Summary"]
        times: dict[int, float] = {}
        for key, entry in about.items():
            if not isinstance(entry, dict) or (minutes := _minutes(entry)) is None:
                continue
            name = key.removeprefix(_KEY) if key.startswith(_KEY) else str(entry.get("FileName", ""))
            frame = frame_of.get(name.rpartition("/")[2])
            if frame is not None:
                times[frame] = minutes
        return to_um(summary.get("PixelSize_um"), "um"), to_minutes(summary.get("Interval_ms"), "ms"), times


def _minutes(about: Mapping[str, Any]) -> float | None:
    elapsed = about.get("ElapsedTime-ms")
    return float(elapsed) / 60_000 if isinstance(elapsed, int | float) else None
