"""NumPy arrays in an archive: their declared size is checked before memory or disk is taken, and no object is made."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from somanet.core.problems import FileProblem
from somanet.io.tar_members import Member

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000
"""As NumPy itself allows: Python reads a header as source text."""
_COPIED_BYTES = 1 << 20


@dataclass(frozen=True)
class Header:
    """What an array declares of itself.

    Attributes:
        shape: its axes.
        fortran: whether the first axis varies fastest.
        dtype: of its numbers.
        offset: bytes before the numbers.
    """

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    offset: int

    @property
    def n_bytes(self) -> int:
        """Bytes of its numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(member: Member, path: Path) -> Header:
    """The header of an array that is a member of an archive.

    Raises:
        FileProblem: no array of numbers, Python objects among it, or a size other than its member has.
    """
    where = f"{path}, {member.name}"
    start = member.read(8)
    if start[:6] != _MAGIC:
        raise FileProblem(f"{where}: expected a NumPy array, found other bytes. Was it pickled? Save it with np.save.")
    version = start[6], start[7]
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise FileProblem(f"{where}: expected a NumPy array of version 1 to 3, found {version[0]}.{version[1]}.")
    layout = struct.Struct("<H" if version == (1, 0) else "<I")
    length_bytes = member.read(layout.size)
    (length,) = layout.unpack(length_bytes)
    if length > _LONGEST_HEADER:
        raise FileProblem(f"{where}: the header of the array has {length} bytes. Is it damaged?", "too large")
    text = io.BytesIO(length_bytes + member.read(length))
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = read(text, max_header_size=_LONGEST_HEADER)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise FileProblem(f"{where}: expected a NumPy array, found a header that is none. Is it damaged?") from error
    if dtype.kind not in "biuf" or dtype.hasobject:
        what = "Python objects (pickles), which are never loaded" if dtype.hasobject else f"values of type {dtype}"
        raise FileProblem(f"{where}: expected an array of numbers, found {what}. Save it as an array of integers.")
    header = Header(tuple(int(n) for n in shape), bool(fortran), dtype, 8 + layout.size + length)
    if min(header.shape, default=1) < 0 or header.n_bytes != member.size - header.offset:
        raise FileProblem(
            f"{where}: an array of {_times(header.shape)} {dtype} has {header.n_bytes} bytes, its file in the archive "
            f"{member.size - header.offset}. Is it cut or damaged?"
        )
    return header


def copy_numbers(member: Member, header: Header, target: Path) -> NDArray[np.generic]:
    """The numbers of an array whose header was read, in a file on the disk: what is looked at is in memory."""
    with target.open("wb") as file:
        while part := member.read(_COPIED_BYTES):
            file.write(part)
    if not header.n_bytes:
        return np.zeros(header.shape, header.dtype)
    order = "F" if header.fortran else "C"
    return np.memmap(target, dtype=header.dtype, mode="r", shape=header.shape, order=order)  # type: ignore[call-overload, no-any-return]


def npy_bytes(frames: Iterable[np.ndarray], shape: tuple[int, ...], dtype: np.dtype) -> tuple[int, Iterator[bytes]]:
    """The size of an array as a `.npy` file, and its bytes, one frame of the first axis at a time."""
    start = io.BytesIO()
    np.lib.format.write_array_header_1_0(start, {"descr": dtype.str, "fortran_order": False, "shape": shape})
    header = start.getvalue()

    def parts() -> Iterator[bytes]:
        yield header
        for frame in frames:
            yield np.ascontiguousarray(frame.reshape(shape[1:]), dtype).tobytes()

    return len(header) + math.prod(shape) * dtype.itemsize, parts()


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
