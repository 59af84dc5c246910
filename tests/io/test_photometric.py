"""TIFF whose tags say what is bright: 0 is white, palettes, and ImageJ's inverted display."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from somanet.core.problems import FileProblem
from somanet.io.images import read_image, read_labels
from somanet.io.movies import open_movie

RNG = np.random.default_rng(0)


def pixels(dtype: str, top: int) -> np.ndarray:
    return RNG.integers(0, top, (4, 20, 30), endpoint=True).astype(dtype)


@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535)])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_zero_is_white(tmp_path: Path, dtype: str, top: int, compression: str | None) -> None:
    """In a movie, a cut movie, a series of images and an image; Pillow, which inverts by the tag, gives the answer."""
    from PIL import Image

    stored = pixels(dtype, top)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, photometric="miniswhite", compression=compression, metadata=None)
    if dtype == "uint8":
        with Image.open(path) as other:
            np.testing.assert_array_equal(np.asarray(other), top - stored[0])
    with open_movie(path) as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), top - stored)
        assert [f"{top} is now 0" in note for note in movie.notes] == [True]
        assert movie.frame(0).dtype == stored.dtype
    (tmp_path / "images").mkdir()
    for t, image in enumerate(stored):
        one = tmp_path / "images" / f"t{t}.tif"
        tifffile.imwrite(one, image, photometric="miniswhite", compression=compression)
        np.testing.assert_array_equal(read_image(one), top - image)
        np.testing.assert_array_equal(read_labels(one), image)  # ids are no light
    with open_movie(tmp_path / "images") as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), top - stored)
        assert [f"{top} is now 0" in note for note in movie.notes] == [True]


def test_a_projection_is_of_the_brightest(tmp_path: Path) -> None:
    stored = pixels("uint8", 255)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite", metadata=None)
    with open_movie(tmp_path / "a.tif", z="max") as movie:
        np.testing.assert_array_equal(movie.frame(0), 255 - stored.min(axis=0))


def test_the_frames_before_a_cut(tmp_path: Path) -> None:
    stored = pixels("uint8", 255)
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        for image in stored:
            tiff.write(image, photometric="miniswhite", metadata=None, contiguous=False)
    path.write_bytes(path.read_bytes()[:-100])
    with open_movie(path, allow_truncated=True) as movie:
        assert movie.truncated
        np.testing.assert_array_equal(movie.frame(0), 255 - stored[0])


def test_an_inverted_display_of_imagej_changes_no_value(tmp_path: Path) -> None:
    """ImageJ (FileInfo.whiteIsZero) writes the tag for an inverting look-up table, and keeps the values."""
    stored = pixels("uint16", 4000)
    tifffile.imwrite(tmp_path / "a.tif", stored, imagej=True, metadata={"axes": "TYX"})
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        at = tiff.pages[0].tags["PhotometricInterpretation"].valueoffset
    data[at] = 0
    (tmp_path / "a.tif").write_bytes(data)
    with open_movie(tmp_path / "a.tif") as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), stored)
        assert ["displayed inverted" in note for note in movie.notes] == [True]


def test_fractions_have_no_largest_value(tmp_path: Path) -> None:
    stored = pixels("float32", 100)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite", metadata=None)
    with open_movie(tmp_path / "a.tif") as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), stored)
        assert ["no largest value" in note for note in movie.notes] == [True]


RAMP = np.linspace(0, 65535, 256).astype(np.uint16)


@pytest.mark.parametrize(
    ("red", "green", "inverted"), [(0 * RAMP, RAMP, False), (RAMP, RAMP, False), (0 * RAMP, RAMP[::-1], True)]
)
def test_palettes_in_order(tmp_path: Path, red: np.ndarray, green: np.ndarray, inverted: bool) -> None:
    stored = pixels("uint8", 255)
    colours = np.stack([red, green, 0 * RAMP])
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="palette", colormap=colours, metadata=None)
    with open_movie(tmp_path / "a.tif") as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), 255 - stored if inverted else stored)
        assert bool(movie.notes) == inverted


def test_numbers_of_colours_are_refused(tmp_path: Path) -> None:
    stored = pixels("uint8", 255)
    colours = RNG.integers(0, 65535, (3, 256)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="palette", colormap=colours, metadata=None)
    with pytest.raises(FileProblem, match=r"numbers of a palette's colours.*RGB Color"):
        open_movie(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", stored[0], photometric="palette", colormap=colours)
    with pytest.raises(FileProblem, match="numbers of a palette's colours"):
        read_image(tmp_path / "b.tif")
    np.testing.assert_array_equal(read_labels(tmp_path / "b.tif"), stored[0])  # as labels they are ids
