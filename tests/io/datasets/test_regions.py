"""Outlines of ignored pixels: exact round trips, found by an image's pixels whatever file they are in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.manifest import pack_dataset
from somanet.io.datasets.regions import (
    ImageRegions,
    draw_regions,
    pixels_sha256,
    read_regions,
    regions_of,
    with_regions,
    write_regions,
)
from somanet.io.datasets.writers import write_kaggle, write_pairs


def item(seed: int = 0) -> LabelledImage:
    rng = np.random.default_rng(seed)
    labels = np.zeros((12, 17), np.int32)
    labels[2:5, 3:8] = 1
    return LabelledImage(f"one{seed}", rng.integers(0, 255, (12, 17, 3)).astype(np.uint8), labels)


def square() -> np.ndarray:
    mask = np.zeros((12, 17), bool)
    mask[6:10, 9:15] = True
    return mask


@given(arrays(np.bool_, (9, 14)), st.integers(0, 2))
def test_outlines_give_the_mask_back(noise: np.ndarray, width: int) -> None:
    """Any mask without holes, single pixels and lines among them."""
    mask = ndimage.binary_dilation(noise, iterations=width) if width else noise
    filled = ndimage.binary_fill_holes(mask, structure=np.ones((3, 3)))
    filled = ndimage.binary_fill_holes(filled)  # and what corners alone close off
    np.testing.assert_array_equal(draw_regions(regions_of(filled, "x"), filled.shape), filled)


def test_file_round_trip(tmp_path: Path) -> None:
    one = item()
    regions = ImageRegions(one.name, pixels_sha256(one.image), tuple(regions_of(square(), "nucleus")))
    write_regions(tmp_path / "regions.json", [regions], {"found_by": "hand"})
    assert read_regions(tmp_path / "regions.json") == {regions.pixels_sha256: regions}


@pytest.mark.parametrize("write", [write_kaggle, write_pairs])
def test_an_image_is_known_by_its_pixels(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """In either layout; another image of the set gets nothing."""
    write(tmp_path / "set", [item(), item(1)])
    regions = {
        pixels_sha256(item().image): ImageRegions("as it was called", "", tuple(regions_of(square(), "nucleus")))
    }
    pack_dataset(tmp_path / "set", tmp_path / "packed", regions=regions)
    first, second = open_dataset(tmp_path / "packed")
    np.testing.assert_array_equal(first.ignored, square())
    assert second.ignored is None


def test_regions_add_to_what_is_ignored_already() -> None:
    corner = np.zeros((12, 17), bool)
    corner[0, 0] = True
    regions = {pixels_sha256(item().image): ImageRegions("one", "", tuple(regions_of(square(), "nucleus")))}
    [found] = with_regions([LabelledImage("one", item().image, item().labels, ignored=corner)], regions)
    np.testing.assert_array_equal(found.ignored, square() | corner)


def test_regions_of_other_images_are_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path / "set", [item()])
    regions = {pixels_sha256(item(1).image): ImageRegions("other", "", ())}
    with pytest.raises(SomaNetError, match="no pixels agree"):
        pack_dataset(tmp_path / "set", tmp_path / "packed", regions=regions)
    assert not (tmp_path / "packed").exists()


@pytest.mark.parametrize(
    "broken",
    [
        {"format": 2, "images": []},
        {"format": 1, "images": {}},
        {"format": 1, "images": [{"name": "a"}]},
        {
            "format": 1,
            "images": [{"name": "a", "pixels_sha256": "0", "regions": [{"reason": "x", "outline_yx": "1,2 3"}]}],
        },
        {"format": 1, "images": [{"name": "a", "pixels_sha256": "0", "regions": [{"reason": "x", "outline_yx": ""}]}]},
        {
            "format": 1,
            "images": [{"name": "a", "pixels_sha256": "0", "regions": [{"reason": "x", "outline_yx": "-1,2"}]}],
        },
        {
            "format": 1,
            "images": [{"name": "a", "pixels_sha256": "0", "regions": [{"reason": "x", "outline_yx": "9e9,2"}]}],
        },
        {"format": 1, "images": ["a"]},
    ],
)
def test_a_broken_file_is_one_line(broken: object, tmp_path: Path) -> None:
    (tmp_path / "regions.json").write_text(json.dumps(broken))
    with pytest.raises(SomaNetError, match=r"regions\.json"):
        read_regions(tmp_path / "regions.json")
