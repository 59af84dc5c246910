"""Changes to the headers of TIFF, PNG and JPEG, with valid checksums."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.robustness.mutators.base import INTEGERS, NUMBERS, WORDS, Unfit

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
DESCRIPTION = 270


@dataclass(frozen=True)
class _Entry:
    """Where an entry of a TIFF directory lies, and what it says."""

    at: int
    tag: int
    type: int
    count: int


@dataclass
class _Tiff:
    """A TIFF as bytes, with its directories."""

    data: bytearray
    order: str
    big: bool
    entries: list[_Entry]
    nexts: list[int]

    @property
    def word(self) -> int:
        """Bytes of an offset."""
        return 8 if self.big else 4

    def put(self, at: int, size: int, value: int) -> None:
        self.data[at : at + size] = (value & ((1 << 8 * size) - 1)).to_bytes(
            size, "little" if self.order == "<" else "big"
        )

    def get(self, at: int, size: int) -> int:
        return int.from_bytes(self.data[at : at + size], "little" if self.order == "<" else "big")

    def value_at(self, entry: _Entry) -> int:
        """Position of an entry's value or of the offset to it."""
        return entry.at + (12 if self.big else 8)


def _tiff(path: Path) -> _Tiff:
    data = bytearray(path.read_bytes())
    if data[:2] not in (b"II", b"MM") or len(data) < 16:
        raise Unfit
    order = "<" if data[:2] == b"II" else ">"
    tiff = _Tiff(data, order, False, [], [])
    tiff.big = tiff.get(2, 2) == 43
    start = 8 if tiff.big else 4
    at, seen = tiff.get(start, tiff.word), set()
    tiff.nexts.append(start)
    count_size, entry_size = (8, 20) if tiff.big else (2, 12)
    while 0 < at < len(data) - count_size and at not in seen and len(seen) < 20:
        seen.add(at)
        count = tiff.get(at, count_size)
        if count > 1000:
            break
        for n in range(count):
            here = at + count_size + n * entry_size
            if here + entry_size <= len(data):
                tiff.entries.append(
                    _Entry(here, tiff.get(here, 2), tiff.get(here + 2, 2), tiff.get(here + 4, tiff.word))
                )
        after = at + count_size + count * entry_size
        tiff.nexts.append(after)
        at = tiff.get(after, tiff.word)
    if not tiff.entries:
        raise Unfit
    return tiff


def tiff_tag(path: Path, rng: Random) -> None:
    """The value of a tag: sizes, offsets, bits, compression …"""
    tiff = _tiff(path)
    for _ in range(rng.choice((1, 1, 1, 2))):
        entry = rng.choice(tiff.entries)
        size = SIZES.get(entry.type, 4)
        at = tiff.value_at(entry)
        if size * entry.count > tiff.word:
            inside = tiff.get(at, tiff.word)
            at = inside + size * rng.randrange(max(1, min(entry.count, 100))) if inside < len(tiff.data) else at
        choices = (
            *INTEGERS,
            3,
            4,
            5,
            7,
            8,
            16,
            32,
            64,
            16384,
            32773,
            34712,
            50001,
            len(tiff.data),
            tiff.get(at, size) + 1,
        )
        tiff.put(at, size, rng.choice(choices))
    path.write_bytes(tiff.data)


def tiff_entry(path: Path, rng: Random) -> None:
    """A tag's number, type or count, or the tag is gone."""
    tiff = _tiff(path)
    entry = rng.choice(tiff.entries)
    how = rng.randrange(4)
    if how == 0:
        tiff.put(
            entry.at, 2, rng.choice((0, 65535, 256, 257, 258, 259, 262, 270, 273, 277, 278, 279, 284, 322, 330, 34665))
        )
    elif how == 1:
        tiff.put(entry.at + 2, 2, rng.choice((0, 1, 2, 3, 4, 5, 7, 12, 13, 16, 255, 65535)))
    elif how == 2:
        tiff.put(entry.at + 4, tiff.word, rng.choice((*INTEGERS, entry.count + 1)))
    else:
        size = 20 if tiff.big else 12
        tiff.data[entry.at : entry.at + size] = bytes(size)
    path.write_bytes(tiff.data)


def tiff_offset(path: Path, rng: Random) -> None:
    """The chain of directories: a loop, outside of the file, cut, or a huge number of tags."""
    tiff = _tiff(path)
    at = rng.choice(tiff.nexts)
    if rng.random() < 0.25:
        tiff.put(
            tiff.get(tiff.nexts[0], tiff.word), 8 if tiff.big else 2, rng.choice((0, 1, 1000, 65535, 2**40, 2**63))
        )
    else:
        tiff.put(at, tiff.word, rng.choice((0, 1, 4, 8, len(tiff.data) - 1, len(tiff.data), 2**31, 2**32 - 2, 2**62,
                                            tiff.get(tiff.nexts[0], tiff.word))))  # fmt: skip
    path.write_bytes(tiff.data)


