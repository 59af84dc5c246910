"""The files of movies: which belong to one movie, their hash, and the movies in a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from somanet.core.documents import parsed_once
from somanet.core.errors import SomaNetError
from somanet.core.foreign import parsing
from somanet.core.hashing import sha256_file, sha256_together, sha256_tree
from somanet.core.problems import FileProblem
from somanet.io.declared_size import open_tiff
from somanet.io.image_names import find_series, is_label_name, leave_out_thumbnails
from somanet.io.label_names import sort_out
from somanet.io.movie_opening import MOVIE_SUFFIXES, OME_SUFFIXES, TIFF_SUFFIXES, open_movie
from somanet.io.movie_series import holds_single_images, is_pattern, series_files
from somanet.io.tiff_files import companion_of, companions, used_files


def movie_files(path: Path) -> tuple[Path, ...]:
    """A movie's file or folder and, of a movie that is spread over several files, the others.

    A file that cannot be opened counts alone: whoever opens it as a movie says why.
    """
    if is_pattern(path):
        return tuple(series_files(path)) if path.parent.is_dir() else ()
    if not path.is_file():
        return (path,)
    if path.name.lower().endswith((*OME_SUFFIXES, ".ome.xml")):
        return _set_of(path) or (path,)
    if path.suffix.lower() not in TIFF_SUFFIXES:
        return (path,)
    try:
        with parsing(path, "a TIFF"), parsed_once(), open_tiff(path, str(path)) as tiff:
            companion = companion_of(tiff.ome_metadata, path) if tiff.ome_metadata else None
            if companion is None:
                return used_files(tiff, path, companions(tiff, str(path)))
    except FileProblem:
        return (path,)
    return _set_of(companion) or (path,)


def _set_of(companion: Path) -> tuple[Path, ...]:
    """The files that a companion OME file names, with itself; none if it cannot be opened."""
    try:
        with open_movie(companion, channel=0, z=0, position=0) as movie:
            return movie.files
    except FileProblem:
        return ()


def movie_exists(path: Path) -> bool:
    """Whether a file or folder is there, or files of a pattern's names."""
    return path.exists() or (is_pattern(path) and bool(movie_files(path)))


def movie_places(result: Path, file: str) -> list[Path]:
    """Where the movie of results is looked for, by its name: beside them, in them, and in the current folder."""
    return [place / file for place in (result.parent, result, Path())]


def movie_bytes(path: Path) -> int:
    """The size of a movie, of all its files.

    Raises:
        OSError: one cannot be looked at.
    """
    files = (file for one in movie_files(path) for file in (one.rglob("*") if one.is_dir() else [one]))
    return sum(file.stat().st_size for file in files if file.is_file())


def movie_name(path: Path) -> str:
    """A movie's name: its file's without `.tif`, `.ome.tif` and the like, or what the names of its images share."""
    stem = path.resolve().name if path.is_dir() and path.suffix != ".zarr" else path.stem
    for ending in (".ome", ".companion"):
        stem = stem[: -len(ending)] if stem.lower().endswith(ending) else stem
    if not is_pattern(path):
        return stem
    # a letter or two before a number say what it counts
    shared = re.sub(r"[_\-. ]?(?:(?<![A-Za-z])[A-Za-z]{1,2})?[*?]+", "", stem).strip("_-. ")
    return shared or path.parent.resolve().name


def name_at(name: str, position: int | str | None) -> str:
    """The name of one of several movies in a file: the file's, and the stage position, so that results differ."""
    allowed = "" if position is None else re.sub(r"[^\w-]+", "-", str(position)).strip("-")
    return f"{name}_{allowed}" if allowed else name


def together(paths: Sequence[Path]) -> list[Path]:
    """The same paths, but numbered images that were named one by one as the pattern of their names.

    A shell makes a list of files of `img_t*.tif`.

    Raises:
        SomaNetError: the files are only some of a series.
    """
    paths = leave_out_thumbnails(paths)
    listed = [path for path in paths if path.is_file()]
    by_folder: dict[Path, list[Path]] = {}
    for path in listed:
        by_folder.setdefault(path.parent, []).append(path)
    replaced: dict[Path, Path] = {}
    for folder, files in by_folder.items():
        for series in find_series(files) if len(files) > 1 else ():
            if holds_single_images(series):
                if set(movie_files(series.pattern)) != set(series.files):
                    raise SomaNetError(
                        f"{folder}: expected all images of a movie, found {len(series.files)} of "
                        f"{len(movie_files(series.pattern))} of the names '{series.pattern.name}'. Name them by a "
                        f"pattern in quotes ('{series.pattern}'), or move those that are meant into a folder."
                    )
                replaced |= dict.fromkeys(series.files, series.pattern)
    return list(dict.fromkeys(replaced.get(path, path) for path in paths))


def sha256_movie(path: Path) -> str:
    """SHA-256 of a movie: of its file's bytes, or of the names and contents of all its files, as of a folder's.

    Other data, such as a folder of images, have that of :func:`somanet.core.hashing.sha256_tree`.
    """
    hashes = sha256_of_each(path)
    return sha256_together(hashes) if hashes else sha256_tree(path)


def sha256_of_each(path: Path) -> dict[str, str]:
    """SHA-256 of each file of a movie that is spread over several, by name; empty for one file or folder."""
    files = movie_files(path)
    return {} if files == (path,) else {file.name: sha256_file(file) for file in sorted(files)}


def movies_in(folder: Path) -> list[Path]:
    """The movies in a folder, not in those inside; the folder itself if its only movie are its numbered images."""
    found = find_movie_files(folder.iterdir())
    return [folder] if len(found) == 1 and not found[0].exists() else found


def find_movie_files(files: Iterable[Path]) -> list[Path]:
    """The movies among files and zarr folders of one folder, in name order, each once.

    Numbered single images are one movie, named by their pattern (`img_t*.tif`); files that belong to one OME-TIFF are
    the movie of the first of them. Labels of the Cell Tracking Challenge are none, nor are those beside a movie that
    other programs name after it (`cell_cp_masks.tif`).
    """
    entries = leave_out_thumbnails(sorted(file for file in files if file.name[0] != "."))
    images, _ = sort_out(PurePosixPath(file.name) for file in entries)
    named = {image.name for image in images}
    entries = [file for file in entries if file.name in named] or entries
    found: dict[Path, None] = {}
    taken: set[Path] = set()
    for series in find_series(file for file in entries if file.is_file()):
        if holds_single_images(series):
            taken.update(series.files)
            found[series.pattern] = None
    for file in entries:
        if file.suffix.lower() in MOVIE_SUFFIXES and file not in taken and not is_label_name(file):
            found[file] = None
            if file.is_file():  # the names of its files as they are given here, where a set's are absolute
                taken.update(file.with_name(other.name) for other in movie_files(file))
    return sorted(found)
