"""Some frames of a movie as a movie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from somanet.io.movie_base import Movie


class MovieSelection(Movie):
    """The given frames of another movie, numbered anew; closes it (see :class:`somanet.io.movie_base.Movie`).

    ``file_calibration`` stays that of the file.
    """

    def __init__(self, movie: Movie, frames: Sequence[int]) -> None:
        self._movie, self._frames = movie, tuple(frames)
        self.path, self.files = movie.path, movie.files
        self.n_frames, self.shape_YX, self.n_planes = len(self._frames), movie.shape_YX, movie.n_planes
        self.n_channels, self.notes = movie.n_channels, movie.notes
        self.dtype, self.file_calibration = movie.dtype, movie.file_calibration
        self.truncated, self.unnamed, self.position = movie.truncated, movie.unnamed, movie.position

    def _read(self, t: int) -> np.ndarray:
        return self._movie.frame(self._frames[t])

    def chunk_of(self, t: int) -> int:
        """The chunk of frame ``t`` in the other movie."""
        return self._movie.chunk_of(self._frames[t])

    def close(self) -> None:
        """Close the movie."""
        self._movie.close()