def tiff_text(path: Path, rng: Random) -> None:
    """Another description: of OME with other sizes, of ImageJ with other numbers; none; not text."""
    tiff = _tiff(path)
    entry = next((entry for entry in tiff.entries if entry.tag == DESCRIPTION), None)
    if entry is None or entry.count <= tiff.word:
        raise Unfit
    start = tiff.get(tiff.value_at(entry), tiff.word)
    text = bytes(tiff.data[start : start + entry.count]).rstrip(b"\x00")
    how = rng.randrange(6)
    if how < 3 and (found := list(re.finditer(rb'(?<==")[^"]*(?=")|(?<==)[^\n"]+', text))):
        one = rng.choice(found)
        value = rng.choice((*NUMBERS, *WORDS, *map(str, INTEGERS), "999999999"))
        text = text[: one.start()] + value.encode("utf-8", "surrogatepass") + text[one.end() :]
    elif how == 3:
        text = re.sub(
            rb'(Size[TZCXY])="\d+"',
            rb'\1="%d"' % rng.choice((0, 1, 7, 65536, 999999999)),
            text,
            count=rng.choice((1, 9)),
        )
        text = re.sub(
            rb"(images|frames|slices|channels)=\d+",
            rb"\1=%d" % rng.choice((0, 1, 7, 999999999)),
            text,
            count=rng.choice((1, 9)),
        )
    elif how == 4:
        position = rng.randrange(len(text))
        text = (
            text[:position]
            + rng.choice((b"", b"\xff\xfe", b"<", b"&x;", b"\x01"))
            + text[position + rng.choice((0, 1, 20)) :]
        )
    else:
        text = rng.choice((b"", b"{}", b'{"shape": [1000000, 1000000, 1000]}', b'{"shape": "x"}', b"<OME>", b"ImageJ=",
        b"ImageJ=1.11a\nimages=5\n" * 2,
                           b"x" * 10**6, b"<OME xmlns='x'>" + b"<a>" * 10**5))  # fmt: skip
    tiff.put(tiff.value_at(entry), tiff.word, len(tiff.data))
    tiff.put(entry.at + 4, tiff.word, len(text) + 1)
    path.write_bytes(tiff.data + text + b"\x00")


def tiff_bomb(path: Path, rng: Random) -> None:
    """A small file that declares a large image, without strips or with an all-zero one."""
    side, planes = rng.choice(((16384, 1), (40000, 1), (200000, 1), (65535, 1), (4096, 100), (2**31 - 1, 1)))
    strip = zlib.compress(bytes(1 << 20)) if rng.random() < 0.5 else b""
    compression = 8 if strip else 1
    data = bytearray(b"II*\x00" + struct.pack("<I", 8))
    for plane in range(planes):
        tags = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 16), (259, 3, 1, compression), (262, 3, 1, 1),
                (273, 4, 1, 0), (277, 3, 1, 1), (278, 4, 1, side), (279, 4, 1, len(strip))]  # fmt: skip
        after = len(data) + 2 + 12 * len(tags) + 4
        tags[5] = (273, 4, 1, after)
        data += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        data += struct.pack("<I", after + len(strip) if plane < planes - 1 else 0) + strip
    path.write_bytes(data)


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    if not data.startswith(b"\x89PNG"):
        raise Unfit
    found, at = [], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    if not found or len(found[0][1]) < 13:  # cut by a mutator before
        raise Unfit
    return found


def _write_chunks(path: Path, chunks: list[tuple[bytes, bytes]]) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    ))  # fmt: skip


def png_header(path: Path, rng: Random) -> None:
    """Width, height, bit depth, colour type … other than the pixels."""
    chunks = _chunks(path.read_bytes())
    header = list(struct.unpack(">IIBBBBB", chunks[0][1][:13]))
    n = rng.randrange(7)
    header[n] = (
        rng.choice((0, 1, 65535, 2**31 - 1, 2**32 - 1, 100_000))
        if n < 2
        else rng.choice((0, 1, 2, 3, 4, 6, 7, 8, 16, 255))
    )
    if rng.random() < 0.3:
        header[0] = header[1] = rng.choice((16384, 40000, 65536, 2**31 - 1))
    _write_chunks(path, [(b"IHDR", struct.pack(">IIBBBBB", *header)), *chunks[1:]])


def png_chunk(path: Path, rng: Random) -> None:
    """A chunk is gone, doubled, moved, or new: text, profile, palette, transparency; a compressed bomb."""
    chunks = _chunks(path.read_bytes())
    n = rng.randrange(len(chunks))
    how = rng.randrange(4)
    if how == 0:
        del chunks[n]
    elif how == 1:
        chunks.insert(n, rng.choice(chunks))
    elif how == 2:
        bomb = zlib.compress(bytes(10**8))
        new = rng.choice(((b"zTXt", b"a\x00\x00" + bomb), (b"iCCP", b"a\x00\x00" + bomb), (b"tEXt", b"\x00" * 1000),
        (b"PLTE", b"abc"),
                          (b"tRNS", b"\x00" * 7), (b"ABCD", b""), (b"acTL", bytes(8)), (b"iTXt",
                          b"x\x00\x01\x00\x00\x00" + bomb)))  # fmt: skip
        chunks.insert(1, new)
    else:
        name, _ = chunks[n]
        chunks[n] = (name, zlib.compress(bytes(rng.choice((0, 10, 3 * 10**8)))))
    _write_chunks(path, chunks)


def jpeg_size(path: Path, rng: Random) -> None:
    """Height, width, precision or number of components in the frame header."""
    data = bytearray(path.read_bytes())
    at = next((at for mark in (b"\xff\xc0", b"\xff\xc2") if (at := data.find(mark)) >= 0), -1)
    if at < 0 or not data.startswith(b"\xff\xd8"):
        raise Unfit
    place, size = rng.choice(((5, 2), (7, 2), (4, 1), (9, 1), (2, 2), (11, 1)))
    data[at + place : at + place + size] = (rng.choice((0, 1, 4, 255, 65535, 65500)) & (256**size - 1)).to_bytes(
        size, "big"
    )
    path.write_bytes(data)
