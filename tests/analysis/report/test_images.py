"""Display range, and the embedded images when room is scarce."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from somanet.analysis.report.display_range import DisplayRange, display_range, evenly_spaced
from somanet.analysis.report.thinning import BASE64, thinning
from tests.analysis.report import worlds


def test_a_quarter_of_the_range_is_shown_at_half_brightness() -> None:
    """Square root: √0.25 = 0.5; beyond the range it is black and white."""
    frame = np.array([[0, 100, 200, 300, 500, 900]], np.uint16)
    assert DisplayRange(100.0, 500.0).grey(frame).tolist() == [[0, 0, 128, 180, 255, 255]]


def test_black_frames_do_not_darken_the_movie() -> None:
    """Half of the frames are 0: without them the range starts at the background's 500, not at 0."""
    movie = worlds.frames()
    movie[::2] = 0
    assert display_range(movie).low > 499


def test_a_movie_of_nothing_is_black() -> None:
    movie = np.zeros((3, 4, 5), np.uint8)
    assert not display_range(movie).grey(movie[0]).any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64, bool])
def test_every_number_type_is_shown(dtype: type) -> None:
    movie = np.zeros((2, 30, 40), dtype)
    movie[:, 10:20, 10:30] = 1
    picture = display_range(movie).grey(movie[0])
    assert picture.dtype == np.uint8
    assert picture[15, 20] > picture[0, 0]


def test_samples_are_the_ends_and_evenly_between() -> None:
    assert evenly_spaced(9, 3) == [0, 4, 8]
    assert evenly_spaced(2, 12) == [0, 1]


def test_a_small_movie_is_embedded_whole() -> None:
    movie = worlds.frames()
    plan = thinning(movie, display_range(movie), outline_bytes=lambda _: 100, room_bytes=1e6)
    assert (plan.shape_YX, list(plan.frames)) == ((worlds.ROWS, worlds.COLUMNS), list(range(worlds.N_FRAMES)))
    image = cv2.imdecode(np.frombuffer(plan.image(movie[0], display_range(movie)), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image.shape == (worlds.ROWS, worlds.COLUMNS)


def test_a_large_movie_is_reduced_and_then_thinned() -> None:
    """Noise of 700 × 900 px: with less and less room first smaller images, then fewer; always within the room."""
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (700, 900), np.uint8) for _ in range(12)]
    shown = display_range(noise)
    plans = []
    for room in (2e7, 4e6, 4e5):
        plan = thinning(noise, shown, outline_bytes=lambda _: 1000, room_bytes=room)
        used = sum(BASE64 * len(plan.image(noise[t], shown)) + 1000 for t in plan.frames)
        assert used <= room
        plans.append(plan)
    assert plans[0].shape_YX == (700, 900)
    assert plans[1].shape_YX[0] < 700 or plans[1].quality < plans[0].quality
    assert plans[1].step == 1
    assert plans[2].step > 1
    assert list(plans[2].frames) == list(range(0, 12, plans[2].step))
