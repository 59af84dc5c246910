"""Which movies support saltations per hour: whole movies of cells that saltate, walk, or are exchanged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from somanet.analysis.validation.worlds import BASE, simulate_world
from somanet.migration.cells import migration_of
from somanet.migration.exchanges import n_exchanges
from somanet.migration.frame_dropping import frame_dropping
from somanet.migration.kinematics import steps_of
from somanet.migration.measures import measure_movie
from somanet.migration.summary import UNITS, summarize
from somanet.migration.support import NEEDS_STEADY, without_unsteady
from tests.migration.test_motion_modes import movie
from tests.migration.worlds import along_x, simulated, track


def test_saltating_cells_support_saltations_and_walks_do_not() -> None:
    saltating, _ = simulated(seed=11, n_cells=20, hours=10)
    found = measure_movie(saltating, drift="none").support
    assert found.saltations
    assert found.reasons == ()
    assert found.continuous_share < 0.1
    walking = measure_movie(movie("w" * 15, seed=12), drift="none")
    assert not walking.support.saltations
    assert "keep moving" in walking.support.reasons[0]
    assert "every second frame" in walking.support.reasons[1]
    assert walking.warnings[0].startswith("Saltation numbers are not supported")


def test_exchanged_cells_are_counted_and_two_that_jump_side_by_side_are_not() -> None:
    """Cells at 0 and 20 µm exchange after frame 3; cells at 100 and 120 both jump 20 µm to the right, in step."""
    exchanged = [along_x([a] * 4 + [b] * 4, track_id=i) for i, (a, b) in enumerate([(0, 20), (20, 0)], 1)]
    aside = [along_x([a] * 4 + [a + 20.0] * 4, track_id=i) for i, a in ((3, 100.0), (4, 120.0))]
    assert n_exchanges(steps_of(pd.concat(exchanged))) == 1
    assert n_exchanges(steps_of(pd.concat(aside))) == 0
    assert n_exchanges(steps_of(pd.concat([*exchanged, *aside]))) == 1


def test_exchanges_are_a_reason() -> None:
    tracks, _ = simulated(seed=13, n_cells=12, hours=8)
    first = tracks[["y_um", "x_um"]].groupby(tracks["track_id"]).transform("first")
    # pairs of cells start 15 µm apart, so that an exchange is two steps of about that
    base = np.repeat(np.arange(6) * 300.0, 2)[tracks["track_id"] - 1] + 15.0 * ((tracks["track_id"] - 1) % 2)
    tracks = tracks.assign(y_um=tracks["y_um"] - first["y_um"] + base, x_um=tracks["x_um"] - first["x_um"])
    partner = np.where(tracks["track_id"] % 2 == 1, tracks["track_id"] + 1, tracks["track_id"] - 1)
    late = tracks["t_h"] > 0.05
    swapped = tracks.assign(track_id=np.where(late, partner, tracks["track_id"]))
    support = measure_movie(swapped, drift="none").support
    assert support.exchanges >= 3
    assert any("exchange" in reason for reason in support.reasons)


def test_a_movie_without_enough_saltations_does_not_support_them() -> None:
    """Cells that rest, errors with outliers: nothing jumps, whatever the models of motion say."""
    rng = np.random.default_rng(4)
    error = 0.8 / np.sqrt(3) * rng.standard_t(3, (6, 30, 2))
    resting = pd.concat([track(one, track_id=i + 1, interval_h=1 / 6) for i, one in enumerate(error)])
    support = measure_movie(resting, drift="none").support
    assert not support.saltations
    assert support.reasons[0] == "0 saltations are found, and it takes 20 to describe them"


def test_speed_and_pause_are_not_estimated_where_frequency_follows_the_frame_interval() -> None:
    """Pauses of even length at 20 min: no pause is as short as the correction has it (by a third too many jumps)."""
    world = replace(BASE, pause_cv=0.4, pause_h=1.0, interval_min=20.0, n_cells=20)
    tracks, _ = simulate_world(world, seed=1)

    def cells(some: pd.DataFrame) -> pd.DataFrame:
        return migration_of(some, drift="none", sigma_um=0.5).cells

    measured = cells(tracks)
    summary = summarize(measured, resamples=200)
    checked = without_unsteady(summary, frame_dropping(tracks, measured, cells, resamples=50))
    assert all(not summary.numbers[name].problem for name in NEEDS_STEADY)
    assert all("every second frame" in checked.numbers[name].problem for name in NEEDS_STEADY)
    rest = set(UNITS) - set(NEEDS_STEADY)
    assert {name: checked.numbers[name] for name in rest} == {name: summary.numbers[name] for name in rest}
    assert without_unsteady(summary, ()) is summary
