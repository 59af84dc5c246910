"""Numbered images as one movie: read, hashed and protected as one, and never with a hole."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from somanet.core.errors import SomaNetError
from somanet.core.guard import guarded
from somanet.core.problems import FileProblem, StackProblem
from somanet.io.datasets.movie_or_set import is_movie_folder
from somanet.io.movies import find_movie_files, movie_exists, movie_files, movies_in, open_movie, sha256_movie, together

T, C, Z, Y, X = 4, 2, 3, 23, 37
PIXELS = np.random.default_rng(0).permutation(T * C * Z * Y * X).reshape(T, C, Z, Y, X).astype(np.uint16)


def write(folder: Path, pattern: str = "img_{t:09}_{c}_{z:03}.tif", **tiff: object) -> Path:
    """Each plane in a file of its own, named as by Micro-Manager; later ones are written first."""
    folder.mkdir(parents=True, exist_ok=True)
    for t, c, z in reversed(list(np.ndindex(T, C, Z))):
        file = folder / pattern.format(t=t, c=("DAPI", "GFP")[c], z=z)
        if file.suffix == ".tif":
            tifffile.imwrite(file, PIXELS[t, c, z], photometric="minisblack", **tiff)
        else:
            cv2.imwrite(str(file), PIXELS[t, c, z])
    return folder


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_a_folder_and_a_pattern(tmp_path: Path, ending: str) -> None:
    folder = write(tmp_path / "Pos0", f"img_{{t:09}}_{{c}}_{{z:03}}.{ending}")
    for path in (folder, folder / f"img_*.{ending}", folder / f"*.{ending}"):
        assert movie_exists(path)
        with pytest.raises(StackProblem, match=r"T=4, C=2, Z=3, Y=23, X=37"):
            open_movie(path)
        with pytest.raises(FileProblem, match=r"found 2: 0 \(DAPI\), 1 \(GFP\)"):
            open_movie(path, z=0)
        with open_movie(path, channel="GFP", z=2) as movie:
            assert (movie.n_frames, movie.n_channels, movie.n_planes, movie.notes) == (T, C, 1, ())
            np.testing.assert_array_equal(np.stack(list(movie)), PIXELS[:, 1, 2])
        with open_movie(path, channel=0, z="max") as movie:
            np.testing.assert_array_equal(np.stack(list(movie)), PIXELS[:, 0].max(axis=1))
    with open_movie(folder / f"img_*_GFP_*.{ending}", z=0) as movie:  # one of the channels, by the pattern
        np.testing.assert_array_equal(np.stack(list(movie)), PIXELS[:, 1, 0])
    with open_movie(folder, channel=1, axes="CTZYX", z=1) as movie:  # as if the names counted otherwise
        np.testing.assert_array_equal(np.stack(list(movie)), PIXELS[1, :, 1])


def test_all_files_are_hashed_and_protected(tmp_path: Path) -> None:
    folder = write(tmp_path / "Pos0")
    pattern = folder / "img_*_GFP_000.tif"
    expected = [folder / f"img_{t:09}_GFP_000.tif" for t in range(T)]
    assert movie_files(pattern) == tuple(expected)
    digest = hashlib.sha256()
    for file in expected:
        digest.update(f"{file.name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    assert sha256_movie(pattern) == digest.hexdigest()
    before = sha256_movie(folder)
    with (
        guarded(outputs=[expected[2]], replace=True),
        pytest.raises(SomaNetError, match=r"GFP_000\.tif is an input of this command"),
    ):
        open_movie(pattern)
    tifffile.imwrite(expected[2], PIXELS[0, 0, 0])
    assert sha256_movie(pattern) != digest.hexdigest()
    assert sha256_movie(folder) != before


def test_the_movies_of_a_folder(tmp_path: Path) -> None:
    """Images are one movie, files of several frames are movies of their own, whatever their numbers."""
    folder = write(tmp_path / "Pos0")
    assert movies_in(folder) == [folder]
    tifffile.imwrite(folder / "movie.tif", PIXELS[:, 0, 0], photometric="minisblack")
    for n in (1, 2):
        tifffile.imwrite(folder / f"other_{n}.tif", PIXELS[:, 0, n], imagej=True, metadata={"axes": "TYX"})
    assert [file.name for file in movies_in(folder)] == ["img_*_*_*.tif", "movie.tif", "other_1.tif", "other_2.tif"]
    with pytest.raises(
        FileProblem, match=r"2 series of images: 'img_.*Name one of them in quotes: '.*img_\*_\*_\*\.tif'"
    ):
        open_movie(folder)


def test_files_named_one_by_one(tmp_path: Path) -> None:
    """As a shell lists them; a part of a series is refused, for the rest would be read too."""
    files = sorted(write(tmp_path / "Pos0").iterdir())
    other = tmp_path / "movie.tif"
    tifffile.imwrite(other, PIXELS[:, 0, 0], photometric="minisblack")
    assert together([other, *files]) == [other, tmp_path / "Pos0" / "img_*_*_*.tif"]
    assert together([other]) == [other]
    with pytest.raises(SomaNetError, match=r"found 12 of 24 of the names .* in quotes"):
        together(files[:12])


def test_the_scale(tmp_path: Path) -> None:
    """In the first image; else in Micro-Manager's metadata beside it; clock times in names are the interval."""
    inch = write(
        tmp_path / "tag", "m_t{t}_{c}_z{z}.tif", resolution=(1e4 / 0.65, 1e4 / 0.65), resolutionunit="CENTIMETER"
    )
    with open_movie(inch / "m_t*_GFP_z0.tif") as movie:
        assert movie.file_calibration.pixel_size_um == pytest.approx(0.65)
        assert movie.file_calibration.frame_interval_min is None
    folder = write(tmp_path / "mm")
    (folder / "metadata.txt").write_text(json.dumps({"Summary": {"PixelSize_um": 0.325, "Interval_ms": 90_000}}))
    with open_movie(folder, channel=0, z=0) as movie:
        assert movie.file_calibration.pixel_size_um == 0.325
        assert movie.file_calibration.frame_interval_min == 1.5
    (folder / "metadata.txt").write_text('{"Summary": {"PixelSize_um": 0.325,')
    with open_movie(folder, channel=0, z=0) as movie:
        assert movie.file_calibration.pixel_size_um is None
        assert [note for note in movie.notes if "metadata.txt" in note]
    write(tmp_path / "clock", "VID7_A1_1_00d{t:02}h20m.tif")
    with open_movie(tmp_path / "clock") as movie:
        assert movie.file_calibration.frame_interval_min == 60


