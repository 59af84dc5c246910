"""Strips and tiles of a TIFF that are pictures with a size of their own, checked before they are decoded.

Of other strips and tiles, the decoder knows from the page what they unpack to, and stops there.
"""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Callable
from contextlib import nullcontext

import tifffile
from PIL import Image

from somanet.core.limits import HARMLESS_BYTES
from somanet.core.problems import FileProblem
from somanet.io.completeness import PNG_MAGIC
from somanet.io.declared_size import jpeg_size, png_size

_BOUNDED = frozenset({1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 34926, 50000})
"""None, CCITT, LZW, Deflate (two numbers), PackBits, LZMA and Zstandard (two numbers)."""
_JPEG2000_START = b"\xff\x4f\xff\x51"
"""Its first two markers; the size follows (ISO/IEC 15444-1, A.5.1)."""
_JPEG_XR_START = b"WMPHOTO\0"
"""The signature of its codestream, followed by 4 bytes of flags and the size less 1 (ISO/IEC 29199-2, 8.3)."""
_LERC_WITHOUT_CHECKSUM = 2
"""The last version of its header without one."""


def check_segments(page: tifffile.TiffPage | tifffile.TiffFrame, source: str) -> None:
    """Refuse a page whose strips or tiles are pictures that declare another size than its own.

    Raises:
        FileProblem: of the kind `too large`; or of `wrong type`, for a compression of which the size is not known.
    """
    key = page.keyframe
    assert key is not None  # the page itself, or the first one of its series
    number = int(key.compression)
    if number in _BOUNDED:
        return
    if number not in _SIZES:
        raise FileProblem(
            f"{source}: expected a TIFF compressed by Deflate, LZW, Zstandard, LZMA, PackBits, JPEG, PNG, JPEG 2000, "
            f"JPEG XR, WebP, LERC or not at all, found {getattr(key.compression, 'name', number)}. Save it with "
            "Deflate (ZIP).",
            "wrong type",
        )
    allowed = max(math.prod(key.chunks), HARMLESS_BYTES)
    handle = page.parent.filehandle
    with handle if handle.closed else nullcontext():  # another file of a set is open only while it is read
        if handle.closed:
            handle.open()
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            if not count:
                continue
            handle.seek(offset)
            height, width = _SIZES[number](handle.read(count))
            if height * width > allowed:
                raise FileProblem(
                    f"{source}: expected strips or tiles of {' × '.join(map(str, key.chunks))}, found one that "
                    f"declares {height} × {width} pixels. Is it damaged? Fetch it again.",
                    "too large",
                )


def _of_jpeg(data: bytes) -> tuple[int, int]:
    return jpeg_size(data)[:2]


def _of_png(data: bytes) -> tuple[int, int]:
    if not data.startswith(PNG_MAGIC):
        raise ValueError("a strip is no PNG")
    return png_size(data)[:2]


def _of_jpeg_2000(data: bytes) -> tuple[int, int]:
    def size(start: int) -> tuple[int, int]:
        width, height = struct.unpack_from(">II", data, start + 8)
        return height, width

    return _largest(data, _JPEG2000_START, size)


def _of_jpeg_xr(data: bytes) -> tuple[int, int]:
    def size(start: int) -> tuple[int, int]:
        short = data[start + 10] & 0x80
        width, height = struct.unpack_from(">HH" if short else ">II", data, start + 12)
        return height + 1, width + 1

    return _largest(data, _JPEG_XR_START, size)


def _largest(data: bytes, start: bytes, size: Callable[[int], tuple[int, int]]) -> tuple[int, int]:
    """The largest codestream of a file; its boxes and tags may declare a further size, which decides nothing."""
    places = [found.start() for found in re.finditer(re.escape(start), data)]
    if not places:
        raise ValueError("a strip is not compressed as the page says")
    return max(map(size, places), key=math.prod)


def _of_webp(data: bytes) -> tuple[int, int]:
    with Image.open(
        io.BytesIO(data), formats=["WEBP"]
    ) as picture:  # of which no pixel is decoded until it is asked for
        width, height = picture.size
    return height, width


def _of_lerc(data: bytes) -> tuple[int, int]:
    """Of its second format, not compressed once more by another codec."""
    if not data.startswith(b"Lerc2 "):
        raise ValueError("a strip is no LERC")
    (version,) = struct.unpack_from("<i", data, 6)
    height, width = struct.unpack_from("<ii", data, 14 if version > _LERC_WITHOUT_CHECKSUM else 10)
    return height, width


_SIZES: dict[int, Callable[[bytes], tuple[int, int]]] = {
    **dict.fromkeys((7, 33007, 34892), _of_jpeg),
    **dict.fromkeys((33003, 33004, 33005, 34712), _of_jpeg_2000),
    34887: _of_lerc,
    34933: _of_png,
    34934: _of_jpeg_xr,
    50001: _of_webp,
}
