"""SHA-256 of files and folders."""

from __future__ import annotations

import hashlib
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
    digest = hashlib.sha256()
    files = [p for p in path.rglob("*") if p.is_file() and not is_hidden(p.relative_to(path))]
    for file in sorted(files, key=lambda p: p.relative_to(path).as_posix()):
        digest.update(file.relative_to(path).as_posix().encode() + b"\0" + sha256_file(file).encode() + b"\n")
    return digest.hexdigest()


def is_hidden(path: Path) -> bool:
    """Whether a part of a relative path begins with a dot: system files, and SomaNet's own records."""
    return any(part.startswith(".") for part in path.parts)
