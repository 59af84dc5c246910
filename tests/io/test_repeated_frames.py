"""Frames that a file stores again, in movies with a camera's noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from somanet.io.movies import open_movie
from somanet.io.repeated_frames import Repeats, find_repeats
from somanet.io.video_writing import write_video

RNG = np.random.default_rng(5)
FRAMES = [RNG.normal(500, 20, (21, 34)).astype(np.uint16) for _ in range(12)]


def stored(numbers: list[int]) -> Repeats:
    """A file that stores these frames one after the other."""
    return find_repeats(FRAMES[n] for n in numbers)


@pytest.mark.parametrize(
    ("numbers", "distinct"),
    [
        ([0, 0, 1, 1, 2, 2, 3, 3], (0, 2, 4, 6)),
        ([0, 0, 1, 1, 2, 2, 3], (0, 2, 4, 6)),  # cut in the middle of a pair
        ([0, 0, 0, 1, 1, 1, 2, 2, 2], (0, 3, 6)),
        (
            [0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8],
            (0, 1, 2, 4, 5, 6, 8, 9, 10),
        ),  # 3 frames made 4
    ],
)
def test_regular_repeats_are_those_of_a_frame_rate(numbers: list[int], distinct: tuple[int, ...]) -> None:
    found = stored(numbers)
    assert found.regular
    assert found.distinct == distinct


@pytest.mark.parametrize(
    ("numbers", "repeated"),
    [
        (list(range(12)), ()),
        ([0, 1, 2, 2, 3, 4, 5, 6], (3,)),
        ([0, 1, 2, 2, 2, 2, 3, 4, 5, 6, 7], (3, 4, 5)),  # it hung
        ([0, 1, 2, 3, 4, 5, 6, 6, 6], (7, 8)),  # and never came back
        ([0, 1, 0, 1, 0, 1], ()),  # not neighbours
    ],
)
def test_other_repeats_are_not(numbers: list[int], repeated: tuple[int, ...]) -> None:
    found = stored(numbers)
    assert found.frames == repeated
    assert not found.regular


def test_a_single_pixel_makes_a_frame_another() -> None:
    """Wherever it lies: most frames are told apart by a few pixels, but none is called a repeat by a few."""
    for place in [(0, 0), (1, 1), (20, 33), (13, 7)]:
        other = FRAMES[0].copy()
        other[place] += 1
        assert find_repeats([FRAMES[0], other, FRAMES[1]]).frames == ()


def test_a_drawn_movie_without_noise_may_rest() -> None:
    drawn = np.zeros((9, 21, 34), np.uint8)
    drawn[:, 3:7, 3:9] = 200
    drawn[5:, 12:15, 20:24] = 200  # one cell appears, and all stays as it is
    assert find_repeats(drawn).frames == ()


def test_blank_frames_are_blank_and_no_repeats() -> None:
    blank = np.zeros((21, 34), np.uint16)
    assert find_repeats([FRAMES[0], blank, blank, blank, FRAMES[1], FRAMES[2]]).frames == ()


def test_a_still_image_is_one_picture() -> None:
    assert find_repeats([FRAMES[0]] * 5).distinct == (0,)
    drawn = np.zeros((21, 34), np.uint8)
    drawn[3:7, 3:9] = 200
    assert find_repeats([drawn] * 5).frames == ()


@pytest.mark.parametrize("times", [2, 3, 4])
def test_copies_that_compression_changed_are_regular_or_none(tmp_path: Path, times: int) -> None:
    """An MP4 of cells with noise, each frame several times, and of the same frames once."""
    rng = np.random.default_rng(2)
    frames = []
    for t in range(10):
        light = np.full((48, 66), 60.0)
        light[10:22, 8 + 3 * t : 20 + 3 * t] = 190
        frames.append((light + rng.normal(0, 12, light.shape)).clip(0, 255).astype(np.uint8))

    def found(times: int) -> Repeats:
        path = tmp_path / f"{times}.mp4"
        write_video(path, [np.stack([frame] * 3, axis=-1) for frame in frames for _ in range(times)], fps=10)
        with open_movie(path) as movie:
            return find_repeats(movie)

    assert found(1).frames == ()
    assert found(times).regular
    assert found(times).distinct == tuple(range(0, 10 * times, times))
