"""Hashes as DVC computes them, without DVC: to tell whether a file or folder is still what `dvc.lock` recorded."""

from __future__ import annotations

import configparser
import fnmatch
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LARGEST_BYTES = 1 << 30
"""What is larger is not read just to be compared: seconds per look."""


@dataclass
class Hashes:
    """md5 sums of files and folders of one project, each computed once.

    Attributes:
        root: the project, whose `.dvcignore` counts.
    """

    root: Path
    _known: dict[Path, str | None] = field(default_factory=dict)
    _patterns: tuple[str, ...] | None = None

    def md5(self, path: Path) -> str | None:
        """As DVC names the content; a folder's ends in `.dir`. None for what is too large to read in passing.

        Raises:
            OSError: it is not there or cannot be read.
        """
        if path not in self._known:
            self._known[path] = self._folder(path) if path.is_dir() else self._file(path)
        return self._known[path]

    def _file(self, path: Path) -> str | None:
        if path.stat().st_size > LARGEST_BYTES:
            return None
        return _md5(path)

    def _folder(self, folder: Path) -> str | None:
        files = sorted(self._files(folder), key=lambda path: path.relative_to(folder).as_posix())
        if sum(path.stat().st_size for path in files) > LARGEST_BYTES:
            return None
        listed = [{"md5": _md5(path), "relpath": path.relative_to(folder).as_posix()} for path in files]
        text = json.dumps(listed, sort_keys=True)
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"

    def _files(self, folder: Path) -> Iterator[Path]:
        for place, folders, names in os.walk(folder, followlinks=True):
            folders[:] = [name for name in folders if not self._ignored(name, folder=True)]
            yield from (Path(place) / name for name in names if not self._ignored(name, folder=False))

    def _ignored(self, name: str, *, folder: bool) -> bool:
        """By the patterns of `.dvcignore` that name files or folders wherever they lie."""
        if self._patterns is None:
            try:
                lines = (self.root / ".dvcignore").read_text(encoding="utf-8").splitlines()
            except OSError:
                lines = []
            self._patterns = (
                ".git/",
                ".hg/",
                ".dvc/",
                *(line.strip() for line in lines if line.strip()[:1] not in "#!"),
            )
        return any(
            fnmatch.fnmatchcase(name, pattern.rstrip("/")) and (folder or not pattern.endswith("/"))
            for pattern in self._patterns
        )


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cache_object(md5: str, root: Path) -> Path:
    """Where DVC's cache keeps the content of a hash."""
    return cache_folder(root) / "files" / "md5" / md5[:2] / md5[2:]


def cache_folder(root: Path) -> Path:
    """DVC's cache: `.dvc/cache`, or where the project's configuration puts it."""
    for name in ("config.local", "config"):
        config = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            config.read(root / ".dvc" / name, encoding="utf-8")
            if place := config.get("cache", "dir", fallback=None):
                return (root / ".dvc" / place).resolve()
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
    return root / ".dvc" / "cache"


def listed_md5(folder_md5: str, relative: str, root: Path) -> str | None:
    """The md5 of one file of a folder, from the folder's list in DVC's cache; None if it is not there."""
    try:
        listed = json.loads(cache_object(folder_md5, root).read_text(encoding="utf-8"))
        return next((str(entry["md5"]) for entry in listed if entry["relpath"] == relative), None)
    except (OSError, ValueError, KeyError, TypeError):
        return None
