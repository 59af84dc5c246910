"""Jumps that noise cuts into pieces are pointed out, and jumps hardly faster than the threshold that it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from somanet.analysis.validation.conditions import TrackCondition
from somanet.analysis.validation.tracks import simulate_tracks
from somanet.migration.cells import migration_of
from somanet.migration.sampling_warnings import interruptions, sampling_warnings
from somanet.simulation.settings import NeuronSettings
from tests.migration.test_summary import cells

PLAIN = NeuronSettings()


@pytest.mark.parametrize(
    ("interval_min", "noise_um", "speed_um_per_h", "pieces"),
    [(5.0, 0.5, 40.0, True), (10.0, 2.0, 75.0, False), (10.0, 0.5, 40.0, False), (10.0, 0.5, 75.0, False)],
)
def test_the_warning_fires_where_jumps_are_cut(
    interval_min: float, noise_um: float, speed_um_per_h: float, pieces: bool
) -> None:
    """At 5 min a third too many jumps of 40 µm/h are found; with errors of 2 µm at 10 min their number is right."""
    settings = replace(PLAIN, jump_speed_um_per_h=speed_um_per_h)
    condition = TrackCondition(interval_min=interval_min, noise_um=noise_um, n_cells=20, hours=10.0, settings=settings)
    tracks, _ = simulate_tracks(np.random.default_rng(3), condition, settings=settings)
    found = migration_of(tracks, drift="none", sigma_um=noise_um).cells
    assert any("in pieces" in text for text in sampling_warnings(found)) == pieces


def test_interruptions_are_the_chance_of_slow_steps_in_the_middle_of_jumps() -> None:
    """Ten steps a jump, eight of them inner; v = 2 µm, u = 1.6, √2σ = 0.4: each is below with Φ(-1)."""
    table = cells([0.5, 0.5], complete_h=5.0, mobile_step_um=1.6, noise_um=0.4 / np.sqrt(2))
    assert interruptions(table, 0.8) == pytest.approx(8 * stats.norm.cdf(-1))
    assert interruptions(table.assign(noise_um=0.0), 0.8) == 0
    assert interruptions(table.assign(n_complete=0), 0.8) == 0
