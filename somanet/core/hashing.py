"""SHA-256 of files and folders."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from somanet.core.foreign import check_kind


def sha256_file(path: Path | str) -> str:
    """SHA-256 of a file's bytes, read in blocks.

    Raises:
        FileProblem: a device or a pipe, on which reading would not end.
        OSError: it cannot be read.
    """
    check_kind(path, "a file")
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_tree(path: Path | str) -> str:
    """SHA-256 of a file, or of a folder's relative names and contents in name order (hidden files left out)."""
    path = Path(path)
    if path.is_file():
        return sha256_file(path)
    files = [p for p in path.rglob("*") if p.is_file() and not is_hidden(p.relative_to(path))]
    return sha256_files({file.relative_to(path).as_posix(): file for file in files})


def sha256_files(files: Mapping[str, Path]) -> str:
    """SHA-256 of several files by name, in name order."""
    return sha256_together({name: sha256_file(file) for name, file in files.items()})


def sha256_together(hashes: Mapping[str, str]) -> str:
    """That of files whose own SHA-256 is known, by name (:func:`sha256_files`)."""
    digest = hashlib.sha256()
    for name, own in sorted(hashes.items()):
        digest.update(name.encode() + b"\0" + own.encode() + b"\n")
    return digest.hexdigest()


def is_hidden(path: Path) -> bool:
    """Whether a part of a relative path begins with a dot: system files, and SomaNet's own records."""
    return any(part.startswith(".") for part in path.parts)
