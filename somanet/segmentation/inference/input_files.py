"""Inputs of a prediction: the images and movies at the given paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem, StackProblem
from somanet.io.datasets.layouts import open_dataset
from somanet.io.images import IMAGE_SUFFIXES, read_image
from somanet.io.movies import MOVIE_SUFFIXES, VIDEO_SUFFIXES, Movie, open_movie

_STILL_SUFFIXES = (".tif", ".tiff", ".png")
"""A folder with only such files may be a data set."""


@dataclass(frozen=True)
class Choice:
    """The chosen channel or plane of a file with several; errors and meaning as :func:`somanet.io.movies.open_movie`.

    Attributes:
        channel: name or number from 0.
        z: focal plane from 0, or `max`.
    """

    channel: str | None = None
    z: str | None = None

    def open(self, path: Path) -> Movie:
        """The file as a movie."""
        return open_movie(path, channel=self.channel, z=self.z)

    def options(self) -> str:
        """The options as the user gave them; empty if nothing was chosen."""
        given = (("--channel", self.channel), ("--z", self.z))
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
    """

    name: str
    path: Path
    read: Callable[[], NDArray[Any]] | None
    choice: Choice = Choice()
    unnamed: bool = False

    def images(self) -> Sequence[NDArray[Any]]:
        """The image, or the first, middle and last frame of a movie."""
        from somanet.segmentation.inference.modality import sample_frames

        if self.read is not None:
            return [self.read()]
        with self.choice.open(self.path) as movie:
            return sample_frames(movie)


def find_inputs(paths: Sequence[Path], choice: Choice | None = None) -> list[Input]:
    """Images and movies at paths: files, folders, and data sets in the Kaggle or pairs layout (folder or zip).

    Args:
        paths: what to segment.
        choice: a channel or plane of TIFF, zarr and video files.

    Raises:
        SomaNetError: a path is missing or holds no images, a file is a Z stack and no plane was chosen, a file lacks
            the chosen channel or plane, or two inputs would share a name.
    """
    choice = choice or Choice()
    inputs: list[Input] = []
    for path in paths:
        if not path.exists():
            raise SomaNetError(f"{path} not found. Check the path.")
        if path.is_dir() and path.suffix != ".zarr":
            inputs += _in_folder(path, choice)
        elif path.suffix.lower() == ".zip":
            inputs += _in_dataset(path, choice)
        else:
            inputs.append(_file(path, choice))
    by_name: dict[str, Input] = {}
    for item in inputs:
        if item.name in by_name:
            raise SomaNetError(
                f"Two inputs are called {item.name!r}: {by_name[item.name].path} and {item.path}. Their labels would "
                "overwrite each other; write them to two folders."
            )
        by_name[item.name] = item
    return inputs


def _file(path: Path, choice: Choice) -> Input:
    if path.suffix.lower() not in MOVIE_SUFFIXES:
        if choice != Choice():
            raise SomaNetError(
                f"{path}: {choice.options()} applies to TIFF, zarr and video files, found "
                f"{path.suffix or 'none of them'}. Leave the option out, or save the channel or plane as TIFF."
            )
        return Input(path.stem, path, lambda: read_image(path))
    n_frames, unnamed = _frames(path, choice)
    # one frame of a stack, a channel or a zarr folder is an image that only the movie reader can read
    if n_frames == 1 and (choice != Choice() or path.is_dir()):
        return Input(path.stem, path, lambda: _first_frame(path, choice), choice)
    if n_frames > 1 or path.suffix.lower() in VIDEO_SUFFIXES:
        return Input(path.stem, path, None, choice, unnamed)
    return Input(path.stem, path, lambda: read_image(path))


def _first_frame(path: Path, choice: Choice) -> NDArray[Any]:
    with choice.open(path) as movie:
        return movie.frame(0)


def _frames(path: Path, choice: Choice) -> tuple[int, bool]:
    """Number of frames in a movie file, and whether its axes are unnamed; 1 if only the image reader reads it (RGB)."""
    try:
        with choice.open(path) as movie:
            return movie.n_frames, movie.unnamed and movie.n_frames > 1
    except StackProblem:
        raise
    except FileProblem as problem:
        image = path.is_file() and path.suffix.lower() not in VIDEO_SUFFIXES and choice == Choice()
        if not image or problem.kind in ("truncated", "unreadable"):
            raise
        return 1, False


def _in_folder(folder: Path, choice: Choice) -> list[Input]:
    files = [f for f in sorted(folder.iterdir()) if not f.name.startswith(".")]
    movies = [f for f in files if f.suffix.lower() in MOVIE_SUFFIXES and (f.is_file() or f.suffix == ".zarr")]
    singly = choice != Choice() or any(f.suffix.lower() not in _STILL_SUFFIXES for f in movies)
    if movies and (singly or any(_frames(f, choice)[0] > 1 for f in movies)):
        images = [f for f in files if f.suffix.lower() in IMAGE_SUFFIXES]  # perhaps among the movies
        return [_file(f, choice) for f in sorted({*movies, *images})]
    return _in_dataset(folder, choice)


def _in_dataset(path: Path, choice: Choice) -> list[Input]:
    if choice != Choice():
        raise SomaNetError(
            f"{path}: {choice.options()} applies to TIFF, zarr and video files, found a data set. Leave the option out."
        )
    dataset = open_dataset(path)
    return [Input(name, path, lambda name=name: dataset.load_image(name)) for name in dataset.image_names]  # type: ignore[misc]
