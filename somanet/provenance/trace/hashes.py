"""Hashes computed by DVC's own code, to check files and folders against `dvc.lock`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
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
    """md5 sums of files and folders of one project and its profiles, each computed once.

    Attributes:
        root: the project. Of a path, the `.dvcignore` of its own project counts: see :func:`dvc_project`.
    """

    root: Path
    _known: dict[Path, str | None] = field(default_factory=dict)
    _filters: dict[Path, DvcIgnoreFilter] = field(default_factory=dict)

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
        files = list(self.files(folder))
        if sum(path.stat().st_size for path in files) > LARGEST_BYTES:
            return None
        tree = Tree()
        for path in files:
            tree.add(path.relative_to(folder).parts, None, HashInfo("md5", _md5(path)))
        tree.digest()
        return str(tree.oid)

    def files(self, folder: Path) -> Iterator[Path]:
        """The files of a folder that DVC counts: without those in `.dvcignore`, and without links to other folders."""
        from dvc.fs import localfs

        for place, _, names in self._ignore(folder).walk(localfs, str(folder)):
            yield from (Path(place) / name for name in names)

    def _ignore(self, folder: Path) -> DvcIgnoreFilter:
        from dvc.fs import localfs
        from dvc.ignore import DvcIgnoreFilter

        project = dvc_project(folder, self.root)
        if project not in self._filters:
            self._filters[project] = DvcIgnoreFilter(localfs, _spelt_out(project))
        return self._filters[project]


def dvc_project(path: Path, root: Path) -> Path:
    """The DVC project of a path: the innermost folder with `.dvc` around it in a project, else the project itself.

    A profile is one in another. As for DVC, a link in a path is a folder of the project that it is written in.

    Args:
        path: absolute.
        root: the project.
    """
    around = Path(_spelt_out(path)).parents
    inner = (folder for folder in around if Path(_spelt_out(root)) in folder.parents and (folder / ".dvc").is_dir())
    return next(inner, root)


def _spelt_out(path: Path) -> str:
    """The form in which DVC compares paths: absolute, without `..`, links not resolved."""
    return os.path.normpath(path.absolute())


def _md5(path: Path) -> str:
    from dvc_data.hashfile.hash import file_md5

    if not path.is_file():  # a pipe would be waited on
        raise FileNotFoundError(f"{path} is no regular file")
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
