"""How often an analysis decodes each frame, as a count: seconds differ from machine to machine."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from somanet.io.movie_tiff import TiffMovie
from tests.analysis.worlds import N_FRAMES, frames_TYX, save_movie
from tests.worlds import save_bright_network, somanet


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, int]]:
    """Counts every decoding of a TIFF's frame, by file name and frame."""
    counts: Counter[tuple[str, int]] = Counter()
    read = TiffMovie._read

    def counted(movie: TiffMovie, t: int) -> np.ndarray:
        counts[movie.path.name, t] += 1
        return read(movie, t)

    monkeypatch.setattr(TiffMovie, "_read", counted)
    return counts


def test_no_frame_is_decoded_more_than_twice(tmp_path: Path, decoded: Counter[tuple[str, int]]) -> None:
    """Of the movie, the masks and the labels, in a whole analysis with report and video.

    The kind of microscopy is looked at in three frames before the work begins; all else shares one decoding.
    """
    rng = np.random.default_rng(0)
    save_movie(tmp_path / "movie.tif", frames_TYX() + rng.integers(0, 20, (N_FRAMES, 1, 1), dtype=np.uint16))
    save_bright_network(tmp_path / "model")
    assert somanet("analyze", "movie.tif", "--output", "out", "--model", "model", cwd=tmp_path) is None
    assert (tmp_path / "out" / "overlay.mp4").is_file()
    for name in ("movie.tif", "masks.tif", "labels.tif"):
        of_file = [decoded[name, t] for t in range(N_FRAMES)]
        assert min(of_file) >= 1
        assert max(of_file) <= 2
    assert sum(decoded["movie.tif", t] for t in range(N_FRAMES)) <= N_FRAMES + 3
    assert sum(decoded["masks.tif", t] for t in range(N_FRAMES)) == N_FRAMES
