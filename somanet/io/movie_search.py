"""The movies at paths, as every command finds them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.core.result_records import MANIFEST
from somanet.io.movie_files import movie_exists, movie_name, movies_in, together
from somanet.io.movie_opening import MOVIE_SUFFIXES

_ZARR_MARKS = ("zarr.json", ".zattrs", ".zarray", ".zgroup")


def find_movies(paths: Sequence[Path], *, leave_out: Path | None = None) -> list[tuple[Path, str]]:
    """Movie files at the given paths, each with the name of its results; folders are searched at any depth.

    Left out are hidden folders, and those with results of an analysis. A movie is called by its file; where two of one
    search have the same name (`patient1/movie.tif`, `patient2/movie.tif`), by its folders too: `patient1_movie`.
    Numbered images are one movie, called by their folder, or by what their names have in common; so are the files of
    one OME-TIFF.

    Args:
        paths: files, folders, and patterns of numbered images.
        leave_out: a folder that is not searched: the output.

    Raises:
        SomaNetError: a path is missing or has no movie, or two movies would share a name.
    """
    found: list[tuple[Path, str, str]] = []
    for path in together(paths):
        if not movie_exists(path):
            raise SomaNetError(f"{path}: no such file or folder. Check the path.")
        if _is_movie(path):
            found.append((path, movie_name(path), movie_name(path)))
            continue
        inside = _movies_in(path, leave_out)
        if not inside:
            raise SomaNetError(
                f"{path}: expected movies ({', '.join(MOVIE_SUFFIXES)}) or numbered images, found none. Another folder?"
            )
        for file in inside:
            nested = movie_name(file) if file == path else nested_name(file.relative_to(path))
            found.append((file, movie_name(file), nested))
    short = [name for _, name, _ in found]
    named: dict[str, Path] = {}
    for file, name, nested in found:
        chosen = name if short.count(name) == 1 else nested
        if chosen in named:
            raise SomaNetError(
                f"Two movies are called {chosen!r}: {named[chosen]} and {file}. Rename one, so that their results "
                "differ."
            )
        named[chosen] = file
    return [(file, name) for name, file in named.items()]


def _is_movie(path: Path) -> bool:
    return not path.is_dir() or path.suffix == ".zarr" or any((path / mark).exists() for mark in _ZARR_MARKS)


def _movies_in(folder: Path, leave_out: Path | None) -> list[Path]:
    """Movies of a folder, its own before those of the folders inside, each sorted by name."""
    entries = [path for path in sorted(folder.iterdir()) if path.name[0] != "."]
    found = movies_in(folder)
    for path in entries:
        searched = path.is_dir() and not path.is_symlink() and path not in found
        if searched and not (path / MANIFEST).exists() and (leave_out is None or not _same(path, leave_out)):
            found += _movies_in(path, leave_out)
    return found


def _same(path: Path, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)


def nested_name(path: Path) -> str:
    """The name of a movie with those of its folders: `patient1_movie` for `patient1/movie.tif`."""
    return "_".join([*path.parent.parts, movie_name(path)])
