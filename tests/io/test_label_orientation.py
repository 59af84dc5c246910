"""Labels that were flipped, turned or transposed against their image are known by the image's brightness."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.manifest import check_dataset
from somanet.io.datasets.writers import write_pairs
from somanet.io.label_orientation import orientation_doubt

Array = NDArray[np.generic]


def world(height: int, width: int, seed: int = 0) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Five bright discs of 17 px anywhere, in noise; no mirror or quarter turn maps them onto themselves."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.int32)
    y, x = np.indices(labels.shape)
    for number in range(1, 6):
        at = rng.uniform(9, (height - 9, width - 9))
        labels[np.hypot(y - at[0], x - at[1]) < 8.5] = number
    return (rng.normal(300, 30, labels.shape) + 400 * (labels > 0)).astype(np.uint16), labels


FLIPS: dict[str, Callable[[Array], Array]] = {
    "flipped upside down": lambda a: a[::-1],
    "mirrored left to right": lambda a: a[:, ::-1],
    "turned by 180°": lambda a: a[::-1, ::-1],
    "transposed": lambda a: a.T,
    "turned by 90°": lambda a: np.rot90(a),
    "turned by 270°": lambda a: np.rot90(a, 3),
    "transposed and turned by 180°": lambda a: a[::-1, ::-1].T,
}
BACK = {"turned by 90°": "turned by 270°", "turned by 270°": "turned by 90°"}
"""What undoes a flip, if not the flip itself."""


@pytest.mark.parametrize("flip", FLIPS)
@pytest.mark.parametrize("dark", [False, True])
def test_the_flip_that_puts_labels_right_is_named(flip: str, dark: bool) -> None:
    image, labels = world(150, 150)
    image = 1000 - image if dark else image
    assert orientation_doubt(image, labels) == ""
    assert f"only if they are {BACK.get(flip, flip)};" in orientation_doubt(image, np.asarray(FLIPS[flip](labels)))


def test_large_and_coloured_images_of_any_shape_are_compared_too() -> None:
    image, labels = world(130, 190)
    large, wide = (np.kron(one, np.ones((6, 6), one.dtype)) for one in (image, labels))
    assert orientation_doubt(np.stack([large] * 3, -1), wide) == ""
    assert "upside down" in orientation_doubt(np.stack([large] * 3, -1), wide[::-1])


@pytest.mark.parametrize("labels", [np.zeros((40, 50), np.int32), np.ones((40, 50), np.int32)])
def test_nothing_is_said_where_nothing_can_be_known(labels: NDArray[np.int32]) -> None:
    assert orientation_doubt(np.random.default_rng(0).random((40, 50)), labels) == ""


def test_labels_without_relation_to_the_image_are_not_called_flipped() -> None:
    for seed in range(40):
        _, labels = world(120, 120, seed)
        assert orientation_doubt(np.random.default_rng(seed).normal(size=(120, 120)), labels) == ""


def test_a_data_set_says_so_wherever_it_is_read(tmp_path: Path) -> None:
    image, labels = world(120, 170)
    other, right = world(120, 170, seed=1)
    write_pairs(tmp_path / "set", [LabelledImage("a", image, labels[:, ::-1]), LabelledImage("b", other, right)])
    doubts = {item.name: item.doubts for item in open_dataset(tmp_path / "set")}
    assert [len(doubts[name]) for name in "ab"] == [1, 0]
    table = check_dataset(tmp_path / "set").set_index("name")
    assert table.loc["a", "note"] == doubts["a"][0]
    assert "mirrored left to right" in doubts["a"][0]
    assert table.loc["b", "note"] == ""


@pytest.mark.real
@pytest.mark.parametrize("folder", ["soma/train", "soma/val"])
def test_real_labels_lie_as_they_should_and_most_flipped_ones_are_found(data_root: Path, folder: str) -> None:
    items = list(open_dataset(data_root / folder))
    assert not any(item.doubts for item in items)
    found = [bool(orientation_doubt(item.image, item.labels[::-1])) for item in items]
    assert np.mean(found) >= 0.9
