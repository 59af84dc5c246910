"""Values that are no object ids are refused or named; labels of objects pass without a word."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from somanet.core.calibration import Calibration
from somanet.core.problems import FileProblem
from somanet.io.label_checks import CheckedFrames, check_labels, describe_doubts, looks_like_labels
from somanet.simulation import neuron_crops, simulate_movie, simulate_nuclei
from tests.worlds import draw

THREE = """
    ..............
    .aa...bb..ccc.
    .aa...bb..ccc.
    .......b......
    ..............
"""  # at 4 px: 20 × 56 px


def objects(world: str = THREE) -> np.ndarray:
    return draw(world, scale=4)


def mask(world: str = THREE, value: int = 255) -> np.ndarray:
    return np.where(objects(world) > 0, value, 0).astype(np.int32)


def test_objects_pass() -> None:
    checked = check_labels(objects(), "x.tif")
    assert checked.doubts == ()
    np.testing.assert_array_equal(checked.labels, objects())


def test_objects_without_a_background_are_doubted() -> None:
    """Five stripes of 4 px that touch fill the image; with one left out, there is background."""
    stripes = np.repeat(np.arange(1, 6, dtype=np.int32), 4)[None].repeat(24, axis=0)
    assert check_labels(stripes, "x.tif").doubts == ("no pixel is background (0): the objects fill the whole image",)
    assert check_labels(np.where(stripes == 3, 0, stripes), "x.tif").doubts == ()


@pytest.mark.parametrize("seed", [0, 1])
def test_simulated_labels_give_no_false_warning(seed: int) -> None:
    movie = simulate_movie(seed=seed, n_frames=12, shape_YX=(320, 256), calibration=Calibration(1.28, 12.0))
    items = [
        *simulate_nuclei(n_images=24, shape_YX=(200, 256), seed=seed),
        *neuron_crops(n_crops=24, size_px=256, seed=seed),
    ]
    every = [*(item.labels for item in items), *movie.labels_TYX]
    assert {check_labels(labels, "x.tif").doubts for labels in every} == {()}


@pytest.mark.parametrize("value", [1, 255, 7])
def test_a_mask_of_three_objects_is_refused_with_both_ways_out(value: int) -> None:
    with pytest.raises(FileProblem, match=f"{value} is the only one, and in 3 separate pieces.*--binary.*--no-binary"):
        check_labels(mask(value=value), "x.tif")


def test_a_confirmed_mask_is_split_into_its_pieces() -> None:
    found = check_labels(mask(), "x.tif", binary=True)
    assert found.doubts == ()
    assert found.labels.dtype == np.int32
    pairs = set(zip(found.labels.ravel().tolist(), objects().ravel().tolist(), strict=True))
    assert len(pairs) == 4  # one to one: the background and three objects
    assert {found for found, _ in pairs} == {0, 1, 2, 3}


def test_pieces_that_touch_by_a_corner_are_one_object() -> None:
    world = """
        .......
        .aa....
        ...aa..
        .......
    """
    assert check_labels(mask(world), "x.tif", binary=True).labels.max() == 1


def test_one_object_in_pieces_stays_one_if_that_is_said() -> None:
    found = check_labels(mask(), "x.tif", binary=False)
    np.testing.assert_array_equal(found.labels, mask())
    assert found.doubts == ()


def test_binary_leaves_label_images_alone() -> None:
    np.testing.assert_array_equal(check_labels(objects(), "x.tif", binary=True).labels, objects())


def test_two_pieces_of_a_single_id_are_a_doubt_unless_the_value_is_that_of_masks() -> None:
    two = THREE.replace("c", ".")
    [doubt] = check_labels(mask(two, value=1), "x.tif").doubts
    assert "2 separate pieces" in doubt
    assert "--binary" in doubt
    with pytest.raises(FileProblem, match="255 is the only one, and in 2"):
        check_labels(mask(two), "x.tif")


def test_an_id_that_two_objects_share_is_named() -> None:
    [doubt] = check_labels(objects(THREE.replace("c", "a")), "x.tif").doubts
    assert doubt.startswith("the id 1 is in 2 separate pieces")


def test_an_object_behind_another_or_cut_by_the_edge_is_not_in_pieces() -> None:
    hidden = """
        ...bb.....
        .aabbaa...
        .aabbaa...
        ...bb.....
        .......ccc
    """
    cut = """
        ..........
        ..bb......
        ..........
        .a....a...
        .a....a...
    """
    assert check_labels(objects(hidden), "x.tif").doubts == ()
    assert check_labels(objects(cut), "x.tif").doubts == ()


def test_specks_are_no_pieces() -> None:
    labels = objects()
    labels[18, 50] = 1  # 1 px of an object of 64
    assert check_labels(labels, "x.tif").doubts == ()


def test_classes_are_no_objects() -> None:
    soma_and_process = objects(THREE.replace("b", "a").replace("c", "a"))
    soma_and_process[4:8] = np.roll(np.where(soma_and_process[4:8] > 0, 2, 0), 2, axis=1)
    with pytest.raises(FileProblem, match=r"each of the 2 values is in 3 separate.*classes"):
        check_labels(soma_and_process, "x.tif")


def test_a_background_of_1_is_refused() -> None:
    with pytest.raises(FileProblem, match="the value 1 covers 79%") as caught:  # 55 of 70
        check_labels(objects() + 1, "x.tif")
    assert caught.value.kind == "inverted"
    with pytest.raises(FileProblem, match="the value 1 covers 100%"):
        check_labels(np.ones((20, 56), np.int32), "x.tif")


@pytest.mark.parametrize("binary", [None, True, False])
def test_an_inverted_mask_is_refused_whatever_is_said_of_pieces(binary: bool | None) -> None:
    with pytest.raises(FileProblem, match=r"255 covers .*inverted"):
        check_labels(255 - mask(), "x.tif", binary=binary)


def test_a_large_object_is_a_doubt_only() -> None:
    labels = np.zeros((20, 56), np.int32)
    labels[1:-1] = 1
    labels[8:12, 8:12] = 0  # a hole
    [doubt] = check_labels(labels, "x.tif").doubts
    assert doubt.startswith("the value 1 covers 89%")  # (18 · 56 − 16) / (20 · 56)


@pytest.mark.parametrize("zoom", [2.0, 1.5, 0.7])
@pytest.mark.parametrize(("first", "step"), [(40, 30), (1, 1)])
def test_interpolated_labels_are_refused(zoom: float, first: int, step: int) -> None:
    """Ids 70, 100 and 130 leave rims of any value, ids 2, 3 and 4 some of values that objects have, too."""
    labels = np.where(objects() > 0, first + step * objects(), 0).astype(np.float32)
    resized = np.round(ndimage.zoom(labels, zoom, order=1)).astype(np.int32)
    with pytest.raises(FileProblem, match=r"only rims of others.*Interpolation: None") as caught:
        check_labels(resized, "x.tif")
    assert caught.value.kind == "interpolated"
    nearest = ndimage.zoom(labels, zoom, order=0).astype(np.int32)
    assert check_labels(nearest, "x.tif").doubts == ()


def test_objects_of_a_few_pixels_and_touching_objects_are_no_rims() -> None:
    rng = np.random.default_rng(5)
    scattered = np.zeros((60, 90), np.int32)
    scattered[::3, ::3] = np.arange(600).reshape(20, 30)
    assert check_labels(scattered, "x.tif").doubts == ()
    tall = np.kron(rng.permutation(60).reshape(6, 10), np.ones((5, 4), np.int32)).astype(np.int32)
    assert check_labels(tall, "x.tif").doubts == ()


def test_no_object_is_no_doubt() -> None:
    assert check_labels(np.zeros((5, 7), np.int32), "x.tif").doubts == ()


def test_doubts_of_many_images_are_one_line() -> None:
    assert describe_doubts({"a": (), "b": ()}) == ()
    assert describe_doubts({"a": (), "b": ("one", "two"), "c": ("three",)}) == (
        "2 of 3 label images look wrong, such as b: one; two",
    )


def test_frames_of_a_label_movie_are_checked_as_often_as_they_are_read() -> None:
    movie = np.stack([objects(), objects(THREE.replace("c", "a"))]).astype(np.uint16)
    checked = CheckedFrames(movie, "labels.tif")
    for _ in range(2):
        np.testing.assert_array_equal(np.stack(list(checked)), movie)
    assert list(checked.doubts) == ["frame 0", "frame 1"]
    assert [len(doubts) for doubts in checked.doubts.values()] == [0, 1]
    with pytest.raises(FileProblem, match=r"labels\.tif, frame 1: expected the number of its track.*movie of masks"):
        list(CheckedFrames([objects(), mask()], "labels.tif"))
    with pytest.raises(FileProblem, match="frame 0: expected 0 as the background"):
        list(CheckedFrames([255 - mask()], "labels.tif"))


@pytest.mark.parametrize("binary", [None, True])
def test_outlines_are_named(binary: bool | None) -> None:
    labels = np.pad(draw("aaaaa.bbbbb\naaaaa.bbbbb\naaaaa.bbbbb\naaaaa.bbbbb", scale=4), 6)
    values = labels if binary is None else np.minimum(labels, 1)
    inside = ndimage.minimum_filter(values, 3) == ndimage.maximum_filter(values, 3)
    rings = np.where(inside, 0, values).astype(np.int32)
    [doubt] = check_labels(rings, "x.tif", binary=binary).doubts
    assert doubt == "2 of 2 objects are outlines without an inside; save them filled"
    assert check_labels(values, "x.tif", binary=binary).doubts == ()


def test_a_gap_between_touching_objects_is_no_inside() -> None:
    """Four rectangles around a hole that is larger than each of them."""
    labels = draw("aaaaaab\nd.....b\nd.....b\nd.....b\nd.....b\ndcccccc", scale=3)
    assert check_labels(np.pad(labels, 5), "x.tif").doubts == ()


def test_grey_values_are_no_labels() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (40, 70)).astype(np.int32)
    with pytest.raises(FileProblem, match=r"pieces of 255 values in 2800 pixels.*copy of the image"):
        check_labels(noise, "x.tif")


def test_label_images_differ_from_photographs() -> None:
    crops = list(neuron_crops(n_crops=4, size_px=128, seed=5))
    nuclei = list(simulate_nuclei(n_images=4, shape_YX=(96, 128), seed=5))
    assert all(looks_like_labels(item.labels) for item in (*crops, *nuclei) if item.labels.any())
    assert not any(looks_like_labels(item.image) for item in (*crops, *nuclei))
    dark = np.where(crops[0].labels > 0, np.random.default_rng(1).integers(1, 255, (128, 128)), 0)
    assert not looks_like_labels(dark)
    assert not looks_like_labels(np.zeros((4, 5), np.uint8))


@pytest.mark.parametrize("photons_per_px", [0.01, 0.1, 0.3, 1.0])
def test_single_photons_are_no_labels(photons_per_px: float) -> None:
    photons = np.random.default_rng(4).poisson(photons_per_px, (96, 128)).astype(np.uint16)
    assert not looks_like_labels(photons)


def test_clipped_noise_around_a_saturated_soma_is_no_label() -> None:
    """All but the soma is specks of one pixel or two, although most neighbours above 0 are alike."""
    image = np.random.default_rng(4).poisson(0.02, (96, 128)).astype(np.uint8)
    image[30:50, 40:70] = 255
    assert not looks_like_labels(image)
    assert looks_like_labels(np.where(image == 255, image, 0))
