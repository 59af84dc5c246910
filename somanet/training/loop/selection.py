"""The images of a training: a selection of the labelled ones, and others without labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError

Item = TypeVar("Item")


def choose_images(items: Sequence[Item], n: int | None, *, drawn: Literal["first", "by_seed"], seed: int) -> list[Item]:
    """All images, the first ``n`` of them, or ``n`` drawn by ``seed``.

    A seed's draws are nested: its first 2 are among its first 4, and so on, so that a curve over the number of
    images only adds images and never swaps any.

    Raises:
        SomaNetError: ``n`` exceeds the number of images.
    """
    if n is None or drawn == "first":
        return list(items[:n])
    if n > len(items):
        raise SomaNetError(f"`images` asks for {n} training images, but there are {len(items)}. Lower `images`.")
    order = np.random.default_rng(seed).permutation(len(items))
    return [items[int(number)] for number in order[:n]]


def unlabelled_images(
    path: Path, *, n_frames: int, columns: tuple[int, int] | None = None, channel: str | None = None
) -> list[NDArray[Any]]:
    """Images without labels, as stored: evenly spaced frames of a movie, or every image of a folder or zip.

    Args:
        path: movie file, zarr folder, or a data set that :func:`somanet.io.datasets.layouts.open_dataset` reads;
            labels are not read.
        n_frames: number of frames to take from a movie; all if it has fewer.
        columns: use only x from the first of these up to, not including, the second, in every image. Keep
            validation and test images out of this range.
        channel: to use of a movie with several.

    Raises:
        SomaNetError: no such file, no images, or columns that an image lacks.
    """
    images = [_cut(image, columns, name) for name, image in _read(path, n_frames, channel)]
    if not images:
        raise SomaNetError(f"{path} has no images. Name a movie, or a folder of images.")
    return images


def _read(path: Path, n_frames: int, channel: str | None) -> list[tuple[str, NDArray[Any]]]:
    from somanet.io.datasets.layouts import open_dataset
    from somanet.io.movies import MOVIE_SUFFIXES, open_movie

    if path.suffix.lower() in MOVIE_SUFFIXES or (path.is_file() and path.suffix.lower() != ".zip"):
        with open_movie(path, channel=channel) as movie:
            numbers = np.linspace(0, movie.n_frames - 1, min(n_frames, movie.n_frames)).round().astype(int)
            return [(f"{path}, frame {number}", movie.frame(int(number))) for number in numbers]
    if channel is not None:
        raise SomaNetError(f"{path} is not a movie: a channel can be chosen for a movie only. Leave the channel out.")
    dataset = open_dataset(path)
    return [(f"{path}, {name}", dataset.load_image(name)) for name in dataset.image_names]


def _cut(image: NDArray[Any], columns: tuple[int, int] | None, name: str) -> NDArray[Any]:
    if columns is None:
        return image
    first, end = columns
    if not 0 <= first < end <= image.shape[1]:
        raise SomaNetError(
            f"{name}: expected columns FIRST:END within 0:{image.shape[1]}, its width, found {first}:{end}."
        )
    return np.ascontiguousarray(image[:, first:end])
