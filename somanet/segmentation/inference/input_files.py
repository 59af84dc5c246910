"""Inputs of a prediction: the images and movies at the given paths."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from somanet.core.counting import counted, listed
from somanet.core.errors import SomaNetError
from somanet.core.one_of_many import none_left
from somanet.core.problems import CHOICE, FileProblem, StackProblem
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.movie_or_set import is_movie_folder
from somanet.io.datasets.recognise import SeveralSets
from somanet.io.image_names import find_series
from somanet.io.images import IMAGE_SUFFIXES, read_image
from somanet.io.movie_series import is_pattern
from somanet.io.movies import (
    IMAGE_TIFF_SUFFIXES,
    MOVIE_SUFFIXES,
    Movie,
    find_movie_files,
    movie_exists,
    movie_files,
    movie_name,
    movies_in,
    open_movie,
    sha256_movie,
)

_STILL_SUFFIXES = (".tif", ".tiff", ".png")
"""A folder with only such files may be a data set."""


@dataclass(frozen=True)
class Choice:
    """The chosen channel or plane of a file with several; errors and meaning as :func:`somanet.io.movies.open_movie`.

    Attributes:
        channel: name or number from 0.
        z: focal plane from 0, or `max`.
        axes: what the file's axes mean.
        position: name or number from 0.
        allow_truncated: the frames before the cut of a file that breaks off will do; this chooses no part.
    """

    channel: str | None = None
    z: str | None = None
    axes: str | None = None
    position: str | None = None
    allow_truncated: bool = field(default=False, compare=False)

    def open(self, path: Path) -> Movie:
        """The file as a movie."""
        return open_movie(path, **asdict(self))

    def options(self) -> str:
        """The options as the user gave them; empty if nothing was chosen."""
        given = (
            ("--channel", self.channel),
            ("--z", self.z),
            ("--axes", self.axes),
            ("--position", self.position),
        )
        return " ".join(f"{option} {value}" for option, value in given if value is not None)


@dataclass(frozen=True)
class Input:
    """One image or movie to segment.

    Attributes:
        name: name of the label file, without suffix.
        path: where it comes from.
        read: returns the image YX or YXC; None for a movie, which is read frame by frame.
        choice: the chosen channel and plane.
        unnamed: a movie whose file does not state that its pages are time points.
        notes: what else the user has to know about a movie's file, in sentences.
        truncated: the file breaks off, and only the frames before the cut are segmented.
        problem: why the file cannot be opened; None if it can be, which does not say that all of it can be decoded.
        data: of an image in a data set: returns the bytes of its own file.
    """

    name: str
    path: Path
    read: Callable[[], NDArray[Any]] | None
    choice: Choice = Choice()
    unnamed: bool = False
    notes: tuple[str, ...] = ()
    problem: FileProblem | None = None
    data: Callable[[], bytes] | None = None
    truncated: bool = False

    def sha256(self) -> str:
        """Of its file, or of all files of a movie: what tells it from another input of its name.

        Raises:
            SomaNetError or OSError: it cannot be read.
        """
        return sha256_movie(self.path) if self.data is None else hashlib.sha256(self.data()).hexdigest()

    def images(self) -> Sequence[NDArray[Any]]:
        """The image, or the first, middle and last frame of a movie.

        Raises:
            FileProblem: it cannot be read.
        """
        from somanet.segmentation.inference.modality import sample_frames

        if self.problem is not None:
            raise self.problem
        if self.read is not None:
            return [self.read()]
        with self.choice.open(self.path) as movie:
            return sample_frames(movie)


def find_inputs(paths: Sequence[Path], choice: Choice | None = None) -> list[Input]:
    """Images and movies at paths: files, folders, and data sets in the Kaggle or pairs layout (folder or zip).

    A file that cannot be opened is an input with a problem: see :func:`all_readable` for work that needs all of them.

    Args:
        paths: what to segment.
        choice: a channel, plane, axes or position of movies and TIFF files.

    Raises:
        SomaNetError: a path is missing or holds no images, a file is a Z stack and no plane was chosen, a file lacks
            the chosen channel or plane, or two inputs would share a name.
    """
    choice = choice or Choice()
    inputs: list[Input] = []
    for path in paths:
        if not movie_exists(path):
            raise SomaNetError(f"{path} not found. Check the path.")
        inputs += _or_problem(_at, path, choice)
    by_name: dict[str, Input] = {}
    for item in inputs:
        if item.name in by_name:
            raise SomaNetError(
                f"Two inputs are called {item.name!r}: {by_name[item.name].path} and {item.path}. Their labels would "
                "overwrite each other; write them to two folders."
            )
        by_name[item.name] = item
    return inputs


def not_searched(paths: Sequence[Path], inputs: Sequence[Input]) -> list[str]:
    """Folders inside the given ones that hold images or movies, too, and are no inputs: a sentence for each given one.

    Args:
        paths, inputs: what was given, and what was found there.
    """
    taken, notes = {item.path for item in inputs}, []
    for folder in (path for path in paths if path.is_dir() and any(one.parent == path for one in taken)):
        left = [
            inside.name
            for inside in sorted(folder.iterdir())
            if inside.is_dir()
            and inside.suffix != ".zarr"
            and inside.name[0] != "."
            and not any((inside / record).exists() for record in ("predictions.json", "manifest.json"))
            and any(one.suffix.lower() in (*MOVIE_SUFFIXES, *IMAGE_SUFFIXES) for one in inside.iterdir())
        ]
        if left:
            hold = "holds" if len(left) == 1 else "hold"
            notes.append(
                f"{folder}: only what lies in it itself is segmented; {listed(left)} {hold} images or movies, "
                "too: give these folders by name."
            )
    return notes


def all_readable(inputs: Sequence[Input]) -> list[Input]:
    """The inputs, if all can be opened.

    Raises:
        SomaNetError: naming all that cannot be, with the reason of the first.
    """
    problems = {item.name: str(item.problem) for item in inputs if item.problem is not None}
    if problems:
        raise none_left(problems)
    return list(inputs)


def _at(path: Path, choice: Choice) -> list[Input]:
    """What is at a path that a user named."""
    if not path.exists():
        return _series(path, choice)
    if path.is_dir() and path.suffix != ".zarr":
        return _in_folder(path, choice)
    return _in_dataset(path, choice) if path.suffix.lower() == ".zip" else _file(path, choice)


def _or_problem(at: Callable[[Path, Choice], list[Input]], path: Path, choice: Choice) -> list[Input]:
    """What is at a path; if it cannot be opened, an input that says why, unless an option would solve it."""
    try:
        return at(path, choice)
    except FileProblem as problem:
        if problem.kind == CHOICE:
            raise
        return [Input(movie_name(path) if is_pattern(path) else path.stem, path, None, choice, problem=problem)]


def _series(path: Path, choice: Choice) -> list[Input]:
    """Numbered images as one movie, or as one image if they are the channels or planes of one time point."""
    content = _frames(path, choice)
    name = movie_name(path)
    if content.n_frames == 1:
        return [Input(name, path, lambda: _first_frame(path, choice), choice, notes=content.notes)]
    return [Input(name, path, None, choice, content.unnamed, content.notes)]


def _file(path: Path, choice: Choice) -> list[Input]:
    if path.suffix.lower() not in MOVIE_SUFFIXES:
        if choice != Choice():
            raise SomaNetError(
                f"{path}: {choice.options()} applies to movies and TIFF files, found "
                f"{path.suffix or 'none of them'}. Leave the option out, or save the channel or plane as TIFF."
            )
        return [Input(path.stem, path, lambda: read_image(path))]
    content = _frames(path, choice)
    # one frame of a stack, a channel or a zarr folder is an image that only the movie reader can read
    cut = content.truncated
    if content.n_frames == 1 and (choice != Choice() or path.is_dir() or cut):
        return [Input(path.stem, path, lambda: _first_frame(path, choice), choice, notes=content.notes, truncated=cut)]
    if content.n_frames > 1 or path.suffix.lower() not in IMAGE_TIFF_SUFFIXES:
        return [Input(path.stem, path, None, choice, content.unnamed, content.notes, truncated=cut)]
    return [Input(path.stem, path, lambda: read_image(path), notes=content.notes)]


def _first_frame(path: Path, choice: Choice) -> NDArray[Any]:
    with choice.open(path) as movie:
        return movie.frame(0)


class _Content(NamedTuple):
    """Number of frames in a movie file, whether its axes are unnamed, its notes, and whether it breaks off."""

    n_frames: int
    unnamed: bool = False
    notes: tuple[str, ...] = ()
    truncated: bool = False


def _frames(path: Path, choice: Choice) -> _Content:
    """What is in a movie file; one frame if only the image reader reads it (RGB)."""
    try:
        with choice.open(path) as movie:
            cut = f"the file is truncated; labels are of its {counted(movie.n_frames, 'whole frame')}"
            notes = (*movie.notes, cut) if movie.truncated else movie.notes
            return _Content(movie.n_frames, movie.unnamed and movie.n_frames > 1, notes, movie.truncated)
    except StackProblem:
        raise
    except FileProblem as problem:
        image = path.is_file() and path.suffix.lower() in IMAGE_TIFF_SUFFIXES and choice == Choice()
        if not image or problem.kind in ("truncated", "unreadable"):
            raise
        return _Content(1)


def _in_folder(folder: Path, choice: Choice) -> list[Input]:
    files = [f for f in sorted(folder.iterdir()) if not f.name.startswith(".")]
    found = find_movie_files(files)
    if _are_planes(folder, found, choice):
        whole = movies_in(folder) == [folder]
        return [item for path in ([folder] if whole else found) for item in _or_problem(_series, path, choice)]
    # loose images one by one; the files of one movie once
    movies = [f for path in found for f in (movie_files(path) if is_pattern(path) else (path,))]
    movies = [f for f in movies if f.suffix.lower() in MOVIE_SUFFIXES and (f.is_file() or f.suffix == ".zarr")]
    singly = choice != Choice() or any(f.suffix.lower() not in _STILL_SUFFIXES for f in movies)
    if movies and (singly or any(_is_movie(f, choice) for f in movies)):
        of_sets = {f.with_name(other.name) for f in movies for other in movie_files(f) if other != f}
        images = [f for f in files if f.suffix.lower() in IMAGE_SUFFIXES and f not in of_sets]  # perhaps among them
        return [item for path in sorted({*movies, *images}) for item in _or_problem(_file, path, choice)]
    try:
        return _in_dataset(folder, choice)
    except SeveralSets:  # the images in the folder itself, beside others further inside
        if not (loose := [f for f in files if f.suffix.lower() in IMAGE_SUFFIXES]):
            raise
        return [item for path in loose for item in _or_problem(_file, path, choice)]


def _is_movie(path: Path, choice: Choice) -> bool:
    """Whether a file has several frames; of one that cannot be opened, its reader says why."""
    try:
        return _frames(path, choice).n_frames > 1
    except FileProblem as problem:
        if problem.kind == CHOICE:
            raise
        return False


def _are_planes(folder: Path, found: Sequence[Path], choice: Choice) -> bool:
    """Whether a folder's images are the planes of movies, as `data check` and `analyze` take them.

    Numbers of which nothing says that they count time are those of loose images, unless there is one and a plane or
    channel is chosen.
    """
    patterns = [path for path in found if is_pattern(path)]
    if not patterns or len(patterns) < len(found) or not is_movie_folder(folder):
        return False
    found_series = [one for path in patterns for one in find_series(movie_files(path))]
    if any(one.undecided for one in found_series):
        return False
    return choice != Choice() or all(one.says_time for one in found_series)


def _in_dataset(path: Path, choice: Choice) -> list[Input]:
    if choice != Choice():
        raise SomaNetError(
            f"{path}: {choice.options()} applies to movies and TIFF files, found a data set. Leave the option out."
        )
    dataset = open_dataset(path)
    images = [
        Input(name, path, partial(dataset.load_image, name), data=partial(dataset.image_bytes, name))
        for name in dataset.image_names
    ]
    unclear = dataset.broken if dataset.layout == "kaggle" else {}  # elsewhere it is labels that lack an image
    return images + [
        Input(name, path, None, problem=FileProblem(f"{path}: {why}. Leave one image there."))
        for name, why in unclear.items()
    ]
