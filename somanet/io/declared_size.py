"""The size that an image declares, checked before memory is taken for its pixels."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import tifffile

from somanet.core.documents import parse_xml
from somanet.core.foreign import parsing
from somanet.core.limits import (
    HARMLESS_BYTES,
    HARMLESS_MOVIE_BYTES,
    IMAGE_PIXELS,
    IMAGE_RATIO,
    MOVIE_RATIO,
    PAGES,
    STORED_RATIO,
    XML_BYTES,
)
from somanet.core.problems import FileProblem
from somanet.io.completeness import PNG_MAGIC
from somanet.io.tiff_files import companions

_FRAME_HEADERS = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_PNG_CHANNELS = {0: 1, 2: 3, 3: 4, 4: 2, 6: 4}  # a palette becomes RGBA at most
_PNG_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_MOST_SAMPLES = 64
_BLOCK_BYTES = 4096
"""What a file takes of most disks; a chunk that is blank is stored in a hundred bytes."""


def check_decoded_size(height: int, width: int, n_bytes: int, *, stored: int, source: str) -> None:
    """Refuse an image that decodes to too many pixels, or to far more bytes than its stored ones can hold.

    Args:
        height, width: declared size in pixels.
        n_bytes: decoded bytes.
        stored: bytes in the file.
        source: the file, for messages.

    Raises:
        FileProblem: of the kind `too large`.
    """
    check_pixels(height, width, source)
    if n_bytes > HARMLESS_BYTES:
        ratio = n_bytes // max(stored, 1)
        IMAGE_RATIO.check(ratio, source, declared=f"an image of {height} × {width}, stored in {stored} bytes,")


def check_movie_size(n_bytes: int, files: Iterable[Path], *, source: Path) -> None:
    """Refuse a movie whose decoded and stored sizes do not fit together.

    Pages that share one strip decode to far more than is stored; a file with a gap of gigabytes holds far more than its
    movie, and all of it would be hashed. Chunks that a zarr folder lacks are decoded as its fill value, and count as
    nothing stored.

    Args:
        n_bytes: decoded bytes of all frames.
        files: the movie's files or folder.
        source: the movie, for messages.

    Raises:
        FileProblem: of the kind `too large`.
    """
    files = list(files)
    size = sum(file.stat().st_size for file in files if file.is_file())
    if size > HARMLESS_MOVIE_BYTES:
        STORED_RATIO.check(
            size // max(n_bytes, 1), source, declared=f"a movie of {n_bytes} bytes, in files of {size / 1e9:.1f} GB,"
        )
    if n_bytes > HARMLESS_MOVIE_BYTES:
        stored = sum(map(_stored_bytes, files))
        declared = f"a movie of {n_bytes / 1e9:.1f} GB, stored in {stored} bytes,"
        MOVIE_RATIO.check(n_bytes // max(stored, 1), source, declared=declared)


def _stored_bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(max(file.stat().st_size, _BLOCK_BYTES) for file in path.rglob("*") if file.is_file())


def check_pixels(height: int, width: int, source: Path | str) -> None:
    """Refuse an image, or a movie's frame, of no pixels or of too many.

    Raises:
        FileProblem: of the kind `wrong shape` or `too large`.
    """
    if height < 1 or width < 1:
        raise FileProblem(
            f"{source}: the file declares {height} × {width} pixels. Is it damaged? Fetch it again.", "wrong shape"
        )
    IMAGE_PIXELS.check(height * width, source, declared=f"an image of {height} × {width}")


def png_size(data: bytes) -> tuple[int, int, int]:
    """Height, width and decoded bytes that a PNG declares.

    Raises:
        ValueError: its first chunk is not a header, or an impossible one.
    """
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise ValueError("it does not begin with its header, IHDR")
    width, height, bits, colour, compression, filters, interlace = struct.unpack_from(">IIBBBBB", data, 16)
    if compression or filters or interlace > 1 or colour not in _PNG_CHANNELS or bits not in (1, 2, 4, 8, 16):
        raise ValueError("its header (IHDR) has a value that PNG does not define")
    return height, width, height * width * _PNG_CHANNELS.get(colour, 4) * max(bits // 8, 1)


def png_pixels(data: bytes) -> bytes:
    """A PNG's chunks that decide its pixels, without texts, profiles and the like.

    libpng unpacks those, and writes its warnings about them to the terminal.
    """
    kept, position = [data[: len(PNG_MAGIC)]], len(PNG_MAGIC)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind in _PNG_PIXEL_CHUNKS:
            kept.append(data[position : position + 12 + length])
        position += 12 + length
    return b"".join(kept)


def jpeg_size(data: bytes) -> tuple[int, int, int]:
    """Height, width and decoded bytes that a JPEG's frame header declares.

    Raises:
        ValueError: there is no frame header.
    """
    position = 2
    while position + 9 < len(data):
        if data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker in _FRAME_HEADERS:
            _bits, height, width, channels = struct.unpack_from(">BHHB", data, position + 4)
            return height, width, height * width * channels
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without content
            position += 2
        else:
            position += 2 + int(struct.unpack_from(">H", data, position + 2)[0])
    raise ValueError("it has no frame header")


def open_tiff(file: BinaryIO | Path, source: str) -> tifffile.TiffFile:
    """Open a TIFF whose pages and metadata declare a possible size; its list of series may then be built.

    tifffile makes a list of all planes that metadata declare, whatever the file holds, and opens the files they name.

    Raises:
        FileProblem: of the kind `too large`; or see :func:`somanet.io.tiff_files.companions`.
    """
    tiff = tifffile.TiffFile(file)
    try:
        _check_pages(tiff, source)
        if isinstance(file, Path):  # from memory, tifffile opens no others
            for other in companions(tiff, source):
                with parsing(other, "a further file of the movie"), tifffile.TiffFile(other) as further:
                    _check_pages(further, str(other))
    except BaseException:
        tiff.close()
        raise
    return tiff


def _check_pages(tiff: tifffile.TiffFile, source: str) -> None:
    first = tiff.pages.first
    stored = sum(first.databytecounts)
    PAGES.check(first.imagedepth, source, declared="its first page")
    if first.samplesperpixel > _MOST_SAMPLES:
        raise FileProblem(
            f"{source}: expected up to {_MOST_SAMPLES} values per pixel, found {first.samplesperpixel}. Is it damaged?",
            "wrong shape",
        )
    check_decoded_size(first.imagelength, first.imagewidth, first.nbytes, stored=stored, source=source)
    PAGES.check(len(tiff.pages), source)
    PAGES.check(
        _declared_planes(tiff, source), source, declared="its metadata declare more planes than it can hold: it"
    )


def _declared_planes(tiff: tifffile.TiffFile, source: str) -> int:
    """The largest number of planes that a description declares."""
    if tiff.ome_metadata:
        XML_BYTES.check(len(tiff.ome_metadata), source, declared="its OME-XML")
        root = parse_xml(tiff.ome_metadata, source, "OME-XML")
        sizes = [math.prod(_whole(pixels.get(f"Size{axis}", "1")) for axis in "TCZ") for pixels in root.iter("Pixels")]
        return sum(sizes)
    planes = [1]
    if tiff.is_imagej and tiff.imagej_metadata is not None:
        header = tiff.imagej_metadata
        planes += [_whole(header.get(name, 1)) for name in ("images", "frames", "slices", "channels")]
    for shaped in tiff.shaped_metadata or () if tiff.is_shaped else ():
        planes.append(math.prod(map(_whole, shaped.get("shape", ())[:-2])))
    return max(planes)


def _whole(value: object) -> int:
    return int(str(value))
