"""A data set's files, in a folder or straight from a zip, by relative name."""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath
from typing import Any

from somanet.core.errors import SomaNetError
from somanet.core.foreign import check_file, check_name, file_bytes, parsing
from somanet.core.limits import ARCHIVE_FILES, ARCHIVE_RATIO, HARMLESS_BYTES, IMAGE_BYTES, Limit
from somanet.core.problems import FileProblem

_DIRECTORY_ENTRY_BYTES = 46
"""Of the fixed part of a file's entry in a zip's directory."""


class Source(ABC):
    """Files by relative name with forward slashes.

    Attributes:
        path: the folder or zip.
        files: names of all files, sorted, without hidden files and macOS leftovers.
        folders: names of all known folders.
    """

    path: Path
    files: tuple[str, ...]
    folders: frozenset[str]

    @abstractmethod
    def read(self, name: str, expected: str = "an image", limit: Limit = IMAGE_BYTES) -> bytes:
        """The bytes of a file.

        Args:
            name: one of ``files``.
            expected: what it should be, for messages.
            limit: the largest size.

        Raises:
            FileProblem: it cannot be read, or the zip is damaged there.
        """

    def label(self, name: str) -> str:
        """The file's name in messages."""
        return f"{self.path}/{name}"


def open_source(path: Path | str) -> Source:
    """Open a folder, or a zip in which no name leads outside.

    Raises:
        SomaNetError: no such path, not a zip, an empty zip, or one that is unsafe to open.
    """
    path = Path(path)
    if path.is_dir():
        return FolderSource(path)
    if not path.exists():
        raise SomaNetError(f"{path}: no such data set. Check the path; `dvc pull` or a download may be missing.")
    return ZipSource(path)


class FolderSource(Source):
    """Files below a folder. Symbolic links are followed: DVC may link data from its cache."""

    def __init__(self, path: Path) -> None:
        self.path = path
        files: list[str] = []
        folders: list[str] = []
        around: dict[str, frozenset[tuple[int, int]]] = {}  # the folders that each folder lies in, through any link
        for folder, subfolders, names in os.walk(path, followlinks=True):
            here = Path(folder).stat()
            above = around.pop(folder, frozenset())
            if (here.st_dev, here.st_ino) in above:
                raise FileProblem(f"{folder}: a link leads back to a folder around it. Remove the link.")
            subfolders[:] = [name for name in subfolders if not _ignored(name)]
            inside = above | {(here.st_dev, here.st_ino)}
            around |= {os.path.join(folder, name): inside for name in subfolders}  # noqa: PTH118 - as os.walk joins
            relative = Path(folder).relative_to(path)
            folders.append(relative.as_posix())
            files += [(relative / name).as_posix() for name in names if not _ignored(name)]
            ARCHIVE_FILES.check(len(files), path)
        for name in files:
            check_name(name)
        self.files, self.folders = tuple(sorted(files)), frozenset(folders)

    def read(self, name: str, expected: str = "an image", limit: Limit = IMAGE_BYTES) -> bytes:
        """The bytes of a file (see :meth:`Source.read`)."""
        return file_bytes(self.path / name, expected, limit)


