"""The true values of a population, against hand-derived ones and a simulation of many cells."""

from dataclasses import replace

import numpy as np
import pytest

from somanet.analysis.validation.conditions import TrackCondition
from somanet.analysis.validation.ground_truth import true_numbers
from somanet.analysis.validation.tracks import run_experiment, simulate_tracks, with_pause_spread
from somanet.simulation.motion import CellPath
from somanet.simulation.settings import NeuronSettings

EVEN = NeuronSettings(
    motile_fraction=0.5, pause_mean_h=1.5, jump_length_um=30, jump_length_cv=0, jump_speed_um_per_h=60, jump_speed_cv=0
)


def test_even_cells_have_the_numbers_of_their_cycle() -> None:
    """A jump of 30 µm at 60 µm/h takes 0.5 h, a cycle 2 h; half of the cells move: 0.25 per hour."""
    found = true_numbers(TrackCondition(settings=EVEN))
    assert found == pytest.approx({"frequency": 0.25, "length": 30, "speed": 60})


def test_jumps_below_five_micrometres_are_no_saltations() -> None:
    """Exponential lengths (cv 1) of mean 5 µm: exp(-1) are longer than 5 µm, by 5 µm on average."""
    short = replace(EVEN, jump_length_um=5, jump_length_cv=1)
    found = true_numbers(TrackCondition(settings=short))
    assert found["length"] == pytest.approx(10)
    assert found["frequency"] == pytest.approx(0.5 / (1.5 + 5 / 60) * np.exp(-1))
    none = true_numbers(TrackCondition(settings=replace(EVEN, jump_length_um=4)))
    assert none["frequency"] == 0
    assert np.isnan(none["length"])


def test_donors_count_by_their_saltations() -> None:
    """Donors of long jumps need more time for a cycle and count less: the mean length is below the donors' own."""
    condition = TrackCondition(settings=EVEN, donor_cv=0.2)
    found = true_numbers(condition)
    mean_of_donors = 30 * np.exp(0.2**2 / 2)
    assert 30 < found["length"] < mean_of_donors
    assert found["speed"] == pytest.approx(60)


def test_a_simulated_crowd_has_the_true_numbers() -> None:
    """200 cells for 20 h, about 1800 jumps: 3 sd of the frequency are 12 % (some cells never move), of length 3 %."""
    cells = replace(NeuronSettings(), motile_fraction=0.8)
    condition = TrackCondition(n_cells=200, hours=20, interval_min=30, settings=cells)
    _, jumps = simulate_tracks(np.random.default_rng(1), condition, settings=cells)
    started = jumps[(jumps["start_h"] >= 0) & (jumps["start_h"] < 20) & (jumps["length_um"] >= 5)]
    true = true_numbers(condition)
    assert len(started) / (200 * 20) == pytest.approx(true["frequency"], rel=0.12)
    assert started["length_um"].mean() == pytest.approx(true["length"], rel=0.03)
    weighted = (started["length_um"] * started["speed_um_per_h"]).sum() / started["length_um"].sum()
    assert weighted == pytest.approx(true["speed"], rel=0.03)


def path_of(pauses_h: np.ndarray) -> CellPath:
    starts = np.cumsum(pauses_h) + 0.25 * np.arange(pauses_h.size)
    jumps = np.tile([0.0, 20.0], (pauses_h.size, 1))
    return CellPath(np.zeros(2), starts, starts + 0.25, jumps, np.zeros(pauses_h.size))


@pytest.mark.parametrize("cv", [0.5, 1.5])
def test_pauses_get_their_spread_and_keep_their_mean_and_jumps(cv: float) -> None:
    """4000 pauses: 3 sd of the mean are 5 % and 7 %, of the spread about 10 %."""
    path = path_of(np.random.default_rng(2).exponential(1.5, 4000))
    changed = with_pause_spread(path, mean_h=1.5, cv=cv)
    pauses = changed.starts_h[1:] - changed.ends_h[:-1]
    assert pauses.mean() == pytest.approx(1.5, rel=0.08)
    assert pauses.std() / pauses.mean() == pytest.approx(cv, rel=0.12)
    np.testing.assert_allclose(changed.ends_h - changed.starts_h, 0.25)
    assert with_pause_spread(path, mean_h=1.5, cv=1) is path


def test_an_experiment_has_donors_with_movies_and_ids_of_its_own() -> None:
    condition = TrackCondition(n_cells=3, hours=4, n_donors=2, n_movies=2, donor_cv=0.2, interval_min=20)
    found = run_experiment(condition, seed=3, resamples=50)
    assert sorted(found.cells["track_id"]) == list(range(1, 13))
    assert found.cells.groupby("donor")["movie"].nunique().to_dict() == {"d0": 2, "d1": 2}
    assert found.summary.level == "donor"
    # Cells that never move have no jumps.
    assert set(found.events["track_id"]) <= set(found.jumps["track_id"]) <= set(range(1, 13))
    assert max(found.jumps["track_id"]) > 9
    assert found.cells.equals(run_experiment(condition, seed=3, resamples=50).cells)
