"""Masks of ignored pixels: read and written in both layouts, checked, and kept by every copy of a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.manifest import check_dataset, pack_dataset
from somanet.io.datasets.writers import write_kaggle, write_pairs
from somanet.io.images import write_image


def items() -> list[LabelledImage]:
    """Two images, of which the second has ignored pixels, one of them in an object."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (9, 14, 3)).astype(np.uint8) for _ in range(2)]
    labels = np.zeros((9, 14), np.int32)
    labels[1:4, 2:6] = 1
    labels[5:8, 8:12] = 2
    ignored = np.zeros((9, 14), bool)
    ignored[3:6, 5:10] = True
    return [LabelledImage("a", images[0], labels), LabelledImage("b", images[1], labels, ignored=ignored)]


@pytest.mark.parametrize(("write", "name"), [(write_pairs, "set"), (write_kaggle, "set"), (write_kaggle, "set.zip")])
def test_round_trip(write, name: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path / name, items())
    a, b = open_dataset(tmp_path / name)
    assert a.ignored is None
    np.testing.assert_array_equal(b.ignored, items()[1].ignored)
    np.testing.assert_array_equal(b.labels, items()[1].labels)
    manifest = check_dataset(tmp_path / name)
    assert list(manifest["status"]) == ["accepted"] * 2
    assert list(manifest["note"]) == ["", "15 px ignored, neither object nor background"]
    pack_dataset(tmp_path / name, tmp_path / "copy")
    pack_dataset(tmp_path / "copy", tmp_path / "again")
    np.testing.assert_array_equal(open_dataset(tmp_path / "again").load("b").ignored, items()[1].ignored)


def test_several_masks_of_one_image_add_up(tmp_path: Path) -> None:
    write_kaggle(tmp_path / "set", items())
    more = np.zeros((9, 14), np.uint8)
    more[0, 0] = 1
    write_image(tmp_path / "set" / "b" / "ignore" / "corner.png", more)
    np.testing.assert_array_equal(
        open_dataset(tmp_path / "set").load("b").ignored, (items()[1].ignored > 0) | (more > 0)
    )


def test_an_empty_mask_ignores_nothing(tmp_path: Path) -> None:
    write_pairs(tmp_path / "set", items())
    write_image(tmp_path / "set" / "ignore" / "b.png", np.zeros((9, 14), np.uint8))
    assert open_dataset(tmp_path / "set").load("b").ignored is None


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path / "set", items())
    write_image(tmp_path / "set" / "ignore" / "b.png", np.zeros((9, 15), np.uint8))
    with pytest.raises(SomaNetError, match=r"ignore/b\.png.*9 × 15"):
        open_dataset(tmp_path / "set").load("b")
    assert list(check_dataset(tmp_path / "set")["reason"]) == ["", "mask wrong shape"]


def test_a_mask_without_its_image_is_said(tmp_path: Path) -> None:
    write_pairs(tmp_path / "set", items())
    write_image(tmp_path / "set" / "ignore" / "c.png", np.ones((9, 14), np.uint8))
    dataset = open_dataset(tmp_path / "set")
    assert dataset.names == ("a", "b")
    assert "ignore/c.png has no image" in dataset.broken["c"]
