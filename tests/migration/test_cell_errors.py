"""Errors that differ from cell to cell: found where they do, not where they do not, and used for what they decide."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from somanet.migration.kinematics import steps_of
from somanet.migration.motion_modes import modes_of
from somanet.migration.noise import localisation_of
from tests.migration.test_motion_modes import saltating, walking
from tests.migration.worlds import track

STEP_H = 1 / 6


def movie(rng: np.random.Generator, errors: np.ndarray, *, walks: int = 0, n: int = 60) -> tuple[pd.DataFrame, float]:
    """Cells of these errors that jump, the last few of them walks; and the share of steps without motion."""
    parts, still = [], []
    for i, error in enumerate(errors):
        speed = walking(rng, n) if i >= len(errors) - walks else saltating(rng, n)
        still.append(float((speed == 0).mean()))
        heading = rng.uniform(-3, 3) + np.cumsum(rng.normal(0, 0.25, n))
        moved = np.stack([speed * np.sin(heading), speed * np.cos(heading)], axis=1)
        place = np.concatenate([np.zeros((1, 2)), np.cumsum(moved, axis=0)]) + rng.normal(0, error, (n + 1, 2))
        parts.append(track(place, track_id=i + 1, interval_h=STEP_H))
    return pd.concat(parts, ignore_index=True), float(np.mean(still))


def test_errors_of_single_cells_are_found() -> None:
    """From 0.2 to 1.2 µm: each one is known to a tenth or so (60 positions: 1/√(4·60) and what motion costs)."""
    errors = np.geomspace(0.2, 1.2, 16)
    tracks, _ = movie(np.random.default_rng(1), errors)
    found = localisation_of(steps_of(tracks))
    own = np.array([found.of_cells[i + 1] for i in range(len(errors))])
    np.testing.assert_allclose(own, errors, rtol=0.3)
    assert np.abs(np.log(own / errors)).mean() < 0.12
    assert found.spread == pytest.approx(np.log(errors).std(), rel=0.2)
    rms = math.sqrt((errors**2).mean())
    assert found.sigma_um == pytest.approx(rms, rel=0.1)
    assert found.low_um < rms < found.high_um
    assert "differ by" in found.in_words
    assert found.as_dict()["spread_between_cells"] == found.spread


def test_equal_errors_are_taken_for_equal() -> None:
    """Movies of saltating cells and of some that walk: no spread is made up."""
    spreads = []
    for seed in range(8):
        tracks, _ = movie(np.random.default_rng(100 + seed), np.full(14, 0.6), walks=seed % 3)
        found = localisation_of(steps_of(tracks), resamples=0)
        spreads.append(found.spread)
        assert found.sigma_um == pytest.approx(0.6, rel=0.1)
        assert bool(found.of_cells) == (found.spread > 0)
    assert np.count_nonzero(spreads) <= 1


def test_steps_of_dim_cells_at_rest_are_not_taken_for_creep() -> None:
    """Nothing creeps. With one error for all, steps of cells of large error do; with each cell's own, hardly any."""
    rng = np.random.default_rng(5)
    errors = 0.5 * np.exp(0.5 * rng.standard_normal(24))
    tracks, still = movie(rng, errors)
    steps = steps_of(tracks)
    found = localisation_of(steps, resamples=20)
    typical = float(np.median(errors))
    same = modes_of(steps, sigma_um=typical)
    own = modes_of(steps, sigma_um=found.sigma_um, of_cells=found.of_cells)
    assert same is not None
    assert own is not None
    assert own.state_share["creep"].value < 0.5 * same.state_share["creep"].value
    assert own.state_share["rest"].low <= still <= own.state_share["rest"].high
    assert own.state_share["rest"].value == pytest.approx(still, abs=0.06)


def test_one_cell_or_few_have_no_errors_of_their_own() -> None:
    tracks, _ = movie(np.random.default_rng(7), np.array([0.2, 1.0, 0.3]))
    found = localisation_of(steps_of(tracks), resamples=0)
    assert found.of_cells == {}
    assert found.spread == 0
