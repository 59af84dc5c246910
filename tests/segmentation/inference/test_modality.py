"""Fluorescence is grey or of one colour, on a dark background."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.splits import read_split
from somanet.io.movies import open_movie
from somanet.segmentation.inference.modality import (
    ModalityInput,
    check_modality,
    not_fluorescence,
    sample_frames,
    sample_indices,
)
from somanet.segmentation.network.inputs import measure_exposure, to_unit
from somanet.segmentation.network.intended_use import IntendedUse
from somanet.simulation import neuron_crops

Image = NDArray[np.generic]
[CROP] = neuron_crops(n_crops=1, size_px=200, seed=5)
GREY: NDArray[np.uint8] = CROP.image.max(axis=-1)[:170]  # 170 × 200 px, somas on a dark ground
RNG = np.random.default_rng(0)


def coloured(*parts: Image) -> NDArray[np.uint8]:
    return np.stack([np.clip(part, 0, 255) for part in parts], axis=-1).astype(np.uint8)


def stained() -> NDArray[np.uint8]:
    """Purple on white: green is taken away most, blue least."""
    return coloured(*(235 - np.minimum(GREY.astype(float) * share, 180) for share in (0.7, 1.0, 0.35)))


def few_dark_cells(noise: float) -> NDArray[np.uint8]:
    """Two squares of 10 px in 170 × 200: 0.6 % of the pixels."""
    image = 200 + RNG.normal(0, noise, GREY.shape) if noise else np.full(GREY.shape, 200.0)
    image[20:30, 40:50] -= 100
    image[90:100, 140:150] -= 100
    return image.astype(np.uint8)


def jpeg(image: NDArray[np.uint8]) -> Image:
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 70])
    assert ok
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


FLUORESCENCE: dict[str, Callable[[], Image]] = {
    "grey": lambda: GREY,
    "16 bits with an offset": lambda: GREY.astype(np.uint16) * 20 + 700,
    "float": lambda: GREY.astype(np.float32) / 1000,
    "grey RGB": lambda: coloured(GREY, GREY, GREY),
    "grey RGBA": lambda: coloured(GREY, GREY, GREY, np.full_like(GREY, 255)),
    "green": lambda: coloured(GREY * 0, GREY, GREY * 0),
    "cyan": lambda: coloured(GREY * 0, GREY, GREY),
    "green JPEG": lambda: jpeg(coloured(GREY * 0, GREY, GREY * 0)),
    "a colour camera's noise": lambda: coloured(*(GREY * share + RNG.normal(4, 3, GREY.shape) for share in (0, 1, 0))),
    "noise in 16 bits": lambda: RNG.normal(900, 20, (170, 200)).astype(np.uint16),
    "a single lit pixel": lambda: np.eye(40, 50, dtype=np.uint8) * np.uint8(9),
}
OTHERS: dict[str, tuple[Callable[[], Image], str]] = {
    "bright field": (lambda: 255 - GREY // 2, "dark objects on a bright background"),
    "bright field in 16 bits": (lambda: 60_000 - GREY.astype(np.uint16) * 100, "dark objects"),
    "few dark cells": (lambda: few_dark_cells(0), "dark objects"),
    "few dark cells in noise": (lambda: few_dark_cells(3), "dark objects"),
    "stained": (stained, "colours on a bright background"),
    "two channels merged": (lambda: coloured(GREY, np.roll(GREY, 70, axis=0), GREY * 0), "several colours on a dark"),
}


@pytest.mark.parametrize("name", FLUORESCENCE)
def test_fluorescence_is_accepted(name: str) -> None:
    assert not_fluorescence(FLUORESCENCE[name]()) is None


@pytest.mark.parametrize("name", OTHERS)
def test_other_microscopy_is_told_apart(name: str) -> None:
    make, words = OTHERS[name]
    found = not_fluorescence(make())
    assert found is not None
    assert words in found


def shown(name: str, *images: Image) -> ModalityInput:
    return ModalityInput(name, lambda: images)


FLUORESCENT = IntendedUse(modality="fluorescence")


def test_a_network_that_promises_nothing_refuses_nothing() -> None:
    check_modality([shown("a.png", stained())], IntendedUse())
    check_modality([shown("a.png", GREY)], FLUORESCENT)


def test_a_refusal_says_what_was_expected_found_and_can_be_done() -> None:
    with pytest.raises(SomaNetError, match=r"2 of 3 inputs, such as b\.png: expected fluorescence") as caught:
        check_modality([shown("a.png", GREY), shown("b.png", stained()), shown("c.png", stained())], FLUORESCENT)
    assert "found colours on a bright background" in str(caught.value)
    assert "--model" in str(caught.value)
    assert "--any-modality" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(SomaNetError, match=r"^m.png: .*Give the channel of the somas alone"):
        check_modality([shown("m.png", OTHERS["two channels merged"][0]())], FLUORESCENT)


def test_a_movie_is_what_most_of_its_frames_are() -> None:
    """Blank frames do not count; nor does a flash that inverts one frame of three."""
    inverted, blank = 255 - GREY // 2, np.full_like(GREY, 200)
    check_modality([shown("flash.tif", GREY, inverted, GREY)], FLUORESCENT)
    check_modality([shown("dark.tif", blank, blank, blank)], FLUORESCENT)
    for frames in ((inverted, inverted, GREY), (blank, inverted, blank)):
        with pytest.raises(SomaNetError, match="bright field"):
            check_modality([shown("phase.tif", *frames)], FLUORESCENT)


@pytest.mark.parametrize("use", [FLUORESCENT, IntendedUse()])
@pytest.mark.parametrize("values", [np.uint16([0, 3, 9]), np.uint8([0, 255, 255]), np.array([False, True, True])])
def test_labels_and_masks_are_no_microscope_images(use: IntendedUse, values: NDArray[np.generic]) -> None:
    """Of a movie, most of its frames count: a frame of nothing but 0 says nothing."""
    drawn = np.zeros((40, 70), int)
    drawn[5:15, 8:20], drawn[22:36, 40:60] = 1, 2
    labels = values[drawn]
    blank = np.zeros_like(labels)
    with pytest.raises(SomaNetError, match=r"^l\.tif: expected microscope images.*label images or masks") as caught:
        check_modality([shown("l.tif", labels, blank, labels)], use)
    assert "--any-modality" in str(caught.value)
    assert "\n" not in str(caught.value)
    check_modality([shown("l.tif", labels, GREY, GREY)], use)


@pytest.mark.parametrize(("n", "expected"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (64, [0, 32, 63])])
def test_first_middle_and_last_frame_are_sampled(n: int, expected: list[int]) -> None:
    assert list(sample_indices(n)) == expected
    assert sample_frames(range(10, 10 + n)) == [10 + t for t in expected]


def test_nothing_is_sampled_of_nothing() -> None:
    assert sample_indices(0) == ()


def kind_of(image: Image) -> str:
    """On Data Science Bowl images, checked by eye: only stained ones have colours."""
    brightness = image[..., :3].max(axis=-1)
    if (brightness != image[..., :3].min(axis=-1)).any():
        return "stained"
    return "bright field" if np.median(brightness) > 127 else "fluorescence"


@pytest.mark.real
@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("test", {("fluorescence", "accepted"): 53, ("stained", "refused"): 9}),
        ("val", {("fluorescence", "accepted"): 56, ("stained", "refused"): 9, ("bright field", "refused"): 2}),
        pytest.param(
            "train",
            {("fluorescence", "accepted"): 374, ("stained", "refused"): 76, ("bright field", "refused"): 12},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_data_science_bowls_images(data_root: Path, part: str, expected: dict[tuple[str, str], int]) -> None:
    dataset = open_dataset(data_root / "dsb2018" / "stage1_train.zip")
    images = map(dataset.load_image, read_split(data_root / "dsb2018" / "split.csv")[part])
    found = Counter((kind_of(image), "refused" if not_fluorescence(image) else "accepted") for image in images)
    print(part, dict(found))
    assert found == expected


@pytest.mark.real
@pytest.mark.parametrize("movie", ["neuritetracker/cell_body.tif", "neuritetracker/nucleus.tif", "mitocheck/movie.tif"])
def test_real_movies_are_fluorescence(data_root: Path, movie: str) -> None:
    """Every frame, not only the three that are sampled."""
    with open_movie(data_root / movie) as frames:
        assert [t for t, frame in enumerate(frames) if not_fluorescence(frame)] == []


@pytest.mark.real
@pytest.mark.parametrize("part", ["train", "val"])
def test_real_crops_are_fluorescence(data_root: Path, part: str) -> None:
    dataset = open_dataset(data_root / "soma" / part)
    assert [name for name in dataset.names if not_fluorescence(dataset.load_image(name))] == []


def test_shaded_corners_are_no_bright_field() -> None:
    """Vignetting makes a long dark tail, but the details of the image are bright."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:96, :150]
    shade = 1 - 0.25 * (((y - 48) / 48) ** 2 + ((x - 75) / 75) ** 2) ** 2  # 0 in the corners
    image = 4000 * shade + rng.normal(0, 60, shade.shape)
    for cy, cx in ((30, 40), (60, 90), (40, 120)):
        image[(y - cy) ** 2 + (x - cx) ** 2 <= 16] += 1500
    image = np.clip(image, 0, 65535).astype(np.uint16)
    assert measure_exposure(to_unit(image)).inverted  # it looks like bright field at first
    assert not_fluorescence(image) is None
    dark = np.clip(4000 * shade + rng.normal(0, 60, shade.shape), 0, 65535)
    for cy, cx in ((30, 40), (60, 90), (40, 120)):
        dark[(y - cy) ** 2 + (x - cx) ** 2 <= 16] -= 1500
    assert "dark objects" in (not_fluorescence(np.clip(dark, 0, 65535).astype(np.uint16)) or "")


