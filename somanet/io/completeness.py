"""Is the file complete? Decoders tolerate a missing tail (grey rows, fewer pages); a measurement must not."""

from __future__ import annotations

import struct
from typing import BinaryIO

from somanet.core.limits import PAGES, TIFF_TAGS

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"
TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_TAG_OFFSETS, _TAG_COUNTS = (273, 324), (279, 325)  # strips, tiles
_TAG_TYPES = {3: "H", 4: "I", 16: "Q"}
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_PAST_THE_END = (1 << 62,)  # a list of values that lies past the end counts as pixels past the end
_FIRST_PRIVATE_TAG = 32768  # microscopes' private tags are ignored: some hold invalid offsets


def png_cut(data: bytes) -> str | None:
    """Where a PNG breaks off, or None if its chunks run to IEND (libpng accepts files without it)."""
    position, size = len(PNG_MAGIC), len(data)
    while position + 8 <= size:
        length, kind = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        if position > size:
            break
        if kind == b"IEND":
            return None
    return f"it ends at byte {size} before its closing IEND chunk"


def jpeg_cut(data: bytes) -> str | None:
    """Where a JPEG breaks off, or None if an end marker follows the last scan."""
    # libjpeg fills what is missing with grey. 0xFF is always escaped in scan data, so FF D9 after the last
    # scan header can only be the end marker.
    scan = data.rfind(b"\xff\xda")
    if scan >= 0 and data.find(b"\xff\xd9", scan) >= 0:
        return None
    return f"it ends at byte {len(data)} before its end-of-image marker"


def tiff_cut(handle: BinaryIO, size: int, source: str = "the TIFF") -> str | None:
    """Where a TIFF breaks off, or None if every page's directory and pixels lie within ``size`` bytes.

    tifffile only logs a broken chain of pages and carries on with the pages it found. A series that ImageJ
    stores behind one directory needs its own check: the later frames have no directory.

    Raises:
        FileProblem: too many pages, or tags of a page.
    """
    handle.seek(0)
    head = handle.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = len(head) >= 4 and struct.unpack(order + "H", head[2:4])[0] == 43
    word, count_format, entry_bytes = ("Q", "Q", 20) if big else ("I", "H", 12)
    word_bytes, count_bytes = struct.calcsize(word), struct.calcsize(count_format)
    if len(head) < (16 if big else 8):
        return f"it ends at byte {size}, within its header"
    offset = struct.unpack_from(order + word, head, 8 if big else 4)[0]
    seen: set[int] = set()
    while offset:
        page = len(seen)
        if offset in seen:
            return f"the directory of page {page} points back to an earlier page"
        seen.add(offset)
        PAGES.check(len(seen), source)
        if offset + count_bytes > size:
            return f"page {page} should start at byte {offset} but the file ends at byte {size}"
        handle.seek(offset)
        raw = handle.read(count_bytes)
        n_entries = struct.unpack(order + count_format, raw)[0] if len(raw) == count_bytes else 0
        TIFF_TAGS.check(n_entries, source, declared=f"page {page}")
        table = handle.read(n_entries * entry_bytes + word_bytes)
        if not n_entries or len(table) < n_entries * entry_bytes + word_bytes:
            return f"page {page} should start at byte {offset} but the file ends at byte {size}"
        end = _page_end(handle, table, n_entries, order, big, size)
        if end > size:
            return f"page {page} should end at byte {end} but the file ends at byte {size}"
        offset = struct.unpack_from(order + word, table, n_entries * entry_bytes)[0]
    return None if seen else "it has no pages: the writer was stopped before it finished"


def _page_end(handle: BinaryIO, table: bytes, n_entries: int, order: str, big: bool, size: int) -> int:
    """The byte after the last strip, tile or tag value (OME-XML is one) of a page, outside its directory."""
    word = "Q" if big else "I"
    end = 0
    starts: tuple[int, ...] = ()
    lengths: tuple[int, ...] = ()
    for entry in range(n_entries):
        position = entry * (20 if big else 12)
        tag, kind, count = struct.unpack_from(order + "HH" + word, table, position)
        n_bytes = count * _TYPE_BYTES.get(kind, 0)
        if tag < _FIRST_PRIVATE_TAG and n_bytes > struct.calcsize(word):
            field = position + 4 + struct.calcsize(word)
            end = max(end, struct.unpack_from(order + word, table, field)[0] + n_bytes)
        if tag in _TAG_OFFSETS and kind in _TAG_TYPES:
            starts = _values(handle, table, position, order, big, kind, size)
        elif tag in _TAG_COUNTS and kind in _TAG_TYPES:
            lengths = _values(handle, table, position, order, big, kind, size)
    return max([end, *(start + length for start, length in zip(starts, lengths, strict=False))])


def _values(
    handle: BinaryIO, table: bytes, position: int, order: str, big: bool, kind: int, size: int
) -> tuple[int, ...]:
    """The values of one integer tag, stored in the entry itself when they fit."""
    word = "Q" if big else "I"
    count = struct.unpack_from(order + word, table, position + 4)[0]
    field = position + 4 + struct.calcsize(word)
    if count * _TYPE_BYTES[kind] > size:
        return _PAST_THE_END
    layout = struct.Struct(f"{order}{count}{_TAG_TYPES[kind]}")
    if layout.size <= struct.calcsize(word):
        return layout.unpack_from(table, field)
    start = struct.unpack_from(order + word, table, field)[0]
    if start + layout.size > size:
        return _PAST_THE_END
    handle.seek(start)
    return layout.unpack(handle.read(layout.size))
