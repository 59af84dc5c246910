"""Crops for transfer learning: colours, somas, names, and movies that never mix."""

import re

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.simulation import neuron_crops


@pytest.fixture(scope="module")
def crops():
    return neuron_crops(n_crops=10, size_px=96, seed=6, n_movies=3)


def test_crops_hold_somas_and_are_well_formed(crops) -> None:
    assert len({crop.name for crop in crops}) == len(crops) == 10
    for crop in crops:
        assert crop.image.shape == (96, 96, 3)
        assert crop.image.dtype == np.uint8
        assert crop.labels.shape == (96, 96)
        assert crop.labels.dtype == np.int32
        assert np.unique(crop.labels).tolist() == list(range(crop.labels.max() + 1))
        assert crop.labels.max() >= 1
        assert np.bincount(crop.labels.ravel())[1:].max() >= 80
        light = crop.image.max(axis=2).astype(float)
        assert light[crop.labels > 0].mean() > light[crop.labels == 0].mean()


def test_three_fifths_are_green_and_the_rest_grey(crops) -> None:
    green = [crop for crop in crops if not crop.image[..., [0, 2]].any()]
    grey = [crop for crop in crops if (crop.image == crop.image[..., :1]).all()]
    assert len(green) == 6
    assert len(grey) == 4


def test_names_tell_movie_frame_and_corner(crops) -> None:
    assert all(re.fullmatch(r"m\d{2}_t\d{2}_y\d{3}_x\d{3}", crop.name) for crop in crops)
    assert {crop.name[:3] for crop in crops} == {"m00", "m01", "m02"}


def test_seed_decides(crops) -> None:
    again = neuron_crops(n_crops=10, size_px=96, seed=6, n_movies=3)
    assert all(a.name == b.name and a.image.tobytes() == b.image.tobytes() for a, b in zip(crops, again, strict=True))
    assert [c.name for c in neuron_crops(n_crops=3, size_px=96, seed=7)] != [c.name for c in crops[:3]]


def test_disjoint_ranges_give_other_movies(crops) -> None:
    val = neuron_crops(n_crops=2, size_px=96, seed=6, n_movies=1, first_movie=3)
    assert {crop.name[:3] for crop in val} == {"m03"}
    assert not {crop.image.tobytes() for crop in val} & {crop.image.tobytes() for crop in crops}


@pytest.mark.parametrize("wrong", [{"n_crops": -1}, {"size_px": 8}, {"n_movies": 0}, {"first_movie": -1}])
def test_invalid_arguments_raise(wrong: dict[str, int]) -> None:
    with pytest.raises(SomaNetError):
        neuron_crops(**({"n_crops": 1, "size_px": 64, "seed": 0} | wrong))