class ZipSource(Source):
    """Files in a zip, read without extraction. Safe to pass to data-loader workers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: tuple[int, zipfile.ZipFile] | None = None
        size = check_file(path, "a folder or a zip file")
        with parsing(path, "a folder or a zip file", remedy="Was the download cut short? Fetch it again."):
            ARCHIVE_FILES.check(_directory_bytes(path, size) // _DIRECTORY_ENTRY_BYTES, path)
            archive = self._archive()
        self._entries: dict[str, zipfile.ZipInfo] = {}
        folders: set[str] = set()
        for info in archive.infolist():
            name = self._checked(info)
            parts = PurePosixPath(name).parts
            if not parts or any(_ignored(part) for part in parts):
                continue
            folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
            if info.is_dir():
                folders.add(name)
            elif name in self._entries:
                raise SomaNetError(f"{path}: the zip holds '{name}' twice. Which one is right? Pack it again.")
            else:
                self._entries[name] = info
        if not self._entries:
            raise SomaNetError(f"{path}: the zip is empty. Was it packed from the wrong folder?")
        total = sum(info.file_size for info in self._entries.values())
        if total > HARMLESS_BYTES and total > ARCHIVE_RATIO.value * size:
            raise self._unsafe(
                f"it would unpack to {total} bytes, {total // size} times its size", ARCHIVE_RATIO, total // size + 1
            )
        self.files, self.folders = tuple(sorted(self._entries)), frozenset(folders)

    def _checked(self, info: zipfile.ZipInfo) -> str:
        """The entry's normal name, if it is safe."""
        name = info.filename.replace("\\", "/")
        if (
            name.startswith("/")
            or re.match(r"[A-Za-z]:", name)
            or ".." in name.split("/")
            or "\0" in info.orig_filename
        ):
            raise self._unsafe(f"the name '{info.filename}' leads out of it")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise self._unsafe(f"'{info.filename}' is a link or a special file")
        IMAGE_BYTES.check(info.file_size, self.label(info.filename))
        ratio = info.file_size // max(info.compress_size, 1)
        if info.file_size > HARMLESS_BYTES and ratio > ARCHIVE_RATIO.value:
            raise self._unsafe(
                f"'{info.filename}' would unpack from {info.compress_size} to {info.file_size} bytes",
                ARCHIVE_RATIO,
                ratio,
            )
        check_name(name)
        if info.flag_bits & 1:
            raise SomaNetError(f"{self.path}: '{info.filename}' is encrypted. Pack the data without a password.")
        return PurePosixPath(name).as_posix()

    def _unsafe(self, what: str, limit: Limit | None = None, needed: int = 0) -> SomaNetError:
        allow = "" if limit is None else f" If it is sound, allow it: {limit.variable}={needed}"
        return SomaNetError(f"{self.path}: refused as unsafe: {what}. Get the data from a source you trust.{allow}")

    def _archive(self) -> zipfile.ZipFile:
        # A handle shared with a forked worker would also share its file position.
        if self._handle is None or self._handle[0] != os.getpid():
            self._handle = (os.getpid(), zipfile.ZipFile(self.path))
        return self._handle[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None}

    def read(self, name: str, expected: str = "an image", limit: Limit = IMAGE_BYTES) -> bytes:
        """The bytes of a file (see :meth:`Source.read`); zipfile checks their CRC."""
        limit.check(self._entries[name].file_size, self.label(name), declared=f"expected {expected}; it")
        with parsing(self.label(name), "a file in a zip", remedy="The zip is damaged here. Fetch it again."):
            return self._archive().read(self._entries[name])


def _directory_bytes(path: Path, size: int) -> int:
    """The declared size of a zip's directory, which zipfile would read as a whole; 0 if there is no zip.

    The end record (PKWARE's APPNOTE.TXT 4.3.16) has it, or for large archives the zip64 record (4.3.14).
    """
    with path.open("rb") as handle:
        handle.seek(max(0, size - (1 << 16) - 22 - 20))
        tail = handle.read()
        end = tail.rfind(b"PK\5\6")
        if end < 0 or len(tail) < end + 22:
            return 0
        declared = int(struct.unpack_from("<I", tail, end + 12)[0])
        if declared < 0xFFFFFFFF or end < 20 or tail[end - 20 : end - 16] != b"PK\6\7":
            return declared
        handle.seek(min(int(struct.unpack_from("<Q", tail, end - 12)[0]), size))
        record = handle.read(56)
        return int(struct.unpack_from("<Q", record, 40)[0]) if record[:4] == b"PK\6\6" and len(record) == 56 else 0


def _ignored(name: str) -> bool:
    """Whether a file or folder is a leftover of the operating system, not data."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")
