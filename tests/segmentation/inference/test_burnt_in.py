"""Scale bars and time stamps, drawn over frames with noise, blurred cells and saturated ones."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from somanet.segmentation.inference.burnt_in import Cleaned, find_burnt_in, sampled

HEIGHT, WIDTH, N_FRAMES = 120, 170, 11
FULL = 4095


def camera(*, cells: float = 1500, dtype: type = np.uint16, full: int = FULL) -> np.ndarray:
    """Cells that move a little, blurred as by a lens, over a background of a tenth of the range, with noise."""
    rng = np.random.default_rng(3)
    frames = []
    for t in range(N_FRAMES):
        sharp = np.zeros((HEIGHT, WIDTH))
        for y, x in ((30, 40 + t), (70, 110), (90, 60 - t)):
            cv2.circle(sharp, (x, y), 7, cells / FULL, -1)
        light = 0.1 + cv2.GaussianBlur(sharp, (0, 0), 1.5) + rng.normal(0, 0.01, sharp.shape)
        frames.append((full * light).clip(0, full).astype(dtype))
    return np.stack(frames)


def looked_at(frames: np.ndarray) -> list[np.ndarray]:
    return [frames[t] for t in sampled(len(frames))]


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 4095), (np.uint16, 65535)])
def test_a_scale_bar_is_found(dtype: type, full: int) -> None:
    frames = camera(dtype=dtype, full=full)
    frames[:, 108:112, 120:160] = full
    found = find_burnt_in(looked_at(frames))
    assert found is not None
    assert found.as_list() == [[106, 118, 113, 161]]  # with a margin of two pixels
    assert found.in_words == "rows 106 to 113, columns 118 to 161, counted from 0"
    assert found.mask_YX.sum() == 8 * 44


def stamped(text_of: Callable[[int], str], *, smoothed: bool = False, value: int = FULL) -> np.ndarray:
    frames = camera()
    for t, frame in enumerate(frames):
        ink = np.zeros(frame.shape, np.uint8)
        cv2.putText(ink, text_of(t), (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 255, 1, cv2.LINE_AA if smoothed else 8)
        frame[:] = np.maximum(frame, (ink / 255 * value).astype(frame.dtype))
    return frames


def test_smoothed_letters_are_found() -> None:
    frames = stamped(lambda t: f"{t // 5}:{12 * (t % 5):02d} h", smoothed=True)
    found = find_burnt_in(looked_at(frames))
    assert found is not None
    assert found.mask_YX[(frames == FULL).any(axis=0)].all()


def test_a_time_stamp_is_found_with_all_its_digits() -> None:
    """`0:00 h` to `2:00 h`: the box holds every pixel of any of them, those of frames that were not looked at too."""
    frames = stamped(lambda t: f"{t // 5}:{12 * (t % 5):02d} h")
    found = find_burnt_in(looked_at(frames))
    assert found is not None
    assert found.mask_YX[(frames == FULL).any(axis=0)].all()
    assert found.mask_YX.mean() < 0.06


def test_a_digit_that_comes_later_belongs_to_the_stamp() -> None:
    frames = stamped(lambda t: f"{t + 4:2d} h")
    found = find_burnt_in(looked_at(frames))
    assert found is not None
    assert found.mask_YX[(frames == FULL).any(axis=0)].all()


def test_saturated_cells_are_no_scale_bars() -> None:
    """The middle one rests: as bright, at the same place, but with a lens's edge."""
    frames = camera(cells=9000)
    assert (frames == FULL).all(axis=0).sum() > 50
    assert find_burnt_in(looked_at(frames)) is None


@pytest.mark.parametrize(("dtype", "value"), [(np.uint8, 200), (np.uint16, 4000), (np.uint16, 1800), (np.float32, 0.7)])
def test_a_scale_bar_of_any_value_is_found(dtype: type, value: float) -> None:
    """Brighter than every cell, or not: its pixels never change, and those around them do."""
    full = 1.0 if dtype is np.float32 else 255 if dtype is np.uint8 else FULL
    frames = camera(dtype=dtype, full=full) if dtype is not np.float32 else (camera() / FULL).astype(np.float32)
    assert find_burnt_in(looked_at(frames)) is None
    frames[:, 108:112, 120:160] = value
    found = find_burnt_in(looked_at(frames))
    assert found is not None
    assert found.as_list() == [[106, 118, 113, 161]]


def test_a_time_stamp_of_another_value_is_found() -> None:
    frames = stamped(lambda t: f"{t // 5}:{12 * (t % 5):02d} h", value=3000)
    found = find_burnt_in(looked_at(frames))
    assert found is not None
    assert found.mask_YX[(frames == 3000).any(axis=0)].mean() > 0.98  # a pixel of a cell may have this value, too
    assert found.mask_YX.mean() < 0.06


@pytest.mark.parametrize("limit", [2500, 1200, 800])
def test_cells_at_a_camera_s_own_limit_are_no_graphics(limit: int) -> None:
    """Exactly constant as well, but with a lens's edge."""
    frames = np.minimum(camera(cells=9000), limit)
    assert (frames == limit).all(axis=0).sum() > 50
    assert find_burnt_in(looked_at(frames)) is None


def test_stuck_pixels_are_no_graphics() -> None:
    frames = camera()
    places = np.random.default_rng(1).integers(0, (HEIGHT, WIDTH), (30, 2))
    frames[:, places[:, 0], places[:, 1]] = 3000
    assert find_burnt_in(looked_at(frames)) is None


def test_few_grey_levels_are_no_graphics() -> None:
    """Steps of a coarse picture stay the same as well, in most of it."""
    assert find_burnt_in(looked_at(camera() // 200)) is None
    assert find_burnt_in(looked_at(np.repeat(camera()[:1], 8, axis=0))) is None


def test_what_single_frames_show_is_not_burnt_in() -> None:
    frames = camera()
    frames[4, 108:112, 120:160] = FULL
    assert find_burnt_in(looked_at(frames)) is None
    assert find_burnt_in([]) is None
    assert find_burnt_in([frames[4]]) is None


def test_a_mask_as_a_movie_is_no_scale_bar() -> None:
    masks = np.zeros((N_FRAMES, HEIGHT, WIDTH), np.uint8)
    masks[:, 20:80, 30:90] = 255
    assert find_burnt_in(looked_at(masks)) is None


def test_boxes_are_filled_like_their_surroundings() -> None:
    frames = camera()
    plain = frames[0].copy()
    frames[:, 108:112, 120:160] = FULL
    found = find_burnt_in(looked_at(frames))
    assert found is not None
    filled = found.removed_from(frames[0])
    assert np.array_equal(filled[~found.mask_YX], plain[~found.mask_YX])
    assert np.abs(filled[found.mask_YX].astype(float) - np.median(plain)).max() < 30
    assert frames[0].max() == FULL  # the input stays


def test_frames_are_read_without_what_is_burnt_in() -> None:
    frames = np.random.default_rng(4).integers(90, 110, (5, 40, 60)).astype(np.uint8)
    burnt = frames.copy()
    burnt[:, 30:34, 40:55] = 255
    found = find_burnt_in(list(burnt))
    assert found is not None
    cleaned = Cleaned(burnt, found.as_list(), (40, 60))
    assert len(cleaned) == 5
    assert cleaned[2].max() < 110
    outside = ~found.mask_YX
    np.testing.assert_array_equal(cleaned[3][outside], frames[3][outside])
    np.testing.assert_array_equal(np.stack(list(cleaned[1:3])), np.stack([cleaned[1], cleaned[2]]))
