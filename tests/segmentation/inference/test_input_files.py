"""Which files and folders count as inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem, StackProblem
from somanet.io.datasets.writers import write_kaggle, write_pairs
from somanet.io.images import write_image, write_labels
from somanet.io.video_writing import write_video
from somanet.segmentation.inference.input_files import Choice, all_readable, find_inputs
from tests.worlds import TWO_SOMAS, draw, photograph, scene

IMAGE = photograph(draw(TWO_SOMAS))


def write_tiff_movie(path: Path, n_frames: int) -> None:
    tifffile.imwrite(path, np.stack([IMAGE] * n_frames), photometric="minisblack", metadata={"axes": "TYX"})


def write_zarr(path: Path, array_TYX: np.ndarray) -> None:
    zarr.create_array(str(path), shape=array_TYX.shape, dtype=array_TYX.dtype)[:] = array_TYX


def kinds(*paths: Path) -> dict[str, str]:
    return {item.name: "movie" if item.read is None else "image" for item in find_inputs(paths)}


def test_images_and_movies_are_told_apart_by_their_frames(tmp_path: Path) -> None:
    write_tiff_movie(tmp_path / "three.tif", 3)
    write_image(tmp_path / "one.tif", IMAGE)
    write_image(tmp_path / "rgb.tif", np.stack([IMAGE] * 3, axis=-1))
    write_image(tmp_path / "still.png", IMAGE)
    write_video(tmp_path / "video.mp4", [np.stack([IMAGE] * 3, axis=-1)] * 3, fps=5)
    write_zarr(tmp_path / "array.zarr", np.stack([IMAGE] * 2))
    write_zarr(tmp_path / "plane.zarr", IMAGE[None])
    expected = {
        "one": "image", "rgb": "image", "still": "image", "three": "movie", "video": "movie", "array": "movie",
        "plane": "image",
    }  # fmt: skip
    assert kinds(*sorted(tmp_path.iterdir())) == expected
    assert kinds(tmp_path) == expected


def test_a_folder_of_stills_is_a_data_set(tmp_path: Path) -> None:
    write_image(tmp_path / "b.png", IMAGE)
    write_image(tmp_path / "a.tif", IMAGE)
    (tmp_path / ".hidden.tif").write_bytes(b"II*\0")
    assert list(kinds(tmp_path)) == ["a", "b"]


def test_stills_whose_names_have_several_numbers_are_taken_one_by_one(tmp_path: Path) -> None:
    for name in ("exp1_a0", "exp1_a1", "exp2_a0", "exp2_a1"):
        write_image(tmp_path / f"{name}.tif", np.stack([IMAGE, IMAGE // 2, IMAGE], axis=-1))
    assert kinds(tmp_path) == dict.fromkeys(("exp1_a0", "exp1_a1", "exp2_a0", "exp2_a1"), "image")
    green = find_inputs([tmp_path], Choice(channel="1"))
    assert [item.name for item in green] == ["exp1_a0", "exp1_a1", "exp2_a0", "exp2_a1"]
    assert all(item.read is not None and np.array_equal(item.read(), IMAGE // 2) for item in green)


def test_label_images_beside_their_images_are_no_inputs(tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", IMAGE)
    write_labels(tmp_path / "a_labels.tif", draw(TWO_SOMAS))
    write_pairs(tmp_path / "pairs", [scene("b")])
    assert list(kinds(tmp_path / "pairs")) == ["b"]
    (tmp_path / "flat").mkdir()
    for name in ("a.tif", "a_labels.tif"):
        (tmp_path / name).rename(tmp_path / "flat" / name)
    assert list(kinds(tmp_path / "flat")) == ["a"]


def test_of_two_images_in_one_images_place_none_is_taken_in_silence(tmp_path: Path) -> None:
    for place in ("a/images/a.png", "b/images/b.png", "b/images/copy.png"):
        write_image(tmp_path / place, IMAGE)
    a, b = find_inputs([tmp_path])
    assert (a.name, a.problem) == ("a", None)
    assert b.name == "b"
    assert "expected one file in b/images, found 2" in str(b.problem)
    with pytest.raises(SomaNetError, match="found 2"):
        all_readable([a, b])


def test_names_that_collide_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    write_kaggle(tmp_path / "one.zip", [scene("a")])
    write_pairs(tmp_path / "two", [scene("a")])
    with pytest.raises(SomaNetError, match=r"Two inputs are called 'a': .*one.zip and .*two"):
        find_inputs([tmp_path / "one.zip", tmp_path / "two"])


PLANES = np.stack([np.roll(IMAGE, 8 * z, axis=0) // (z + 1) for z in range(5)])
"""5 planes of 64 × 96 px, the first the brightest, each with its somas one square lower."""


@pytest.fixture
def stacks(tmp_path: Path) -> Path:
    """The same five planes in every container that can hold them."""
    tifffile.imwrite(tmp_path / "imagej.tif", PLANES, imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / "hyper.tif", np.stack([PLANES] * 3), imagej=True, metadata={"axes": "TZYX"})
    tifffile.imwrite(tmp_path / "ome.ome.tif", PLANES, photometric="minisblack", metadata={"axes": "ZYX"})
    axes = ["z", "y", "x"]
    zarr.create_array(str(tmp_path / "a.zarr"), shape=PLANES.shape, dtype="uint8", dimension_names=axes)[:] = PLANES
    return tmp_path


STACKS = ("imagej.tif", "hyper.tif", "ome.ome.tif", "a.zarr")


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_asks_which_plane(stacks: Path, name: str) -> None:
    with pytest.raises(StackProblem, match=r"found a Z stack of 5 planes \(.*=5.*\).*--z max .*--z 0 "):
        find_inputs([stacks / name])


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize(("z", "expected"), [("2", PLANES[2]), ("max", PLANES.max(axis=0))])
def test_a_plane_or_the_projection_is_an_image(stacks: Path, name: str, z: str, expected: np.ndarray) -> None:
    [item] = find_inputs([stacks / name], Choice(z=z))
    if name == "hyper.tif":
        assert item.read is None
        assert len(item.images()) == 3
    else:
        assert item.read is not None
        np.testing.assert_array_equal(item.read(), expected)
    assert all(np.array_equal(image, expected) for image in item.images())


def test_a_stack_in_a_folder_is_found_before_the_work(stacks: Path) -> None:
    write_image(stacks / "still.tif", IMAGE)
    with pytest.raises(StackProblem, match="--z max"):
        find_inputs([stacks])
    assert {item.name for item in find_inputs([stacks], Choice(z="max"))} == {
        "imagej",
        "hyper",
        "ome.ome",
        "a",
        "still",
    }


@pytest.mark.parametrize(
    ("z", "words"),
    [
        ("5", r"there is no plane 5; the file has planes 0 to 4 \("),
        ("-1", "expected --z max or"),
        ("min", "found 'min'"),
    ],
)
def test_a_plane_that_is_not_there(stacks: Path, z: str, words: str) -> None:
    with pytest.raises(FileProblem, match=words):
        find_inputs([stacks / "imagej.tif"], Choice(z=z))


def test_pages_without_a_name_are_time_points_unless_told(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "pages.tif", PLANES, photometric="minisblack")
    with tifffile.TiffWriter(tmp_path / "appended.tif") as writer:
        for plane in PLANES:
            writer.write(plane, metadata=None)
    zarr.create_array(str(tmp_path / "bare.zarr"), shape=PLANES.shape, dtype="uint8")[:] = PLANES
    write_tiff_movie(tmp_path / "told.tif", 5)
    for name in ("pages.tif", "appended.tif", "bare.zarr"):
        [movie] = find_inputs([tmp_path / name])
        assert (movie.read, movie.unnamed) == (None, True)
        [image] = find_inputs([tmp_path / name], Choice(z="1"))
        assert image.read is not None
        np.testing.assert_array_equal(image.read(), PLANES[1])
        assert not image.unnamed
    assert not find_inputs([tmp_path / "told.tif"])[0].unnamed


def test_a_channel_is_chosen(tmp_path: Path) -> None:
    channels = np.stack([IMAGE, IMAGE // 2])
    tifffile.imwrite(tmp_path / "c.tif", np.stack([channels] * 3), imagej=True, metadata={"axes": "TCYX"})
    write_image(tmp_path / "rgb.tif", np.stack([IMAGE, IMAGE // 2, IMAGE // 3], axis=-1))
    [movie] = find_inputs([tmp_path / "c.tif"], Choice(channel="1"))
    assert all(np.array_equal(frame, IMAGE // 2) for frame in movie.images())
    [image] = find_inputs([tmp_path / "rgb.tif"], Choice(channel="green"))
    np.testing.assert_array_equal(image.images()[0], IMAGE // 2)


@pytest.mark.parametrize("name", ["still.png", "set.zip", "set"])
def test_what_offers_no_choice_says_so(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / "still.png", IMAGE)
    write_kaggle(tmp_path / "set.zip", [scene("a")])
    write_pairs(tmp_path / "set", [scene("a")])
    with pytest.raises(SomaNetError, match=r"--channel 1 --z max applies to movies and TIFF files"):
        find_inputs([tmp_path / name], Choice("1", "max"))


def test_notes_of_movies(tmp_path: Path) -> None:
    """A video that lost detail says so, one that did not says nothing."""
    frames = np.random.default_rng(0).integers(0, 255, (3, 32, 48), dtype=np.uint8)
    for name, codec in (("lossy.avi", "mjpeg"), ("whole.avi", "ffv1")):
        write_video_of(tmp_path / name, frames, codec)
    lossy, whole = find_inputs([tmp_path / "lossy.avi", tmp_path / "whole.avi"])
    assert ["mjpeg" in note and "loses detail" in note for note in lossy.notes] == [True]
    assert whole.notes == ()


def write_video_of(path: Path, frames: np.ndarray, codec: str) -> None:
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=10)
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "gray"
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        file.mux(stream.encode())
