"""Grey fluorescence among other images, drawn by hand; and on the real test images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from somanet.data.layouts import open_dataset
from somanet.data.modality import COLOURLESS, is_grey_fluorescence
from somanet.data.splits import read_split


def nuclei(background: int = 20, objects: int = 180) -> np.ndarray:
    """48 × 80 px, 8 bits: two squares of 12 px on a flat background, with noise of ± 3."""
    rng = np.random.default_rng(0)
    picture = np.full((48, 80), background) + rng.integers(-3, 4, (48, 80))
    picture[6:18, 10:22] = objects
    picture[24:36, 50:62] = objects
    return picture.astype(np.uint8)


@pytest.mark.parametrize("form", ["YX", "RGB", "RGBA", "16 bit", "16-bit RGB"])
def test_bright_on_dark_is_fluorescence_in_every_form(form: str) -> None:
    grey = nuclei()
    image = {
        "YX": grey,
        "RGB": np.repeat(grey[..., None], 3, axis=-1),
        "RGBA": np.dstack([grey, grey, grey, np.full_like(grey, 255)]),
        "16 bit": grey.astype(np.uint16) * 12,
        "16-bit RGB": np.repeat(grey[..., None].astype(np.uint16) * 12, 3, axis=-1),
    }[form]
    assert is_grey_fluorescence(image)


def test_dark_on_bright_is_not() -> None:
    """The dark squares cover 7.5 % of the image: more than the 5 % that the rule's lowest percentile looks at."""
    assert not is_grey_fluorescence(nuclei(background=220, objects=40))


@pytest.mark.parametrize(("added", "grey"), [(0, True), (4, True), (6, False), (60, False)])
def test_colour_is_the_mean_difference_of_the_channels(added: int, grey: bool) -> None:
    """Red is stronger by the same amount at every pixel, so that the mean difference is this amount."""
    image = np.repeat(nuclei()[..., None], 3, axis=-1)
    image[..., 0] += np.uint8(added)
    assert (added < COLOURLESS) is grey
    assert is_grey_fluorescence(image) is grey


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_pseudo_colour_is_not_grey(kind: type) -> None:
    green = np.zeros((48, 80, 3), kind)
    green[..., 1] = nuclei()
    assert not is_grey_fluorescence(green)


@pytest.mark.real
def test_the_test_images_of_the_data_science_bowl(data_root: Path) -> None:
    """53 of the 62 are fluorescence; of the other nine, most are stained tissue, which has colour."""
    dataset = open_dataset(data_root / "dsb2018" / "stage1_train.zip")
    names = read_split(data_root / "dsb2018" / "split.csv")["test"]
    found = [is_grey_fluorescence(dataset.load_image(name)) for name in names]
    assert (sum(found), len(found)) == (53, 62)
