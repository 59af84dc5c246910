"""Whether a path holds movies or a data set."""

from __future__ import annotations

from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem, StackProblem
from somanet.io.datasets.recognise import recognise
from somanet.io.datasets.sources import open_source
from somanet.io.image_names import Series, find_series, is_image_name, leave_out_thumbnails
from somanet.io.images import read_image
from somanet.io.label_names import PICKLE_ENDING, bare_name
from somanet.io.movie_search import find_movies
from somanet.io.movies import (
    IMAGE_TIFF_SUFFIXES,
    MOVIE_SUFFIXES,
    find_movie_files,
    movie_exists,
    movie_files,
    open_movie,
)

_LOOKED_AT = 20
"""Files of a folder that are opened, as a still image may lie beside movies."""
_OF_DATA_SETS = ("images", "labels", "masks")


def are_movies(path: Path) -> bool:
    """Whether a path holds movies, as `somanet analyze` would find them, and no data set.

    A zip is a data set, any other file a movie, or meant as one. A folder holds movies if it is one
    (:func:`is_movie_folder`), or if it has no labelled images and some folder inside is one.
    """
    if not path.is_dir():
        return path.suffix.lower() != ".zip" and movie_exists(path)
    if path.suffix.lower() in MOVIE_SUFFIXES or is_movie_folder(path):
        return True
    return not _has_labels(path) and any(is_movie_folder(folder) for folder in _folders_of_movies(path))


def _has_labels(folder: Path) -> bool:
    try:
        listing = recognise(open_source(folder))
    except SomaNetError:
        return False
    return any(entry.labelled for entry in listing.entries.values())


def _folders_of_movies(folder: Path) -> list[Path]:
    """The folders inside of what could be movies by their names."""
    try:
        found = [path for path, _ in find_movies([folder])]
    except SomaNetError:
        return []
    return list(dict.fromkeys(path if path.is_dir() and path.suffix != ".zarr" else path.parent for path in found))


def is_movie_folder(folder: Path) -> bool:
    """Whether a folder's own files are movies: several frames in a file, or numbered images of one movie.

    Images whose names do not say that the number counts time are one movie if they are all of one shape, without a gap
    in their numbers, and the only files of their kind; the folders of a data set, and labels among them, make it none.
    """
    entries = leave_out_thumbnails(sorted(folder.iterdir()))
    files = [file for file in entries if file.is_file() or file.suffix == ".zarr"]
    if folder.name in _OF_DATA_SETS or any(map(_is_label, files)):
        return False
    found = find_movie_files(files)
    patterns = [path for path in found if not path.exists()]
    if patterns and any(file.suffix.lower() == ".json" for file in files):  # outlines, of Labelme or COCO
        return False
    for path in patterns:
        series = find_series(movie_files(path))
        alone = len(found) == 1 and set(movie_files(path)) >= {file for file in files if is_image_name(file)}
        whole = (one for one in series if one.undecided or not one.problem)
        if any(one.says_time for one in series) or (alone and any(map(_of_one_shape, whole))):
            return True
    if patterns or not found:
        return False
    return _has_frames(found[0]) or any(map(_opens_as_movie, found[1:_LOOKED_AT]))


def _has_frames(path: Path) -> bool:
    """Whether a file is a movie, or one that cannot be read."""
    try:
        with open_movie(path) as movie:
            return movie.n_frames > 1
    except StackProblem:
        return True
    except FileProblem as problem:  # what is missing are other images of a movie
        return problem.kind == "missing" or path.suffix.lower() not in IMAGE_TIFF_SUFFIXES
    except SomaNetError:
        return path.suffix.lower() not in IMAGE_TIFF_SUFFIXES


def _opens_as_movie(path: Path) -> bool:
    try:
        with open_movie(path) as movie:
            return movie.n_frames > 1
    except SomaNetError:
        return False


def _is_label(file: Path) -> bool:
    return bare_name(file.stem) != file.stem or file.name.endswith(PICKLE_ENDING)


def _of_one_shape(series: Series) -> bool:
    shapes = []
    for file in (series.files[0], series.files[-1]):
        try:
            image = read_image(file)
        except FileProblem:
            return False
        shapes.append((image.shape, image.dtype))
    return shapes[0] == shapes[1]
