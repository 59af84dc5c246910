"""Clock times in the names of images: order and times as a calendar gives them, and what is no clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import tifffile

from somanet.core.problems import FileProblem
from somanet.io.clock_names import find_clocks
from somanet.io.image_names import Series, find_series
from somanet.io.movies import open_movie

START = datetime(2024, 2, 28, 23, 0, 0)
STEPS_MIN = (0, 10, 20, 75, 85, 1465)
"""With a pause, over midnight, and over the 29th of February."""


def series_of(names: list[str]) -> Series:
    (series,) = find_series(Path("x") / name for name in names)
    return series


@pytest.mark.parametrize(
    "written",
    [
        "img_%Y%m%d-%H%M%S.png", "img_%Y%m%d_%H%M%S.tif", "%Y%m%d%H%M%S.tif", "%Y-%m-%d_%H-%M-%S.tif",
        "%Y-%m-%d %H.%M.%S.png", "%Y-%m-%dT%H-%M.tif", "a_%Y_%m_%d_%H_%M_%S_GFP.tif", "a_%Y-%m-%d_%Hh%Mm.jpg",
        "VID7_B3_1_%Yy%mm%dd_%Hh%Mm.tif", "well7_%Yy%mm%dd_%Hh%Mm.tif", "exp20240101-000000_%Y%m%d-%H%M%S.tif",
    ],
)  # fmt: skip
def test_calendar_times(written: str) -> None:
    """By the standard library's calendar, whatever the order in which the files are listed."""
    names = [(START + timedelta(minutes=minutes)).strftime(written) for minutes in STEPS_MIN]
    series = series_of(names[::-1])
    assert series.times_min == STEPS_MIN
    assert [file.name for file in series.files] == names
    assert (series.says_time, series.problem) == (True, "")


@pytest.mark.parametrize(
    ("names", "minutes"),
    [
        (["i_9h50m.tif", "i_10h00m.tif", "i_10h20m.tif"], (0, 10, 30)),  # 9 before 10
        (["00d23h50m.tif", "01d00h10m.tif", "01d01h10m.tif"], (0, 20, 80)),
        (["a_0h.tif", "a_24h.tif", "a_36h.tif"], (0, 1440, 2160)),
        (["a_30min.tif", "a_90min.tif", "a_180min.tif"], (0, 60, 150)),
        (["a_1h00m30s.tif", "a_1h01m00s.tif", "a_1h02m30s.tif"], (0, 0.5, 2)),
        (["a_10h00m_ch0.tif", "a_10h00m_ch1.tif", "a_10h15m_ch0.tif", "a_10h15m_ch1.tif"], (0, 15)),
        (["a_001_23h00m.tif", "a_002_23h10m.tif", "a_003_23h40m.tif"], (0, 10, 40)),  # numbered, too
        ([f"a_10h{minute:02}m.tif" for minute in (0, 2, 5, 7, 10)], (0, 2.5, 5, 7.5, 10)),  # 2.5 min, cut to minutes
    ],
)
def test_times_since_any_moment(names: list[str], minutes: tuple[float, ...]) -> None:
    series = series_of(names)
    assert series.times_min == pytest.approx(minutes)
    assert (len(series.clocks), series.says_time, series.problem) == (len(minutes), True, "")


@pytest.mark.parametrize(
    "names",
    [
        [f"20240501_{t:06}.tif" for t in (10, 20, 30)],  # a date and a counter
        [f"20240501_01_{t:02}.tif" for t in (5, 6, 7)],  # a date, a position and a counter
        [f"treated_24h_{t:03}.tif" for t in (1, 2, 3)],
        ["a_24h_1.tif", "a_24h_2.tif", "a_24h_3.tif", "a_48h_4.tif"],  # the clock is coarser than the frames
    ],
)
def test_what_may_count_frames_stays_a_number(names: list[str]) -> None:
    series = series_of(names)
    assert (series.n_frames, series.times_min, series.says_time, series.problem) == (len(names), (), False, "")


