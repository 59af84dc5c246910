"""Places of doubt and the crops around them, in worlds whose answers are derived."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from somanet.analysis.labelling.crops import Crop, around, choose_window, overlap_share, spread_frames
from somanet.analysis.labelling.doubts import (
    BEGINS,
    ENDS,
    GAP,
    JUMPS,
    LOW,
    SIZE,
    TTA,
    Place,
    broken_tracks,
    changed_objects,
    crops_of_doubt,
    doubtful_objects,
    reasons_of,
)
from somanet.analysis.labelling.proposals import eight_bit

SHAPE_YX = (400, 700)


def track(number: int, frames: list[int], y: float, xs: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"track_id": number, "frame": frames, "y_px": y, "x_px": xs})


def test_tracks_are_broken_inside_of_movie_and_image_only() -> None:
    """Five frames. 1 is whole; 2 begins late and ends early; 3 leaves over the edge; 4 has a gap; 5 jumps by 90 px."""
    tracks = pd.concat(
        [
            track(1, [0, 1, 2, 3, 4], 200, [100, 102, 104, 106, 108]),
            track(2, [1, 2, 3], 250, [300, 302, 304]),
            track(3, [0, 1, 2], 300, [24, 14, 4]),
            track(4, [0, 1, 3, 4], 100, [500, 502, 504, 506]),
            track(5, [0, 1, 2, 3, 4], 150, [400, 402, 492, 494, 496]),
        ]
    )
    found = broken_tracks(tracks, SHAPE_YX, diameter_px=20)
    assert [(one.kind, one.frame, one.x_px) for one in found] == [
        (BEGINS, 1, 300),
        (ENDS, 3, 304),
        (GAP, 3, 504),
        (JUMPS, 2, 492),
    ]
    assert found[-1].value == pytest.approx(90 / 20)


def test_a_soma_is_doubtful_by_its_confidence_and_its_area_over_the_median() -> None:
    """Areas 100, 100, 100, 240 and 45 of a median of 100: 2.4 times and 0.45 times."""
    somas = pd.DataFrame(
        {
            "frame": [0, 0, 1, 1, 1],
            "y_px": 50.0,
            "x_px": [10.0, 20.0, 30.0, 40.0, 50.0],
            "area_px": [100, 100, 100, 240, 45],
            "confidence": [0.9, 0.6, 0.95, 0.8, 0.71],
        }
    )
    found = doubtful_objects(somas)
    assert [(one.kind, one.frame, one.x_px) for one in found] == [(LOW, 0, 20), (SIZE, 1, 40), (SIZE, 1, 50)]
    assert [one.weight for one in found] == pytest.approx([0.4, math.log(2.4) / 2, -math.log(0.45) / 2])


def test_an_object_that_augmentation_moves_adds_or_loses_is_named_once() -> None:
    """Rows of 10 px: one moved by 5 (IoU 5/15), one lost, one added, one the same."""
    plain, turned = np.zeros((30, 60), np.int32), np.zeros((30, 60), np.int32)
    plain[5, 0:10], turned[5, 5:15] = 1, 4
    plain[10, 20:30], turned[20, 40:50] = 2, 9
    plain[25, 0:10] = turned[25, 0:10] = 3
    found = changed_objects(7, plain, turned)
    assert [(one.kind, one.frame, one.y_px) for one in found] == [(TTA, 7, 5), (TTA, 7, 10), (TTA, 7, 20)]
    assert [one.value for one in found] == pytest.approx([1 / 3, 0, 0])


def places(*where: tuple[int, float, float, float]) -> list[Place]:
    return [Place(frame, y, x, LOW, weight, 1 - weight) for frame, y, x, weight in where]


def test_the_most_doubtful_crop_comes_first_and_the_next_lies_elsewhere() -> None:
    """Two places in one crop weigh 0.9 together; the neighbouring frame shows the same; another place weighs 0.4."""
    doubts = places((10, 200, 300, 0.5), (10, 220, 320, 0.4), (11, 200, 300, 0.5), (11, 220, 320, 0.35))
    doubts += places((40, 100, 600, 0.4))
    first, second, third = crops_of_doubt(doubts, "m", SHAPE_YX, n_frames=60, count=3, size_px=128)
    assert (first.frame, first.score) == (10, 0.9)
    assert (second.frame, second.score) == (40, 0.4)  # less, but new
    assert third.frame == 11
    assert first.y_px <= 200 < 220 < first.y_px + 128
    assert first.reasons == "2 somas of low confidence (0.50)"


def test_a_place_at_the_edge_counts_half() -> None:
    doubts = places((0, 200, 2, 0.8), (0, 200, 500, 0.5))
    crops = crops_of_doubt(doubts, "m", SHAPE_YX, n_frames=1, count=2, size_px=128)
    assert [crop.score for crop in crops] == [0.5, 0.4]
    assert crops[1].x_px == 0


def test_without_doubt_there_is_no_crop() -> None:
    assert crops_of_doubt([], "m", SHAPE_YX, n_frames=9, count=3, size_px=128) == []


def test_reasons_name_the_heaviest_kind_first() -> None:
    one = [
        Place(0, 1, 1, ENDS, 1.0),
        Place(0, 1, 1, ENDS, 1.0),
        Place(0, 1, 1, SIZE, 0.5, 2.7),
        Place(0, 1, 1, LOW, 0.6, 0.4),
    ]
    assert (
        reasons_of(one)
        == "track ends (2 ×); 1 soma of low confidence (0.40); 1 soma of unusual size (2.7 × the median)"
    )


def test_reasons_tell_moved_somas_from_those_that_come_and_go() -> None:
    one = [Place(0, 1, 1, TTA, 0.6, 0.4), Place(0, 1, 1, TTA, 1.0, 0.0), Place(0, 1, 1, TTA, 1.0, 0.0)]
    assert reasons_of(one) == (
        "1 soma changed by test-time augmentation (IoU 0.40); "
        "2 somas found only with or only without test-time augmentation"
    )


# Crops


def test_frames_are_the_middles_of_equal_parts() -> None:
    assert spread_frames(64, 4) == [8, 24, 40, 56]
    assert spread_frames(3, 12) == [0, 1, 2]


def test_a_crop_is_moved_into_the_image_and_a_small_image_is_taken_whole() -> None:
    crop = around("m", 3, (390, 5), SHAPE_YX, 128)
    assert (crop.y_px, crop.x_px, crop.height_px, crop.width_px) == (400 - 128, 0, 128, 128)
    assert crop.name == "m_t03_y272_x000"
    assert around("a", None, (10, 10), (60, 80), 128).name == "a"
    assert overlap_share(crop, Crop("m", 9, 272 + 64, 0, 128, 128)) == 0.5
    assert overlap_share(crop, Crop("other", 3, 272, 0, 128, 128)) == 0


def test_windows_show_something_and_avoid_those_before() -> None:
    """Bright squares in two corners of a dark image: one window each, then no third place."""
    rng = np.random.default_rng(3)
    image = rng.normal(100, 5, (400, 500))
    image[20:60, 20:60] = image[340:380, 440:480] = 1000
    found: list[Crop] = []
    for _ in range(2):
        found.append(choose_window(image, "m", 0, found, size_px=128))
    held = [image[crop.place].max() > 900 for crop in found]
    assert held == [True, True]
    assert overlap_share(*found) == 0


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_eight_bits_are_those_of_imagej(kind: type) -> None:
    """uint8 as it is; others from their least to their largest, in 256 bins of equal width for whole numbers."""
    image = np.array([[10, 20, 90]], kind)
    expected = {np.uint8: [10, 20, 90], np.uint16: [0, round(10 * 256 / 81), 253], np.float32: [0, 32, 255]}
    assert eight_bit(image).tolist() == [expected[kind]]
    green = np.zeros((1, 3, 3), kind)
    green[..., 1] = image
    assert eight_bit(green).tolist() == eight_bit(image).tolist()
