"""What axes mean may be said otherwise: time stored as planes, channels or colours; what a message offers works."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from somanet.core.problems import FileProblem, StackProblem
from somanet.io.movie_layout import Wanted, find_layout, split_axes
from somanet.io.movies import open_movie

N, M, Y, X = 5, 3, 23, 37
FRAMES = np.random.default_rng(0).permutation(N * M * Y * X).reshape(N, M, Y, X).astype(np.uint16)


def save(path: Path, array: np.ndarray, axes: str) -> Path:
    if path.suffix == ".zarr":
        zarr.create_array(str(path), shape=array.shape, dtype="uint16", dimension_names=list(axes.lower()))[:] = array
    elif path.name.startswith("planar"):
        tifffile.imwrite(path, array, planarconfig="separate", photometric="minisblack")
    elif path.name.startswith("contig"):
        tifffile.imwrite(path, np.moveaxis(array, 0, -1), planarconfig="contig", photometric="minisblack")
    elif path.name.startswith("plain"):
        tifffile.imwrite(path, array, photometric="minisblack")
    else:
        kind = {"ome": True} if ".ome" in path.name else {"imagej": True}
        tifffile.imwrite(path, array, photometric="minisblack", metadata={"axes": axes}, **kind)
    return path


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("ij.tif", "ZYX"), ("ij.tif", "CYX"), ("a.ome.tif", "ZYX"), ("a.ome.tif", "CYX"), ("planar.tif", "SYX"),
        ("contig.tif", "YXS"), ("a.zarr", "ZYX"), ("a.zarr", "CYX"),
    ],
)  # fmt: skip
def test_the_message_offers_what_works(tmp_path: Path, name: str, axes: str) -> None:
    """One frame and many planes or channels: the refusal ends with the value of --axes that makes them time points."""
    path = save(tmp_path / name, FRAMES[:, 0], axes)
    with pytest.raises(StackProblem if "Z" in axes else FileProblem, match=r"time points: --axes \w+$") as caught:
        open_movie(path)
    offered = str(caught.value).rpartition(" ")[2]
    with open_movie(path, axes=offered) as movie:
        assert (movie.n_frames, movie.n_planes, movie.n_channels, movie.unnamed) == (N, 1, 1, False)
        np.testing.assert_array_equal(np.stack(list(movie)), FRAMES[:, 0])
        np.testing.assert_array_equal(movie.frame(3), FRAMES[3, 0])


@pytest.mark.parametrize(
    ("name", "stored"), [("ij.tif", "ZCYX"), ("a.ome.tif", "ZCYX"), ("a.zarr", "ZCYX"), ("plain.tif", "")]
)
def test_time_as_planes_beside_channels(tmp_path: Path, name: str, stored: str) -> None:
    path = save(tmp_path / name, FRAMES, stored)
    for channel in range(M):
        with open_movie(path, axes="tcyx", channel=channel) as movie:
            assert (movie.n_frames, movie.n_channels) == (N, M)
            np.testing.assert_array_equal(np.stack(list(movie)), FRAMES[:, channel])
    with open_movie(path, axes="CTYX", channel=4) as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), FRAMES[4])
    with open_movie(path, axes="TZYX", z="max") as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), FRAMES.max(axis=1))


def test_an_axis_of_one_element_need_not_be_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.zarr", FRAMES[:1, :, None], "TZCYX")
    for axes in ("TYX", "ZTCYX"):
        with open_movie(path, axes=axes) as movie:
            np.testing.assert_array_equal(np.stack(list(movie)), FRAMES[0])


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ("TQX", "--axes is 'TQX'; expected one letter for each"), ("TTYX", "--axes is 'TTYX'"), ("", "--axes is ''"),
        ("TYX", r"TYX does not fit the file's axes: Z=5, C=3, Y=23, X=37\. Give 4 letters"),
        ("TYCX", r"TYCX does not fit .*Y and X where"), ("TCXY", "TCXY does not fit"), ("TZCYX", "TZCYX does not fit"),
        ("T" * 1000, "--axes is 'TTTTTTTTTTTTTTTTTTTT'; expected"),
    ],
)  # fmt: skip
def test_axes_that_do_not_fit(tmp_path: Path, axes: str, words: str) -> None:
    for path in (save(tmp_path / "ij.tif", FRAMES, "ZCYX"), save(tmp_path / "a.zarr", FRAMES, "ZCYX")):
        with pytest.raises(FileProblem, match=words) as caught:
            open_movie(path, axes=axes)
        assert len(str(caught.value)) < 400 + len(str(path))


def test_a_movie_with_time_is_offered_nothing(tmp_path: Path) -> None:
    """Neither planes nor channels can be time points where there are time points already."""
    for name, axes in (("a.ome.tif", "TZYX"), ("b.ome.tif", "TCYX")):
        with pytest.raises(FileProblem) as caught:
            open_movie(save(tmp_path / name, FRAMES, axes))
        assert not re.search("--axes", str(caught.value))


def test_a_page_may_hold_several_planes() -> None:
    """Channels within a page, as LSM stores them, and the other axes over pages, whatever has one element."""
    layout = find_layout("TZCYX", (N, 4, M, Y, X), Wanted(channel=0, z=0), "x")
    assert split_axes(layout, N * 4 * M) == ("TZC", "YX")
    assert split_axes(layout, N * 4) == ("TZ", "CYX")
    assert split_axes(layout, 1) == ("", "TZCYX")
    assert split_axes(layout, 7) is None
    layout = find_layout("TZCYX", (N, 1, M, Y, X), Wanted(channel=0), "x")
    assert split_axes(layout, N) == ("TZ", "CYX")
