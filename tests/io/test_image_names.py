"""Which images are one movie, by names as microscopes and labs give them."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from somanet.io.image_names import find_series
from somanet.io.movies import movie_files, movie_name

T, C, Z = 3, 2, 4
TIMES, CHANNELS, PLANES = range(T), range(C), range(Z)


def product(pattern: str, *, t: int = 1, c: int = 1, z: int = 1, first: int = 0) -> dict[tuple[int, int, int], str]:
    """Names by time point, channel and plane."""
    return {
        (i, j, k): pattern.format(t=i + first, c=j, z=k, name="ABCD"[j])
        for i in range(t)
        for j in range(c)
        for k in range(z)
    }


@pytest.mark.parametrize(
    ("names", "pattern", "channels", "name"),
    [
        (product("img_t{t:03}.tif", t=T, first=1), "img_t*.tif", ("0",), "img"),
        (product("t{t:03}.tif", t=T), "t*.tif", ("0",), "01"),  # the Cell Tracking Challenge
        (product("{t:04}.png", t=T), "*.png", ("0",), "01"),
        (product("exp2_frame{t}.tif", t=12), "exp2_frame*.tif", ("0",), "exp2_frame"),  # 9 before 10
        (product("exp-3 t{t}.tif", t=T), "exp-3 t*.tif", ("0",), "exp-3"),
        (product("T76S3F{t:05}.png", t=T), "T76S3F*.png", ("0",), "T76S3"),
        (product("img_{t:09}_{name}_{z:03}.tif", t=T, c=C, z=Z), "img_*_*_*.tif", ("A", "B"), "img"),  # Micro-Manager
        (
            product("img_channel{c:03}_position003_time{t:09}_z{z:03}.tif", t=T, c=C, z=Z),
            "img_channel*_position003_time*_z*.tif",
            ("000", "001"),
            "img_channel_position003_time",
        ),
        (product("exp_w{c}{name}_s2_t{t}.TIF", t=T, c=C), "exp_w*_s2_t*.TIF", ("0A", "1B"), "exp_s2"),  # MetaMorph
        (
            product("a_Series014_t{t}_z{z:02}_ch{c:02}.tif", t=T, c=C, z=Z),
            "a_Series014_t*_z*_ch*.tif",
            ("00", "01"),
            "",
        ),
        (product("VID1709_B3_1_00d{t:02}h30m.tif", t=T), "VID1709_B3_1_*.tif", ("0",), "VID1709_B3_1"),  # Incucyte
        (product("stack_z{z}.tif", z=Z), "stack_z*.tif", ("0",), "stack"),
    ],
)
def test_one_movie(
    tmp_path: Path, names: dict[tuple[int, int, int], str], pattern: str, channels: tuple[str, ...], name: str
) -> None:
    """Whatever the order of the files; what else lies in the folder is none of it."""
    folder = tmp_path / "01"
    others = [folder / "man_track000.tif", folder / "notes.txt", folder / ".img_t009.tif"]
    (series,) = find_series([*others, *sorted((folder / file for file in names.values()), reverse=True)])
    assert series.pattern == folder / pattern
    assert series.planes == {at: folder / file for at, file in names.items()}
    assert (series.channels, series.problem) == (channels, "")
    if name:
        assert movie_name(series.pattern) == name


def test_clock_times() -> None:
    """Over midnight, and over the end of a month, which the calendar gives."""
    names = ["a_A1_1_2024y02m28d_23h45m.tif", "a_A1_1_2024y02m29d_00h15m.tif", "a_A1_1_2024y03m01d_00h15m.tif"]
    (series,) = find_series(Path("x") / name for name in names)
    assert series.times_min == (0, 30, 30 + 1440)
    (series,) = find_series(Path("x") / f"a_A1_1_{days:02}d{hours:02}h00m.tif" for days, hours in ((0, 22), (1, 1)))
    assert series.times_min == (0, 180)


@pytest.mark.parametrize("pattern", ["exp_w1G_s{p}_t{t}.tif", "a_pos{p}_t{t}.tif", "v_A{p}_1_00d0{t}h00m.tif"])
def test_positions_are_movies_of_their_own(pattern: str) -> None:
    files = [Path("x") / pattern.format(p=p, t=t) for p, t in itertools.product((1, 2), TIMES)]
    found = find_series(files)
    assert [set(series.files) for series in found] == [set(files[:T]), set(files[T:])]
    assert len({movie_name(series.pattern) for series in found}) == 2


@pytest.mark.parametrize(
    ("pattern", "ways"),
    [
        ("exp{p}_run0_{t:03}", {"exp*_run0_000.tif": 2, "exp1_run0_*.tif": T}),
        ("f{p}_b_t{t}", {"f1_b_t*.tif": T}),  # the names say what counts time, but not what the other number is
        ("a_frame{p}_t{t}", {"a_frame*_t0.tif": 2, "a_frame1_t*.tif": T}),  # both say that they count time
        ("a{p}_{t}_ch{c}", {"a*_0_ch*.tif": 2 * C, "a1_*_ch*.tif": T * C}),  # channels are those of one movie
        ("a_{p}4h_{t}", {"a_*_0.tif": 2, "a_14h_*.tif": T}),  # a clock time and a number: repeats at each time, or not
        ("a{p}{p}_b{p}", {}),  # whichever counts, no two images differ in it alone
    ],
)
def test_several_numbers_are_not_guessed(tmp_path: Path, pattern: str, ways: dict[str, int]) -> None:
    """Each way that is offered is a movie of as many images, and is taken as one."""
    shown = {pattern.format(p=p, t=t, c=c) for p, t, c in itertools.product((1, 2), TIMES, CHANNELS)}
    files = [tmp_path / f"{name}.tif" for name in sorted(shown)]
    for file in files:
        file.touch()
    (series,) = find_series(files)
    assert (series.undecided, series.says_time, set(series.files)) == (True, False, set(files))
    offered = dict(re.findall(r"'([^']*)' \((\d+) images\)", series.problem))
    assert offered == {str(tmp_path / way): str(number) for way, number in ways.items()}
    for way, number in ways.items():
        (movie,) = find_series(movie_files(tmp_path / way))
        assert (len(movie.files), movie.undecided, movie.problem) == (number, False, "")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["t1", "t2", "t4"], r"2 and then 4: 3 is missing"),
        (
            ["t1_z0", "t1_z1", "t2_z0"],
            r"expected 4 images .*2 × 1 × 2\), found 3; the first that is missing: time 2, plane 1",
        ),
        (["t1", "t01", "t2"], r"have the same number"),
    ],
)
def test_a_hole_is_named(names: list[str], words: str) -> None:
    (series,) = find_series(Path("x") / f"{name}.tif" for name in names)
    assert re.search(words, series.problem)


def test_every_fifth_frame_is_a_movie() -> None:
    (series,) = find_series(Path("x") / f"m_{t:03}.tif" for t in (0, 5, 10))
    assert (series.n_frames, series.says_time, series.problem) == (3, False, "")


def test_what_counts_nothing() -> None:
    assert find_series(Path("x") / name for name in ("a.tif", "b.tif", "c_2024y02m30d_00h00m.tif")) == []
