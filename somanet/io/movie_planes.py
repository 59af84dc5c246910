"""A movie whose planes lie in several files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from somanet.core.problems import FileProblem
from somanet.io.movie_base import Movie, project

Plane = tuple[int, int, int]
"""Time point, channel and focal plane, each from 0, as the files count them."""


class PlanesMovie(Movie):
    """Planes in the order time, channel, focal plane, each in a known file (see :class:`Movie`)."""

    _where: Mapping[Plane, Path]

    @abstractmethod
    def _pixels(self, plane: Plane) -> np.ndarray:
        """Decode the image of one plane: YX, or YXS where images have colours."""

    def _unlike(self, file: Path, pixels: np.ndarray, expected: tuple[int, ...]) -> FileProblem:
        """What to say of an image of another shape or type than the first."""
        return FileProblem(
            f"{file}: expected an image like the first of the movie, {expected} {self.dtype}, found {pixels.shape} "
            f"{pixels.dtype}. Does it belong to another movie?",
            "wrong shape",
        )

    def _read(self, t: int) -> np.ndarray:
        return project(self._read_plane(t, z) for z in self._layout.planes)

    def _read_plane(self, t: int, z: int) -> np.ndarray:
        index = self._layout.index(t, z)
        time, channel, plane = (int(place) for place in index[:3] if isinstance(place, int))
        pixels = self._pixels((time, channel, plane))
        expected = (*self.shape_YX, *(self._layout.shape[-1:] if len(index) == 6 else ()))
        if pixels.shape != expected or pixels.dtype != self.dtype:
            raise self._unlike(self._where[time, channel, plane], pixels, expected)
        colour = index[5] if len(index) == 6 else None
        return np.ascontiguousarray(pixels if colour is None else pixels[..., colour], dtype=self.dtype)

    def close(self) -> None:
        """Nothing to close: each file is opened anew."""