@pytest.mark.parametrize(
    ("asked_min", "found_min", "contradiction"), [(12, 12, False), (0, 12, False), (10, None, True)]
)
def test_micro_managers_own_times_are_compared(
    tmp_path: Path, asked_min: float, found_min: float | None, contradiction: bool
) -> None:
    folder = write(tmp_path / "mm")
    about = {
        f"Metadata-mm/img_{t:09}_{c}_{z:03}.tif": {"ElapsedTime-ms": 60_000 * (12 * t + z)}
        for t, c, z in np.ndindex(T, C, Z)
        for c in (("DAPI", "GFP")[c],)
    }
    summary = {"PixelSize_um": 0.325, "Interval_ms": 60_000 * asked_min}
    (folder / "metadata.txt").write_text(json.dumps({"Summary": summary, **about}))
    with open_movie(folder, channel=0, z=0) as movie:
        assert movie.file_calibration.frame_interval_min == found_min
        assert ("10 min between frames" in movie.file_calibration.time_problem) == contradiction


def test_plain_numbers_are_taken_for_time_with_a_note(tmp_path: Path) -> None:
    write(tmp_path / "a", "cells{t:03}.tif")
    with open_movie(tmp_path / "a") as movie:
        assert ["by the numbers in their names" in note for note in movie.notes] == [True]
    write(tmp_path / "b", "cells_t{t:03}.tif")
    with open_movie(tmp_path / "b") as movie:
        assert movie.notes == ()


