"""Hashes computed by DVC's own code, to check files and folders against `dvc.lock`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from somanet.core.documents import parse_json
from somanet.core.errors import SomaNetError
from somanet.core.foreign import file_bytes
from somanet.core.limits import JSON_BYTES

if TYPE_CHECKING:
    from dvc.ignore import DvcIgnoreFilter

LARGEST_BYTES = 1 << 30
"""Anything larger is not read just for a comparison, which would take seconds."""


@dataclass
class Hashes:
    """md5 sums of files and folders of one project, each computed once.

    Attributes:
        root: the project, whose `.dvcignore` counts.
    """

    root: Path
    _known: dict[Path, str | None] = field(default_factory=dict)

    def md5(self, path: Path) -> str | None:
        """DVC's hash of the content; a folder's ends in `.dir`. None for content too large to read just for this.

        Raises:
            OSError: it is missing or cannot be read.
        """
        if path not in self._known:
            self._known[path] = self._folder(path) if path.is_dir() else self._file(path)
        return self._known[path]

    def _file(self, path: Path) -> str | None:
        return None if path.stat().st_size > LARGEST_BYTES else _md5(path)

    def _folder(self, folder: Path) -> str | None:
        from dvc_data.hashfile.hash_info import HashInfo
        from dvc_data.hashfile.tree import Tree

        folder = Path(_spelt_out(folder))
        files = list(self._files(folder))
        if sum(path.stat().st_size for path in files) > LARGEST_BYTES:
            return None
        tree = Tree()
        for path in files:
            tree.add(path.relative_to(folder).parts, None, HashInfo("md5", _md5(path)))
        tree.digest()
        return str(tree.oid)

    def _files(self, folder: Path) -> Iterator[Path]:
        """The files that DVC counts: without those in `.dvcignore`, and without links to other folders."""
        from dvc.fs import localfs

        for place, _, names in self._ignore.walk(localfs, str(folder)):
            yield from (Path(place) / name for name in names)

    @cached_property
    def _ignore(self) -> DvcIgnoreFilter:
        from dvc.fs import localfs
        from dvc.ignore import DvcIgnoreFilter

        return DvcIgnoreFilter(localfs, _spelt_out(self.root))


def _spelt_out(path: Path) -> str:
    """The form in which DVC compares paths: absolute, without `..`, links not resolved."""
    return os.path.normpath(path.absolute())


def _md5(path: Path) -> str:
    from dvc_data.hashfile.hash import file_md5

    return str(file_md5(str(path)))


def cache_object(md5: str, root: Path) -> Path:
    """The location in DVC's cache of the content of a hash."""
    return cache_folder(root) / "files" / "md5" / md5[:2] / md5[2:]


def cache_folder(root: Path) -> Path:
    """DVC's cache: `.dvc/cache`, or as configured for the project, the user or the machine."""
    from dvc.config import Config, ConfigError

    try:
        place = Config(dvc_dir=_spelt_out(root / ".dvc"), validate=False)["cache"]["dir"]
    except (ConfigError, KeyError, TypeError):  # none configured, or a broken file, which DVC itself explains better
        return root / ".dvc" / "cache"
    return Path(place).resolve()


def listed_md5(folder_md5: str, relative: str, root: Path) -> str | None:
    """The md5 of one file in a folder, from the folder's list in DVC's cache; None if it is not there."""
    try:
        file = cache_object(folder_md5, root)
        listed = parse_json(file_bytes(file, "DVC's list of a folder", JSON_BYTES), file, "DVC's list of a folder")
        return next((str(entry["md5"]) for entry in listed if entry["relpath"] == relative), None)
    except (SomaNetError, KeyError, TypeError):
        return None
