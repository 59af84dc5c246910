"""Cells without a label are found where a simulation hides labels, and nothing else becomes ignored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from somanet.core.calibration import Calibration
from somanet.simulation import NeuronSettings, SimulatedMovie, simulate_movie
from tools.unlabelled.finding import Rules, by_gap, by_track, contrast, unlabelled_cells

RULES = Rules()
T = 2
NO_TRACKS = pd.DataFrame({"track": [], "frame": [], "y_px": [], "x_px": []})


@pytest.fixture(scope="module")
def movie() -> SimulatedMovie:
    """Somas of equal brightness on an even background, with bright nuclei, without processes and other objects."""
    settings = NeuronSettings(
        somas_per_mm2=90,
        touching_fraction=0,
        neighbours_per_mm2=0,
        ghosts_per_mm2=0,
        debris_per_mm2=0,
        motile_fraction=0,
        process_length_um=0,
        soma_brightness_counts=900,
        soma_brightness_log_sd=0,
        nucleus_brightness_counts=60,
        illumination_falloff=0.05,
    )
    return simulate_movie(seed=5, n_frames=4, shape_YX=(300, 380), calibration=Calibration(1.28, 12), settings=settings)


def hidden(movie: SimulatedMovie) -> tuple[np.ndarray, list[int]]:
    """The labels without every other soma, and which those are: whole ones only."""
    labels = movie.labels_TYX.copy()
    frame = labels[T]
    edge = set(np.unique(np.concatenate([frame[0], frame[-1], frame[:, 0], frame[:, -1]])).tolist())
    whole = [one for one in np.unique(frame[frame > 0]).tolist() if one not in edge]
    gone = whole[::2]
    labels[np.isin(labels, gone)] = 0
    return labels, gone


def test_hidden_somas_are_found_and_labelled_ones_left_alone(movie: SimulatedMovie) -> None:
    """Dimmed to 40 % of the others, so that they are dim; each is covered to nine tenths, and little else is."""
    labels, gone = hidden(movie)
    assert len(gone) >= 4
    background = np.median(movie.frames_TYX)
    dim = np.isin(movie.labels_TYX, gone)
    body = np.where(dim, background + 0.4 * (movie.frames_TYX - background), movie.frames_TYX)
    found = unlabelled_cells(body, movie.nucleus_TYX, labels, NO_TRACKS, T, RULES)
    ignored = np.any([one.pixels for one in found], axis=0)
    for one in gone:
        assert ignored[movie.labels_TYX[T] == one].mean() > 0.9
    assert not ignored[labels[T] > 0].any()
    elsewhere = movie.labels_TYX[T] == 0
    assert ignored[elsewhere].mean() < 0.02


def test_nothing_is_ignored_where_every_soma_has_its_label(movie: SimulatedMovie) -> None:
    found = unlabelled_cells(movie.frames_TYX, movie.nucleus_TYX, movie.labels_TYX, NO_TRACKS, T, RULES)
    whole = [one for one in found if not (one.pixels[0] | one.pixels[-1]).any() and not one.pixels[:, [0, -1]].any()]
    assert whole == []


def test_bright_structures_stay_background(movie: SimulatedMovie) -> None:
    """A growth cone as bright as a soma, which shines into the nucleus channel, is no cell that was forgotten."""
    labels, gone = hidden(movie)
    found = unlabelled_cells(
        movie.frames_TYX, movie.nucleus_TYX, labels, NO_TRACKS, T, replace(RULES, dim=0.05, faint=0.05)
    )
    assert not any(np.isin(movie.labels_TYX[T], gone)[one.pixels].any() for one in found)


def test_a_track_without_a_label() -> None:
    labels = np.zeros((60, 90), np.int32)
    labels[20:30, 20:30] = 1
    tracks = pd.DataFrame({"track": [1, 2, 3], "frame": [T, T, 0], "y_px": [25.0, 40, 50], "x_px": [25.0, 70, 50]})
    [found] = by_track(tracks, T, labels, RULES)
    assert found.rule == "track"
    y, x = np.nonzero(found.pixels)
    assert (round(y.mean()), round(x.mean())) == (40, 70)


def test_a_label_that_is_missing_for_a_frame() -> None:
    """Soma 7 is there before and after, soma 8 only before; both its places are ignored, with the margin."""
    labels = np.zeros((5, 40, 60), np.int32)
    labels[1, 10:14, 10:14] = 7
    labels[3, 12:16, 10:14] = 7
    labels[1, 30:34, 40:44] = 8
    [found] = by_gap(labels, T, RULES)
    assert found.pixels[10:16, 10:14].all()
    assert not found.pixels[:, 30:].any()
    assert by_gap(labels, 1, RULES) == []


def test_contrast_is_in_units_of_the_noise() -> None:
    """White noise: standard deviation 1, whatever its size and level; a blob of ten times that stands out."""
    rng = np.random.default_rng(0)
    noise = rng.normal(500, 30, (200, 260)).astype(np.float32)
    level = contrast(noise, 3.0)
    assert level.std() == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(level, contrast(7 * noise + 100, 3.0), atol=0.02)
    y, x = np.mgrid[:200, :260]
    assert contrast(noise + 300 * ((y - 90) ** 2 + (x - 70) ** 2 < 64), 3.0)[90, 70] > 20