def test_over_exposed_fluorescence_is_named_where_it_looks_like_bright_field() -> None:
    """Haze and somas beyond the ceiling but for a few dark places: 8 bit, most pixels at 255."""
    y, x = np.mgrid[:160, :200]
    dark = sum(np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 200) for cy, cx in ((40, 50), (110, 60), (70, 150)))
    image = (400 - 380 * np.asarray(dark)).clip(0, 255).astype(np.uint8)
    share = 100 * (image == 255)[::2, ::2].mean()
    assert share > 50
    assert f"{share:.0f} % of the pixels are at the ceiling" in (not_fluorescence(image) or "")
    assert "ceiling" not in (not_fluorescence((image * 0.7 + np.arange(200) % 7).astype(np.uint8)) or "")


@pytest.mark.parametrize("spread", [1.0, 1.5, 2.0])
def test_read_noise_alone_is_no_bright_field(spread: float) -> None:
    """Whole numbers around 100: which tail is longer is rounding. Dark objects of two levels are still told."""
    for seed in range(12):
        noise = np.random.default_rng(seed).normal(100, spread, (90, 130))
        assert not_fluorescence(np.rint(noise).astype(np.uint16)) is None
    y, x = np.mgrid[:90, :130]
    disks = (y % 30 - 15) ** 2 + (x % 30 - 15) ** 2 <= 16
    assert not_fluorescence(np.where(disks, 60, 160).astype(np.uint8)) is not None
