"""Varied looks: off by default to the last bit, each effect does what it says, and the truth stays exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.simulation import NeuronSettings, SimulatedMovie, Variety, neuron_crops, simulate_movie
from somanet.simulation.patches import blur
from somanet.simulation.tissue import scattered, tissue_haze
from somanet.simulation.variety import invisible, random_look

PLAIN = NeuronSettings(
    neighbours_per_mm2=0,
    ghosts_per_mm2=0,
    debris_per_mm2=0,
    process_length_um=0,
    read_noise_counts=0,
    counts_per_photon=0,
)


def movie(settings: NeuronSettings) -> SimulatedMovie:
    return simulate_movie(seed=3, n_frames=2, shape_YX=(150, 190), calibration=Calibration(1.28, 12), settings=settings)


@pytest.mark.parametrize(
    "effect", [{"haze_counts": 900.0}, {"scattered_share": 0.5}, {"dim_share": 0.6}], ids=lambda one: next(iter(one))
)
def test_an_effect_changes_the_light_and_not_the_truth(effect: dict[str, float]) -> None:
    plain, other = movie(PLAIN), movie(replace(PLAIN, **effect))
    assert (plain.frames_TYX != other.frames_TYX).any()
    np.testing.assert_array_equal(plain.labels_TYX, other.labels_TYX)
    np.testing.assert_array_equal(plain.nucleus_TYX, other.nucleus_TYX)
    assert plain.tracks.equals(other.tracks)


def test_haze_has_the_given_mean_and_is_never_dark() -> None:
    settings = replace(PLAIN, haze_counts=700.0, haze_grain_um=10.0)
    haze = tissue_haze(np.random.default_rng(0), (200, 310), pixel_size_um=1.0, settings=settings)
    assert isinstance(haze, np.ndarray)
    assert haze.shape == (200, 310)
    assert haze.mean() == pytest.approx(700, rel=1e-3)
    assert haze.min() > 0
    assert haze.max() > 2 * 700
    assert tissue_haze(np.random.default_rng(0), (20, 31), pixel_size_um=1.0, settings=PLAIN) == 0


def test_scattering_keeps_the_light() -> None:
    """A point far from the border: all its light is still there, the given share of it in the glow."""
    light = np.zeros((301, 341), np.float32)
    light[150, 170] = 1000
    found = scattered(light, pixel_size_um=2.0, settings=replace(PLAIN, scattered_share=0.3, scatter_um=20))
    assert found.sum() == pytest.approx(1000, rel=1e-3)
    assert found[150, 170] == pytest.approx(700, rel=0.01)
    np.testing.assert_allclose(found - 0.7 * light, 0.3 * blur(light, 10.0), atol=1e-3)


def test_dim_somas_are_so_much_dimmer() -> None:
    """With every soma dim, all their light is a tenth."""
    unsaturated = replace(PLAIN, saturation_counts=65535)
    plain, dim = movie(unsaturated), movie(replace(unsaturated, dim_share=1, dim_brightness=0.1))
    lamp_and_background = movie(replace(PLAIN, soma_brightness_counts=1e-3)).frames_TYX.astype(float)
    inside = plain.labels_TYX > 0
    bright, tenth = ((one.frames_TYX - lamp_and_background)[inside].mean() for one in (plain, dim))
    assert tenth == pytest.approx(bright / 10, rel=0.15)


def test_diameters_span_the_range() -> None:
    """Median diameter of the labels against that asked for, of somas that the border does not cut."""
    for low, high in ((8, 9), (40, 44)):
        crops = neuron_crops(n_crops=2, size_px=192, seed=4, n_movies=2, variety=Variety(diameter_px=(low, high)))
        diameters = []
        for crop in crops:
            cut = np.unique(np.concatenate([crop.labels[[0, -1]].ravel(), crop.labels[:, [0, -1]].ravel()]))
            whole = crop.labels[~np.isin(crop.labels, cut)]
            diameters += list(np.sqrt(4 / np.pi * np.unique(whole, return_counts=True)[1]))
        assert 0.6 * low < np.median(diameters) < 1.5 * high


def test_looks_follow_the_seed_and_differ() -> None:
    looks = [random_look(np.random.default_rng(seed), Variety()) for seed in (0, 0, *range(1, 40))]
    assert looks[0] == looks[1] != looks[2]
    assert {bool(look.settings.haze_counts) for look in looks} == {False, True}
    assert {bool(look.settings.dim_share) for look in looks} == {False, True}
    diameters = [look.diameter_px for look in looks]
    assert min(diameters) < 12
    assert max(diameters) > 60
    assert all(97 <= look.display_percentiles[1] <= 99.95 for look in looks)


def test_invisible_somas_are_those_without_contrast() -> None:
    """Noise of standard deviation 20: a soma 40 brighter is seen, one 4 brighter is not, nor a darker one."""
    rng = np.random.default_rng(0)
    image = rng.normal(100, 20, (60, 90))
    labels = np.zeros((60, 90), np.int32)
    for number, (x, brighter) in enumerate([(10, 40), (40, 4), (70, -30)], start=1):
        labels[20:36, x : x + 14] = number
        image[20:36, x : x + 14] += brighter
    hidden = invisible(image, labels)
    np.testing.assert_array_equal(hidden, labels > 1)


def test_a_range_that_is_none_is_refused() -> None:
    with pytest.raises(SomaNetError, match="diameter_px"):
        Variety(diameter_px=(30, 8))
