"""The members of a tar archive, one after the other: nothing is unpacked to a place that the archive names.

Python's `tarfile` reads headers of any declared length into memory, and follows links. Here the archive is a stream of
members with a name and a size, of which the reader takes what it wants.
"""

from __future__ import annotations

import gzip
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from somanet.core.foreign import check_file, parsing
from somanet.core.limits import ARCHIVE_FILES
from somanet.core.problems import FileProblem

GZIP = b"\x1f\x8b"
_BLOCK = tarfile.BLOCKSIZE
_MAGIC = slice(257, 262), b"ustar"
_LONGEST_HEADER = 1 << 16
"""Bytes of a header that only gives a member a longer name or a finer time."""
_LONGEST_END = 1 << 20
"""Bytes behind the end of an archive, which only fill it up to a whole record."""
_RECORD = re.compile(rb"\d+ (path|size)=([^\n]*)\n")


@dataclass
class Member:
    """One file of an archive.

    Attributes:
        name: as in the archive, without a leading `./`.
        size: bytes.
        stream: of which at most :meth:`read` all bytes may be read.
    """

    name: str
    size: int
    stream: IO[bytes]
    _left: int = -1

    def __post_init__(self) -> None:
        self._left = self.size

    def read(self, n_bytes: int) -> bytes:
        """The next bytes, fewer at the member's end.

        Raises:
            EOFError: the archive ends before.
        """
        wanted = min(n_bytes, self._left)
        data = _exactly(self.stream, wanted)
        self._left -= wanted
        return data

    def skip(self) -> None:
        """Pass over what is left, in pieces."""
        while self._left:
            self.read(1 << 20)


def is_tar(head: bytes) -> bool:
    """Whether a file's first bytes are those of a tar archive; a compressed one is not known by them."""
    where, magic = _MAGIC
    return head[where] == magic


@contextmanager
def tar_members(path: Path, expected: str) -> Iterator[Iterator[Member]]:
    """The files of a tar archive, compressed with gzip or not, in their order.

    Args:
        path: the archive.
        expected: what it should be, for messages.

    Raises:
        FileProblem: no tar archive, a damaged one, one that names places outside of itself, or has links or devices.
    """
    check_file(path, expected)
    with parsing(path, expected), path.open("rb") as file:
        packed = file.read(2) == GZIP
        file.seek(0)
        if not packed:
            yield _members(file, path, expected)
            return
        with gzip.GzipFile(fileobj=file) as stream:
            yield _to_the_end(stream, path, expected)  # type: ignore[arg-type]


def _to_the_end(stream: IO[bytes], path: Path, expected: str) -> Iterator[Member]:
    """The members, and then the rest of the stream: only at its end gzip knows whether a byte was damaged."""
    yield from _members(stream, path, expected)
    left = 0
    while part := stream.read(1 << 16):
        left += len(part)
        if left > _LONGEST_END:
            raise FileProblem(f"{path}: expected {expected}, found more than {_LONGEST_END} bytes behind its end.")


def _members(stream: IO[bytes], path: Path, expected: str) -> Iterator[Member]:
    found, longer_name, larger = 0, "", -1
    while True:
        block = _exactly(stream, _BLOCK)
        if not block.strip(b"\0"):
            return
        if not is_tar(block):
            raise FileProblem(
                f"{path}: expected {expected}, found no tar archive. Is it damaged, or another file? A packed table is "
                "read when it is unpacked (`gunzip`)."
            )
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        padding = -info.size % _BLOCK
        if info.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
            if info.size > _LONGEST_HEADER:
                raise FileProblem(
                    f"{path}: expected {expected}, found a header of {info.size} bytes. Is it damaged?", "too large"
                )
            text = _exactly(stream, info.size)
            _exactly(stream, padding)
            if info.type == tarfile.GNUTYPE_LONGNAME:
                longer_name = text.rstrip(b"\0").decode("utf-8", "replace")
            elif info.type == tarfile.XHDTYPE:
                records = {key: value.decode("utf-8", "replace") for key, value in _RECORD.findall(text)}
                longer_name, larger = records.get(b"path", longer_name), int(records.get(b"size", larger))
            continue
        name, size = longer_name or info.name, info.size if larger < 0 else larger
        longer_name, larger, padding = "", -1, -size % _BLOCK
        found += 1
        ARCHIVE_FILES.check(found, path)
        _check_place(name, path, expected)
        if info.isdir():
            continue
        if not info.isreg():
            raise FileProblem(
                f"{path}: expected {expected}, found a link or a device in it, {name[:80]!r}. Nothing was unpacked; "
                "write the archive anew, with plain files."
            )
        member = Member(str(PurePosixPath(name)), size, stream)
        yield member
        member.skip()
        _exactly(stream, padding)


def _check_place(name: str, path: Path, expected: str) -> None:
    place = PurePosixPath(name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or re.match("[A-Za-z]:", name):
        raise FileProblem(
            f"{path}: expected {expected}, found a member that would lie outside of it, {name[:80]!r}. Nothing was "
            "unpacked. Is it from a source that you trust? Write it anew."
        )


def _exactly(stream: IO[bytes], n_bytes: int) -> bytes:
    parts, left = [], n_bytes
    while left:
        part = stream.read(min(left, 1 << 20))
        if not part:
            raise EOFError("the archive ends in the middle of a file")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
