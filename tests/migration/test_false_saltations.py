"""Saltations that noise alone makes: as many as are found in cells that never move."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from somanet.migration.cells import migration_of
from somanet.migration.false_saltations import FEWEST_STEPS, false_saltations_per_h
from somanet.migration.kinematics import Bools, Steps, steps_of
from somanet.migration.requirements import MOST_FALSE_SALTATIONS, rests_on_saltations
from somanet.migration.saltation import mobile_steps
from somanet.migration.summary import summarize
from tests.migration.worlds import track

SIGMA_UM = 1.5


def still(seed: int, *, n_cells: int = 11, n_frames: int = 97, sigma_um: float = SIGMA_UM) -> pd.DataFrame:
    """Cells at rest, filmed every 5 min: half of their steps are above the threshold's upper bound."""
    rng = np.random.default_rng(seed)
    cells = [rng.normal(0, sigma_um, (n_frames, 2)) for _ in range(n_cells)]
    return pd.concat([track(one, track_id=i + 1, interval_h=1 / 12) for i, one in enumerate(cells)], ignore_index=True)


def test_as_many_are_expected_as_cells_at_rest_show() -> None:
    """12 movies of some two saltations each: the sums agree within three standard errors of a Poisson count."""
    tables = [migration_of(still(seed), drift="none", sigma_um=SIGMA_UM).cells for seed in range(12)]
    found = sum(int(one["n_saltations"].sum()) for one in tables)
    expected = sum(float(one["false_saltations"].sum()) for one in tables)
    assert found > 10
    assert abs(found - expected) < 3 * math.sqrt(expected)


def test_numbers_of_saltations_that_noise_makes_are_not_estimated() -> None:
    """Of ten saltations noise may make 2.5; with more, whatever rests on them has this as its reason."""
    cells = migration_of(still(1), drift="none", sigma_um=SIGMA_UM).cells.assign(n_saltations=[10] + [0] * 10)
    limit = MOST_FALSE_SALTATIONS * 10 / len(cells)
    few, many = (
        summarize(cells.assign(false_saltations=limit * factor), resamples=50).numbers for factor in (0.9, 1.1)
    )
    assert "noise alone" not in few["frequency_per_h"].problem
    for name, number in many.items():
        assert number.problem.startswith("noise alone makes about 2.8 saltations") == rests_on_saltations(name)


@pytest.mark.parametrize("sigma_um", [0.4, 0.8])
def test_small_errors_make_none(sigma_um: float) -> None:
    """5 µm in an error of 0.8 µm: exp(-25/(4·0.64)) of pairs of positions, one in 17 000, half of them at most runs."""
    cells = migration_of(still(2, sigma_um=sigma_um), drift="none", sigma_um=sigma_um).cells
    assert cells["false_saltations"].sum() < 0.5
    assert cells["n_saltations"].sum() == 0


def test_few_steps_are_simulated_together() -> None:
    """Two steps stand for 20,000 by 10,000 copies side by side, in which the detector looks once, and not for each."""
    calls = []

    def detect(those: Steps) -> Bools:
        calls.append(len(those))
        return mobile_steps(those, scale_um=SIGMA_UM)

    steps = steps_of(still(4, n_cells=1, n_frames=3))
    arguments = {"sigma_um": SIGMA_UM, "error_kept": 0.0, "min_length_um": 2.0}
    few = false_saltations_per_h(steps, detect, **arguments)
    assert calls == [FEWEST_STEPS]
    assert few == pytest.approx(false_saltations_per_h(steps, detect, seed=1, **arguments), rel=0.1)
    # A start is seen from the second step on: at most one in two steps of 5 min each.
    assert 0 < few <= 6.0
