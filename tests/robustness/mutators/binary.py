"""Changes to bytes of any file."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from tests.robustness.mutators.base import INTEGERS, Unfit

SPARSE_BYTES = 3 << 30
"""More than may be held in memory; yet a movie of that size is hashed in some seconds."""
STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\x00", b"MM\x00+", b"II+\x00", b"PK\x03\x04", b"<?xml", b"{",
          b"%YAML",
          b"\x00\x00\x00\x18ftypmp42", b"GIF89a", b"RIFF", b"\x1f\x8b\x08", b"SQLite format 3\x00", b"\x80\x04", b"BM",
          b"version https://git-lfs", b"\x93NUMPY\x01\x00", b"#!/bin/sh\n")  # fmt: skip


def _read(path: Path) -> bytearray:
    data = bytearray(path.read_bytes())
    if not data:
        raise Unfit
    return data


def _place(data: bytearray, rng: Random) -> int:
    """A position, more often near the beginning or the end, where headers and directories are."""
    near = min(len(data), 512)
    return rng.choice((rng.randrange(len(data)), rng.randrange(near), len(data) - 1 - rng.randrange(near)))


def flip_bits(path: Path, rng: Random) -> None:
    data = _read(path)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def cut(path: Path, rng: Random) -> None:
    data = _read(path)
    path.write_bytes(data[: _place(data, rng)])


def zeros(path: Path, rng: Random) -> None:
    data = _read(path)
    start, length = _place(data, rng), rng.choice((1, 4, 16, 512, 4096))
    data[start : start + length] = bytes(len(data[start : start + length]))
    path.write_bytes(data)


def noise(path: Path, rng: Random) -> None:
    data = _read(path)
    start, length = _place(data, rng), rng.choice((1, 4, 16, 512))
    data[start : start + length] = rng.randbytes(rng.choice((length, 0, 2 * length)))
    path.write_bytes(data)


def repeat_block(path: Path, rng: Random) -> None:
    data = _read(path)
    start, length = _place(data, rng), rng.choice((1, 16, 256, 4096))
    path.write_bytes(data[:start] + data[start : start + length] * rng.choice((2, 3, 50)) + data[start + length :])


def empty(path: Path, rng: Random) -> None:
    path.write_bytes(rng.choice((b"", b"", b"\n", b" ", b"\x00", bytes(4096))))


def append(path: Path, rng: Random) -> None:
    path.write_bytes(_read(path) + rng.choice((rng.randbytes(100), bytes(10_000), bytes(_read(path)))))


def extreme_number(path: Path, rng: Random) -> None:
    """A number of 1 to 8 bytes becomes the smallest, the largest or another that readers trip over."""
    data = _read(path)
    size = rng.choice((1, 2, 4, 8))
    value = rng.choice(INTEGERS) & ((1 << 8 * size) - 1)
    start = _place(data, rng)
    if rng.random() < 0.5:
        start -= start % size
    data[start : start + size] = value.to_bytes(size, rng.choice(("little", "big")))
    path.write_bytes(data)


def sparse(path: Path, rng: Random) -> None:
    """Gigabytes of zeros behind the file, which take no room on the disk."""
    os.truncate(path, SPARSE_BYTES)


def other_kind(path: Path, rng: Random) -> None:
    """The beginning of another kind of file."""
    data = _read(path)
    start = rng.choice(STARTS)
    path.write_bytes(start + bytes(data[len(start) :] if rng.random() < 0.5 else data[:16]))
