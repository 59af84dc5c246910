"""The images of a training: nested draws by seed, evenly spaced frames of a movie, only the given columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from somanet.core.calibration import FileCalibration
from somanet.core.errors import SomaNetError
from somanet.io.images import write_image
from somanet.io.movies import write_movie
from somanet.training.loop.selection import choose_images, unlabelled_images

ITEMS = [f"crop{number:02d}" for number in range(32)]


@given(seed=st.integers(0, 999), n=st.integers(1, 32), more=st.integers(0, 31))
def test_draws_are_nested_and_repeat(seed: int, n: int, more: int) -> None:
    few = choose_images(ITEMS, n, drawn="by_seed", seed=seed)
    many = choose_images(ITEMS, min(n + more, 32), drawn="by_seed", seed=seed)
    assert many[:n] == few
    assert len(set(many)) == len(many) == min(n + more, 32)
    assert few == choose_images(ITEMS, n, drawn="by_seed", seed=seed)


def test_each_seed_draws_its_own() -> None:
    assert len({tuple(choose_images(ITEMS, 4, drawn="by_seed", seed=seed)) for seed in range(10)}) == 10
    assert {choose_images(ITEMS, 1, drawn="by_seed", seed=seed)[0] for seed in range(400)} == set(ITEMS)


@pytest.mark.parametrize(("n", "expected"), [(1, ITEMS[:1]), (3, ITEMS[:3]), (None, ITEMS), (99, ITEMS)])
def test_the_first_ones_are_the_same_for_every_seed(n: int | None, expected: list[str]) -> None:
    for seed in (0, 5):
        assert choose_images(ITEMS, n, drawn="first", seed=seed) == expected


def test_more_cannot_be_drawn_than_there_are() -> None:
    with pytest.raises(SomaNetError, match="asks for 33 training images, but there are 32"):
        choose_images(ITEMS, 33, drawn="by_seed", seed=0)


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven frames of 20 x 30 px; a pixel's value is 1000 t + x."""
    path = tmp_path_factory.mktemp("movie") / "movie.tif"
    t, _, x = np.meshgrid(np.arange(11), np.arange(20), np.arange(30), indexing="ij")
    write_movie(path, (1000 * t + x).astype(np.uint16), FileCalibration())
    return path


@pytest.mark.parametrize(
    ("n_frames", "frames"), [(3, [0, 5, 10]), (2, [0, 10]), (1, [0]), (11, range(11)), (99, range(11))]
)
def test_frames_are_spread_evenly(movie: Path, n_frames: int, frames: list[int]) -> None:
    images = unlabelled_images(movie, n_frames=n_frames)
    assert [int(image[0, 0]) // 1000 for image in images] == list(frames)
    assert {(image.shape, image.dtype.name) for image in images} == {((20, 30), "uint16")}


def test_only_the_columns_told_are_read(movie: Path) -> None:
    """Columns 4 to 9 and no other pixel, as a copy that keeps no whole frame alive."""
    for image in unlabelled_images(movie, n_frames=2, columns=(4, 10)):
        assert image.shape == (20, 6)
        assert np.unique(image % 1000).tolist() == [4, 5, 6, 7, 8, 9]
        assert image.base is None


@pytest.mark.parametrize("columns", [(10, 10), (12, 4), (0, 31), (30, 40)])
def test_columns_that_an_image_lacks(movie: Path, columns: tuple[int, int]) -> None:
    with pytest.raises(
        SomaNetError, match=rf"movie\.tif, frame 0: expected columns .* 0:30, its width, found {columns[0]}"
    ):
        unlabelled_images(movie, n_frames=2, columns=columns)


def test_a_folder_of_images(tmp_path: Path) -> None:
    """All of them, each with its own size; only movies have channels."""
    for number in range(3):
        write_image(tmp_path / f"image{number}.png", np.full((8 + number, 12), number, np.uint8))
    images = unlabelled_images(tmp_path, n_frames=2)
    assert [(image.shape, int(image[0, 0])) for image in images] == [((8, 12), 0), ((9, 12), 1), ((10, 12), 2)]
    with pytest.raises(SomaNetError, match="not a movie: a channel can be chosen for a movie only"):
        unlabelled_images(tmp_path, n_frames=2, channel="0")


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match="nothing"):
        unlabelled_images(tmp_path / "nothing.tif", n_frames=2)
