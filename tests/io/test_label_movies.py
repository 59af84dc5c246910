"""Label movies: read back as written, frame by frame, with the scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem
from somanet.io import label_movies
from somanet.io.label_movies import open_label_movie, write_label_movie
from somanet.io.movies import open_movie

SCALE = Calibration(1.28, 12.0)
LABELS = np.arange(5 * 6 * 7, dtype=np.int32).reshape(5, 6, 7) % 4


def write(path: Path, labels: np.ndarray = LABELS, **changes: object) -> None:
    facts = {"n_frames": len(labels), "shape_YX": labels.shape[1:], "largest_id": 3, "calibration": SCALE} | changes
    write_label_movie(path, iter(labels), **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["labels.tif", "labels.zarr"])
@pytest.mark.parametrize(("largest", "dtype"), [(3, "uint16"), (70_000, "uint32")])
def test_labels_come_back_with_their_scale(tmp_path: Path, name: str, largest: int, dtype: str) -> None:
    labels = np.where(LABELS == 3, largest, LABELS)
    write(tmp_path / name, labels, largest_id=largest)
    with open_movie(tmp_path / name) as movie:
        assert movie.dtype == dtype
        assert movie.file_calibration == FileCalibration(1.28, 12.0)
        np.testing.assert_array_equal(np.stack(list(movie)), labels)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@given(st.integers(2, 4), st.integers(2, 9), st.integers(2, 9), st.integers(0, 3000))
def test_any_size_comes_back(n_frames: int, height: int, width: int, seed: int) -> None:
    import tempfile

    labels = np.random.default_rng(seed).integers(0, 9, (n_frames, height, width), dtype=np.int32)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "l.tif", labels, largest_id=9)
        with open_movie(Path(folder) / "l.tif") as movie:
            np.testing.assert_array_equal(np.stack(list(movie)), labels)


def test_fiji_sees_time(tmp_path: Path) -> None:
    write(tmp_path / "labels.tif")
    with tifffile.TiffFile(tmp_path / "labels.tif") as tiff:
        assert tiff.is_imagej
        assert tiff.series[0].axes == "TYX"


def test_a_movie_larger_than_imagej_s_tiff_is_ome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_movies, "CLASSIC_TIFF_BYTES", 100)
    write(tmp_path / "labels.tif")
    with tifffile.TiffFile(tmp_path / "labels.tif") as tiff:
        assert tiff.is_ome
        assert tiff.is_bigtiff
        np.testing.assert_array_equal(tiff.asarray(), LABELS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_frames": 6}, "expected 6 label images, found 5"),
        ({"n_frames": 4}, "found image 5"),
        ({"shape_YX": (7, 6)}, "found image 1 of (6, 7)"),
        ({"labels": LABELS.astype(float)}, "float64"),
        ({"labels": LABELS - 1}, "found -1"),
        ({"labels": LABELS + 65_535}, "to 65538 in frame 0"),
    ],
)
@pytest.mark.parametrize("name", ["labels.tif", "labels.zarr"])
def test_other_frames_than_announced_leave_nothing(
    tmp_path: Path, name: str, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(SomaNetError) as error:
        write(tmp_path / name, **changes)  # type: ignore[arg-type]
    assert words in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match=r"\.tif or \.zarr"):
        write(tmp_path / "labels.png")


@pytest.mark.parametrize("name", ["labels.tif", "labels.zarr"])
def test_a_scale_that_nobody_knows_stays_unsaid(tmp_path: Path, name: str) -> None:
    frames = np.ones((3, 5, 8), np.uint16)
    path = tmp_path / name
    write_label_movie(
        path, frames, n_frames=3, shape_YX=(5, 8), largest_id=1, calibration=FileCalibration(pixel_size_um=0.5)
    )
    with open_movie(path) as movie:
        assert movie.file_calibration == FileCalibration(pixel_size_um=0.5)


def test_labels_that_fiji_saved_as_planes_are_frames(tmp_path: Path) -> None:
    labels = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
    tifffile.imwrite(tmp_path / "planes.tif", labels, imagej=True, metadata={"axes": "ZYX"})
    with open_label_movie(tmp_path / "planes.tif") as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), labels)


@pytest.mark.parametrize(
    ("axes", "shape", "words"),
    [
        ("TCYX", (4, 2, 5, 6), "several, or colours. Save the labels alone"),
        ("TZYX", (4, 3, 5, 6), "found a Z stack for each. Save one plane"),
    ],
)
def test_what_is_no_label_image_per_frame_is_refused(
    tmp_path: Path, axes: str, shape: tuple[int, ...], words: str
) -> None:
    tifffile.imwrite(tmp_path / "other.tif", np.zeros(shape, np.uint16), imagej=True, metadata={"axes": axes})
    with pytest.raises(FileProblem, match=words):
        open_label_movie(tmp_path / "other.tif")
