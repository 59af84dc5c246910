"""Z stacks: one plane or the projection of all, in every order that axes are stored in; never a guess."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from somanet.core.calibration import FileCalibration
from somanet.core.problems import FileProblem, StackProblem
from somanet.io.movie_base import project
from somanet.io.movies import open_movie, write_movie
from somanet.io.video_writing import write_video

T, Z, C, Y, X = 3, 4, 2, 23, 37
VALUES = np.random.default_rng(0).permutation(T * Z * C * Y * X).reshape(T, Z, C, Y, X).astype(np.uint16)
"""Every pixel of every plane has a value of its own."""


def save(path: Path, axes: str) -> Path:
    """The values in a given order of axes."""
    array = np.ascontiguousarray(np.moveaxis(VALUES, range(5), [axes.index(axis) for axis in "TZCYX"]))
    if path.suffix == ".zarr":
        names = list(axes.lower())
        zarr.create_array(str(path), shape=array.shape, dtype="uint16", dimension_names=names)[:] = array
    elif path.name.endswith(".ome.tif"):
        packed = {"compression": "zlib"} if path.name.startswith("packed") else {}
        tifffile.imwrite(path, array, ome=True, photometric="minisblack", metadata={"axes": axes}, **packed)
    else:
        tifffile.imwrite(path, array, imagej=True, metadata={"axes": axes})
    return path


FILES = [
    ("imagej.tif", "TZCYX"),
    ("block.ome.tif", "TZCYX"),
    ("packed.ome.tif", "TCZYX"),
    ("other.ome.tif", "CTZYX"),
    ("array.zarr", "TCZYX"),
    ("other.zarr", "ZTCYX"),
    ("turned.zarr", "TZCXY"),
]


@pytest.mark.parametrize(("name", "axes"), FILES)
def test_a_plane_and_the_projection(tmp_path: Path, name: str, axes: str) -> None:
    path = save(tmp_path / name, axes)
    for channel in range(C):
        for z, expected in [
            *((z, VALUES[:, z, channel]) for z in range(Z)),
            ("max", VALUES[:, :, channel].max(axis=1)),
        ]:
            with open_movie(path, channel=channel, z=z) as movie:
                assert (movie.n_frames, movie.shape_YX, movie.unnamed) == (T, (Y, X), False)
                np.testing.assert_array_equal(np.stack(list(movie)), expected)


@pytest.mark.parametrize(("name", "axes"), FILES)
def test_without_a_choice_the_stack_is_refused(tmp_path: Path, name: str, axes: str) -> None:
    with pytest.raises(StackProblem, match=r"Z stack of 4 planes .*--z 0 \(one plane, counted from 0\)\.$"):
        open_movie(save(tmp_path / name, axes), channel=0)


@pytest.mark.parametrize("z", [None, 0, "0", "max", "MAX"])
def test_a_movie_has_one_plane(tmp_path: Path, z: int | str | None) -> None:
    write_movie(tmp_path / "m.tif", VALUES[:, 0, 0], FileCalibration())
    with open_movie(tmp_path / "m.tif", z=z) as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), VALUES[:, 0, 0])


def test_a_plane_that_no_file_of_the_kind_has(tmp_path: Path) -> None:
    write_movie(tmp_path / "cut.tif", VALUES[:, 0, 0], FileCalibration())
    data = (tmp_path / "cut.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(data[: len(data) * 2 // 3])
    write_video(tmp_path / "v.mp4", [np.zeros((24, 36, 3), np.uint8)] * 3, fps=5)
    for name in ("cut.tif", "v.mp4"):
        open_movie(tmp_path / name, z="max", allow_truncated=True).close()
        with pytest.raises(FileProblem, match="no plane 2; the file has no Z axis, only plane 0"):
            open_movie(tmp_path / name, z=2, allow_truncated=True)


def test_a_projection_is_each_pixels_largest_value() -> None:
    planes = [np.array([[1, 5, 2]]), np.array([[4, 0, 2]]), np.array([[3, 3, 3]])]
    np.testing.assert_array_equal(project(planes), [[4, 5, 3]])
    np.testing.assert_array_equal(project(planes[1:2]), planes[1])
