"""Jumps that noise cuts into pieces are pointed out, and jumps hardly faster than the threshold that it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from somanet.analysis.validation.conditions import TrackCondition
from somanet.analysis.validation.tracks import simulate_tracks
from somanet.migration.cells import migration_of
from somanet.migration.sampling_warnings import Pieces, sampling_warnings
from somanet.simulation.settings import NeuronSettings
from tests.migration.test_summary import cells

PLAIN = NeuronSettings()


@pytest.mark.parametrize(
    ("interval_min", "noise_um", "speed_um_per_h", "pieces"),
    [(5.0, 0.5, 40.0, True), (10.0, 2.0, 75.0, False), (10.0, 0.5, 40.0, False), (5.0, 0.5, 75.0, False)],
)
def test_the_warning_fires_where_jumps_are_cut(
    interval_min: float, noise_um: float, speed_um_per_h: float, pieces: bool
) -> None:
    """At 5 min a third too many jumps of 40 µm/h are found; with errors of 2 µm at 10 min their number is right."""
    settings = replace(PLAIN, jump_speed_um_per_h=speed_um_per_h)
    condition = TrackCondition(interval_min=interval_min, noise_um=noise_um, n_cells=25, settings=settings)
    tracks, _ = simulate_tracks(np.random.default_rng(3), condition, settings=settings)
    found = migration_of(tracks, drift="none", sigma_um=noise_um)
    assert any("in pieces" in text for text in found.warnings) == pieces


def test_it_takes_jumps_near_the_threshold_and_more_short_pauses_than_chance_has() -> None:
    """Of 40 pauses 16 last one frame and 4 two: 12 more, where 2√20 = 9 are chance; with 14 and 6 they are not."""
    near = cells([0.5, 0.5], mobile_step_um=8.0)
    for one, two, found in ((16, 4, True), (14, 6, False)):
        steps = [1.0] * one + [2.0] * two + [9.0] * (40 - one - two)
        pauses = pd.DataFrame({"duration_h": 0.1 * np.array(steps), "censored": ""})
        assert bool(Pieces.of(near, pauses, 0.1).warnings) == found
        assert not Pieces.of(cells([0.5, 0.5]), pauses, 0.1).warnings
        assert not Pieces.of(near, pauses.iloc[:19], 0.1).warnings


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ((None,), "2 of 2 cells are seen for less than 4 h and in fewer than 12 frames, and are left out."),
        ((100.0,), "2 of 2 cells are seen for less than 100 h (migrate.min_track_h), and are left out."),
        (
            (6.5, None),
            (
                "2 of 2 cells are seen for less than 4 h and in fewer than 12 frames or, by their movie's setting, for "
                "less than 6.5 h (migrate.min_track_h), and are left out."
            ),
        ),
    ],
)
def test_cells_left_out_are_so_by_the_rule_that_was_set(rules: tuple[float | None, ...], words: str) -> None:
    left_out, nothing = sampling_warnings(cells([0.5, 0.5], long_enough=0), rules)
    assert left_out == words
    assert "there are no numbers" not in nothing
    assert "of all cells, however briefly they are seen" in nothing
