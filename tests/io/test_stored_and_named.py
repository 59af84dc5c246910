"""Files that hold other frames than their metadata name, and scales that a person replaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from somanet.analysis.source import MovieSource
from somanet.core.errors import SomaNetError
from somanet.io.movies import open_movie

FRAMES = np.random.default_rng(2).integers(0, 4000, (7, 20, 30)).astype(np.uint16)


def ome(path: Path, *, named: int, stored: int) -> Path:
    """An OME-TIFF whose XML names other than the stored frames."""
    tifffile.imwrite(
        path, FRAMES[:stored], ome=True, photometric="minisblack",
        metadata={"axes": "TYX", "PhysicalSizeX": 0.65, "PhysicalSizeY": 0.65, "TimeIncrement": 600.0},
    )  # fmt: skip
    text = path.read_bytes()
    old, new = f'SizeT="{stored}"'.encode(), f'SizeT="{named}"'.encode()
    assert text.count(old) == 1
    path.write_bytes(text.replace(old, new))
    return path


def test_frames_that_the_metadata_do_not_name_are_noted(tmp_path: Path) -> None:
    with open_movie(ome(tmp_path / "more.ome.tif", named=5, stored=7)) as movie:
        assert movie.n_frames == 5
        assert any("5" in note and "7" in note for note in movie.notes), movie.notes


def test_frames_that_are_named_and_missing(tmp_path: Path) -> None:
    path = ome(tmp_path / "stopped.ome.tif", named=7, stored=4)
    with pytest.raises(SomaNetError, match="--allow-truncated"):
        open_movie(path)
    with open_movie(path, allow_truncated=True) as movie:
        assert (movie.n_frames, movie.truncated) == (4, True)
        np.testing.assert_array_equal(movie.frame(3), FRAMES[3])


@pytest.mark.parametrize(("given", "noted"), [(1.3, True), (0.65, False), (None, False)])
def test_a_pixel_size_that_replaces_the_file_s_is_noted(tmp_path: Path, given: float | None, noted: bool) -> None:
    path = ome(tmp_path / "movie.ome.tif", named=7, stored=7)
    notes = MovieSource(path, "movie", pixel_size_um=given).describe()["notes"]
    assert any("0.65" in note and "1.3" in note for note in notes) == noted
