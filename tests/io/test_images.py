"""Images: read back as written; every defect is one clear line."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem
from somanet.io.decoding import decode_image, decode_labels
from somanet.io.images import encode_png, read_image, read_labels, write_image, write_labels

RNG = np.random.default_rng(5)


def picture(*shape: int, dtype: str = "uint8") -> np.ndarray:
    if dtype == "float32":
        return RNG.normal(size=shape).astype(np.float32)
    return RNG.integers(0, np.iinfo(dtype).max, shape).astype(dtype)


@pytest.mark.parametrize("shape", [(31, 47), (31, 47, 3), (31, 47, 4)])
@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [(".png", "uint8"), (".png", "uint16"), (".tif", "uint8"), (".tiff", "uint16"), (".tif", "float32")],
)
def test_an_image_is_read_back_as_written(tmp_path: Path, shape: tuple[int, ...], suffix: str, dtype: str) -> None:
    image = picture(*shape, dtype=dtype)
    path = tmp_path / f"image{suffix}"
    write_image(path, image)
    again = read_image(path)
    assert again.dtype == image.dtype
    np.testing.assert_array_equal(again, image)


def test_colours_come_in_rgb_order_from_every_format(tmp_path: Path) -> None:
    red = np.zeros((8, 12, 3), np.uint8)
    red[..., 0] = 250
    tifffile.imwrite(tmp_path / "planar.tif", np.moveaxis(red, -1, 0), photometric="rgb", planarconfig="separate")
    (tmp_path / "image.jpg").write_bytes(imagecodecs.jpeg8_encode(red, level=95))
    write_image(tmp_path / "image.png", red)
    for name in ("planar.tif", "image.jpg", "image.png"):
        mean = read_image(tmp_path / name).mean(axis=(0, 1))
        assert mean[0] > 240, name
        assert max(mean[1:]) < 10, name


@given(hnp.arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2**31 - 1)))
def test_labels_are_read_back_as_written(tmp_path_factory: pytest.TempPathFactory, labels: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("labels") / "labels.tif"
    write_labels(path, labels)
    again = read_labels(path)
    assert again.dtype == np.int32
    np.testing.assert_array_equal(again, labels)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.pages.first.dtype == (np.uint16 if labels.max() <= 65535 else np.uint32)


@pytest.mark.parametrize("highest", [7, 70_000])
def test_label_movies_keep_time_as_time(tmp_path: Path, highest: int) -> None:
    labels_TYX = np.zeros((3, 5, 7), np.int32)
    labels_TYX[1, 2, 4] = highest
    write_labels(tmp_path / "labels.tif", labels_TYX)
    with tifffile.TiffFile(tmp_path / "labels.tif") as tiff:
        assert tiff.series[0].axes == "TYX"
        np.testing.assert_array_equal(tiff.asarray(), labels_TYX)


def test_labels_may_be_whole_floats(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "labels.tif", np.float32([[0, 1, 2], [3, 3, 0]]))
    np.testing.assert_array_equal(read_labels(tmp_path / "labels.tif"), [[0, 1, 2], [3, 3, 0]])


def encoded(kind: str) -> bytes:
    image = np.add.outer(np.arange(60), np.arange(80)).astype(np.uint8)
    if kind == "png":
        return encode_png(image, "image")
    if kind == "jpg":
        return bytes(imagecodecs.jpeg8_encode(image))
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, picture(60, 80), compression="zlib" if kind == "zlib tif" else None, bigtiff=kind == "big")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "zlib tif", "big"])
def test_no_cut_goes_unnoticed(kind: str) -> None:
    data = encoded(kind)
    decode_image(data, "whole")
    for length in {*range(8, len(data) - 2, max(1, len(data) // 40)), len(data) - 12}:
        with pytest.raises(FileProblem) as error:
            decode_image(data[:length], "cut.file")
        assert error.value.kind in ("truncated", "unreadable")
        assert "cut.file" in str(error.value)
        assert "\n" not in str(error.value)


def test_damaged_bytes_are_no_traceback() -> None:
    data = bytearray(encoded("png"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(FileProblem, match="damaged") as error:
        decode_image(bytes(data), "a.png")
    assert error.value.kind == "unreadable"


def tiff_bytes(array: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", "truncated", "empty"),
        (b"<html>no</html>", "not an image", "expected a PNG"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not an image", "git lfs pull"),
        (tiff_bytes(np.float32([[1, np.inf, -np.inf]])), "not finite", "2 NaN"),
        (
            tiff_bytes(np.zeros((3, 5, 7), np.uint8), photometric="minisblack", metadata={"axes": "TYX"}),
            "wrong shape",
            "T=3",
        ),
        (tiff_bytes(np.zeros((5, 7), np.complex64)), "wrong type", "complex64"),
        (bytes(imagecodecs.png_encode(np.zeros((5, 7, 2), np.uint8))), "wrong shape", "2 channels"),
        (
            bytes(imagecodecs.jpeg8_encode(np.zeros((16, 24, 4), np.uint8), colorspace="cmyk", outcolorspace="cmyk")),
            "wrong type",
            "CMYK",
        ),
    ],
)
def test_each_defect_of_an_image_is_named(data: bytes, kind: str, words: str) -> None:
    with pytest.raises(FileProblem, match=words) as error:
        decode_image(data, "a.png")
    assert error.value.kind == kind


def test_an_absurd_size_is_refused_before_memory_is_taken() -> None:
    data = bytearray(encoded("png"))
    data[16:24] = (200_000).to_bytes(4, "big") * 2
    with pytest.raises(FileProblem, match="200000 × 200000") as error:
        decode_image(bytes(data), "bomb.png")
    assert error.value.kind == "too large"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (tiff_bytes(np.float32([[0, 0.5]])), "fractions such as 0.5"),
        (tiff_bytes(np.int16([[0, -1]])), "-1 to 0"),
        (tiff_bytes(np.arange(105, dtype=np.uint8).reshape(5, 7, 3), photometric="rgb"), "overlay"),
        (encoded("jpg"), "JPEG cannot hold labels"),
    ],
)
def test_each_defect_of_labels_is_named(data: bytes, words: str) -> None:
    with pytest.raises(FileProblem, match=words):
        decode_labels(data, "labels.tif")


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="no such file") as error:
        read_image(tmp_path / "none.png")
    assert error.value.kind == "missing"
    with pytest.raises(FileProblem, match="found a folder"):
        read_image(tmp_path)
    again = pickle.loads(pickle.dumps(error.value))
    assert str(again) == str(error.value)
    assert again.kind == "missing"


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("a.png", np.zeros((3, 5), np.float32)),
        ("a.bmp", np.zeros((3, 5), np.uint8)),
        ("a.tif", np.zeros((3, 5, 2), np.uint8)),
        ("a.tif", np.zeros((3, 5), np.int64)),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path: Path, name: str, image: np.ndarray) -> None:
    with pytest.raises(SomaNetError, match="Cannot write"):
        write_image(tmp_path / name, image)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("a.png", np.zeros((3, 5), np.int32)),
        ("a.tif", np.full((3, 5), -1)),
        ("a.tif", np.zeros(5, np.int32)),
        ("a.tif", np.zeros((3, 5))),
    ],
)
def test_what_are_no_labels_is_refused(tmp_path: Path, name: str, labels: np.ndarray) -> None:
    with pytest.raises(SomaNetError, match="Cannot write"):
        write_labels(tmp_path / name, labels)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.uint32, np.float16, np.float64])
def test_other_numbers_are_the_same_as_float32(dtype: type[np.generic]) -> None:
    """Signed pixels below 0, as two-photon microscopes save them, and sums and means of images."""
    values = np.arange(5 * 7).reshape(5, 7) * (1 if dtype is np.uint32 else -1)
    image = decode_image(tiff_bytes(values.astype(dtype)), "a.tif")
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, values)


def test_nan_joined_to_the_border_is_no_data() -> None:
    """The wedge of a registration, in grey and in colour: 0 where the image lies above 0, else its median."""
    grey = np.linspace(10, 20, 5 * 7, dtype=np.float32).reshape(5, 7)
    wedge = np.add.outer(np.arange(5), np.arange(7)) < 3
    for image in (grey, np.stack([grey] * 3, -1)):
        for offset in (0.0, 15.0):
            expected = image - np.float32(offset)
            given = expected.copy()
            given[wedge] = np.nan
            expected[wedge] = np.median(expected[~wedge]) if offset else 0
            data = tiff_bytes(given, photometric="rgb" if given.ndim == 3 else "minisblack")
            np.testing.assert_array_equal(decode_image(data, "a.tif"), expected)


@pytest.mark.parametrize("where", [(2, 3), (2, slice(None))])
def test_nan_inside_and_infinity_anywhere_are_refused(where: tuple[int, int | slice]) -> None:
    image = np.ones((5, 7), np.float32)
    image[where] = np.nan if where == (2, 3) else np.inf
    with pytest.raises(FileProblem, match="joined to the border") as error:
        decode_image(tiff_bytes(image), "a.tif")
    assert error.value.kind == "not finite"
    with pytest.raises(FileProblem, match="35 NaN"):
        decode_image(tiff_bytes(np.full((5, 7), np.nan, np.float32)), "a.tif")
