"""A data set's files, in a folder or straight from a zip, by relative name."""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath
from typing import Any

from somanet.core.errors import SomaNetError
from somanet.io.problems import FileProblem

MAX_RATIO = 200
MAX_ENTRY_BYTES = 4 << 30
_SMALL = 64 << 20
"""Below this size a high ratio is harmless (a zipped empty label image reaches 1000); above it, it is a zip bomb."""


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
    def read(self, name: str) -> bytes:
        """The bytes of a file.

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
        files, folders = [], []
        for folder, subfolders, names in os.walk(path, followlinks=True):
            subfolders[:] = [name for name in subfolders if not _ignored(name)]
            relative = Path(folder).relative_to(path)
            folders.append(relative.as_posix())
            files += [(relative / name).as_posix() for name in names if not _ignored(name)]
        self.files, self.folders = tuple(sorted(files)), frozenset(folders)

    def read(self, name: str) -> bytes:
        """The bytes of a file (see :meth:`Source.read`)."""
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise FileProblem(f"{self.label(name)}: cannot be read ({error.strerror or error}).") from error


class ZipSource(Source):
    """Files in a zip, read without extraction. Safe to pass to data-loader workers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: tuple[int, zipfile.ZipFile] | None = None
        try:
            archive = self._archive()
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise SomaNetError(
                f"{path}: expected a folder or a zip file, found neither ({error}). Was the download cut "
                "short? "
                "Fetch it again."
            ) from error
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
        if total > _SMALL and total > MAX_RATIO * path.stat().st_size:
            raise self._unsafe(f"it would unpack to {total} bytes, {total // path.stat().st_size} times its size")
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
        if info.file_size > MAX_ENTRY_BYTES or (
            info.file_size > _SMALL and info.file_size > MAX_RATIO * max(info.compress_size, 1)
        ):
            raise self._unsafe(f"'{info.filename}' would unpack from {info.compress_size} to {info.file_size} bytes")
        if info.flag_bits & 1:
            raise SomaNetError(f"{self.path}: '{info.filename}' is encrypted. Pack the data without a password.")
        return PurePosixPath(name).as_posix()

    def _unsafe(self, what: str) -> SomaNetError:
        return SomaNetError(f"{self.path}: refused as unsafe: {what}. Get the data from a source you trust.")

    def _archive(self) -> zipfile.ZipFile:
        # A handle shared with a forked worker would also share its file position.
        if self._handle is None or self._handle[0] != os.getpid():
            self._handle = (os.getpid(), zipfile.ZipFile(self.path))
        return self._handle[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None}

    def read(self, name: str) -> bytes:
        """The bytes of a file (see :meth:`Source.read`); zipfile checks their CRC."""
        try:
            return self._archive().read(self._entries[name])
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise FileProblem(f"{self.label(name)}: the zip is damaged here ({error}). Fetch it again.") from error


def _ignored(name: str) -> bool:
    """Whether a file or folder is a leftover of the operating system, not data."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")