@pytest.mark.parametrize("stem", ["a_20240230-100000", "a_20240501-250000", "a_1d25h00m", "a_10h75m", "H2B", "x24"])
def test_no_such_time(stem: str) -> None:
    assert find_clocks(stem) == ()


def test_two_times_of_two_repeats_are_not_put_in_order() -> None:
    series = series_of([f"a_{hours}h_{i}.tif" for hours in (24, 48) for i in (1, 2)])
    assert (series.undecided, series.times_min) == (True, ())


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["i_23h40m", "i_23h50m", "i_00h00m", "i_00h10m"], "past midnight, from 23h50m to 00h00m"),
        (["i1_23h50m", "i2_00h00m", "i3_00h10m"], r"different orders \(such as i2_00h00m\.tif\)"),
    ],
)
def test_midnight_without_a_date_is_refused(names: list[str], words: str) -> None:
    import re

    assert re.search(words, series_of([f"{name}.tif" for name in names]).problem)


def write(folder: Path, names: list[str], pixels: np.ndarray) -> Path:
    folder.mkdir()
    for name, image in zip(names, pixels, strict=True):
        tifffile.imwrite(folder / name, image, photometric="minisblack")
    return folder


def test_a_missing_image_is_a_pause_and_shifts_no_frame(tmp_path: Path) -> None:
    """Frames 12 min apart, of which the third is missing: the others keep their times."""
    pixels = np.random.default_rng(0).integers(0, 255, (5, 20, 30), dtype=np.uint8)
    taken = [0, 12, 36, 48, 60]
    names = [f"i_{(600 + minutes) // 60}h{(600 + minutes) % 60:02}m.tif" for minutes in taken]
    with open_movie(write(tmp_path / "a", names, pixels)) as movie:
        assert movie.file_calibration.frame_interval_min == 12
        assert movie.file_calibration.times_h == pytest.approx([minutes / 60 for minutes in taken])
        np.testing.assert_array_equal(np.stack(list(movie)), pixels)
        (note,) = movie.notes
    assert "10h00m to 11h00m" in note


def test_formats_that_are_mixed_are_refused(tmp_path: Path) -> None:
    """One odd image of another format: named, where half of the movie was read before."""
    import cv2

    pixels = np.random.default_rng(0).integers(0, 255, (4, 20, 30), dtype=np.uint8)
    folder = write(tmp_path / "a", [f"t{t}.{ending}" for t, ending in enumerate(("tif", "TIF", "tiff"))], pixels[:3])
    with open_movie(folder) as movie:  # one format by any name
        np.testing.assert_array_equal(np.stack(list(movie)), pixels[:3])
    cv2.imwrite(str(folder / "t3.png"), pixels[3])
    with pytest.raises(FileProblem, match=r"of one format, found 3 TIFF and 1 PNG \(t3\.png\)"):
        open_movie(folder)
    for t in range(3):  # now every image is there as PNG, and those as TIFF are copies
        cv2.imwrite(str(folder / f"t{t}.png"), pixels[t])
    with pytest.raises(FileProblem, match=r"found 2 series .*'t\*\.\*' \(3 frames\).*'t\*\.png' \(4 frames\)"):
        open_movie(folder)
    with open_movie(folder / "t*.png") as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), pixels)


def test_images_beside_a_movie_are_named(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 20, 30), dtype=np.uint8)
    folder = write(tmp_path / "a", ["t0.tif", "t1.tif", "overview.tif"], pixels)
    with open_movie(folder) as movie:
        assert ["by their names: overview.tif." in note for note in movie.notes] == [True]


@pytest.mark.parametrize("odd", [0, 2])
def test_an_image_of_another_depth_is_named_even_if_it_is_the_first(tmp_path: Path, odd: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (4, 20, 30), dtype=np.uint8)
    folder = write(tmp_path / "a", [f"t{t}.tif" for t in range(4)], pixels)
    tifffile.imwrite(folder / f"t{odd}.tif", pixels[odd].astype(np.uint16))
    with (
        pytest.raises(FileProblem, match=rf"found 3 of 20 × 30 uint8 and 1 other: t{odd}\.tif \(20 × 30 uint16\)"),
        open_movie(folder) as movie,
    ):
        list(movie)