def test_what_is_wrong_in_one_image(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", "t{t:03}.tif")
    whole = (folder / "t002.tif").read_bytes()
    (folder / "t002.tif").write_bytes(whole[:-100])
    with open_movie(folder) as movie:
        movie.frame(1)
        with pytest.raises(FileProblem, match=r"t002\.tif: the TIFF is truncated"):
            movie.frame(2)
        tifffile.imwrite(folder / "t002.tif", PIXELS[0, 0, 0, 1:])
        with pytest.raises(FileProblem, match=r"found 3 of 23 × 37 uint16 and 1 other: t002\.tif \(22 × 37 uint16\)"):
            movie.frame(2)
    (folder / "t002.tif").unlink()
    with pytest.raises(
        FileProblem, match=r"t\*\.tif: expected images numbered in equal steps, found 1 and then 3: 2 is"
    ):
        open_movie(folder)


def test_colour_images(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    colours = np.random.default_rng(1).integers(0, 255, (T, Y, X, 3), dtype=np.uint8)
    for t, image in enumerate(colours):
        tifffile.imwrite(tmp_path / "a" / f"t{t}.tif", image, photometric="rgb")
    with pytest.raises(FileProblem, match=r"found 3: 0 \(red\), 1 \(green\), 2 \(blue\)"):
        open_movie(tmp_path / "a")
    with open_movie(tmp_path / "a", channel="blue") as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), colours[..., 2])
    assert find_movie_files((tmp_path / "a").iterdir()) == [tmp_path / "a" / "t*.tif"]


def test_a_data_set_of_the_cell_tracking_challenge(tmp_path: Path) -> None:
    """Images are a movie, reference labels beside them in folders of their own are none."""
    for folder, name in (("01", "t{}"), ("01_GT/TRA", "man_track{}"), ("01_GT/SEG", "man_seg{}"), ("01_RES", "mask{}")):
        (tmp_path / folder).mkdir(parents=True)
        for t in range(T):
            tifffile.imwrite(tmp_path / folder / f"{name.format(f'{t:03}')}.tif", PIXELS[t, 0, 0])
    assert movies_in(tmp_path / "01") == [tmp_path / "01"]
    for folder in ("01_GT/TRA", "01_GT/SEG", "01_RES"):
        assert movies_in(tmp_path / folder) == []


def test_labels_beside_a_movie_are_no_movies(tmp_path: Path) -> None:
    """As Cellpose, and people after it, name them."""
    for name in ("cell", "cell_cp_masks", "cell_masks", "cell_outlines_cp_masks", "other"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((3, 8, 9), np.uint16), photometric="minisblack")
    assert movies_in(tmp_path) == [tmp_path / "cell.tif", tmp_path / "other.tif"]


@pytest.mark.parametrize("thumbnail", ["exp_w2GFP_s1_t{t}_thumb.TIF", "exp_w2GFP_thumb_s1_t{t}.TIF"])
def test_thumbnails_of_metamorph_are_left_out_with_a_note(tmp_path: Path, thumbnail: str) -> None:
    for t in range(T):
        tifffile.imwrite(tmp_path / f"exp_w2GFP_s1_t{t + 1}.TIF", PIXELS[t, 1, 0])
        tifffile.imwrite(tmp_path / thumbnail.format(t=t + 1), PIXELS[t, 1, 0, ::2, ::2])
    pattern = tmp_path / "exp_w2GFP_s1_t*.TIF"
    assert movies_in(tmp_path) == [tmp_path]
    assert together(sorted(tmp_path.iterdir())) == [tmp_path / "exp_w*_s1_t*.TIF"]
    assert is_movie_folder(tmp_path)
    with open_movie(tmp_path) as movie:
        assert movie.notes == ("4 thumbnails beside the images ('…_thumb…') are left out.",)
        np.testing.assert_array_equal(np.stack(list(movie)), PIXELS[:, 1, 0])
    with open_movie(pattern, channel="GFP") as movie:
        assert movie.n_frames == T
    for image in movie_files(pattern):
        image.unlink()  # alone, they are what the folder holds
    assert len(movies_in(tmp_path)) == 1


def test_a_channel_is_found_by_its_name_without_its_number(tmp_path: Path) -> None:
    folder = tmp_path / "Pos0"
    folder.mkdir()
    for t, c in np.ndindex(T, C):
        tifffile.imwrite(folder / f"exp_w{c + 1}{('DAPI', 'gfp')[c]}_t{t}.tif", PIXELS[t, c, 0])
    for channel in ("GFP", "2GFP", 1, "1"):
        with open_movie(folder, channel=channel) as movie:
            np.testing.assert_array_equal(np.stack(list(movie)), PIXELS[:, 1, 0])
    with pytest.raises(FileProblem, match=r"no channel FP; the file has 0 \(1DAPI\), 1 \(2gfp\)"):
        open_movie(folder, channel="FP")
