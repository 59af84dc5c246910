"""Distance, speed, pauses and hourly displacement: derived by hand, and recovered from noisy simulated cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from somanet.migration.cells import migration_of
from somanet.migration.pooling import pooled_numbers
from somanet.migration.sampling import true_jumps
from somanet.migration.summary import summarize
from somanet.migration.travel import hourly_problem, speed_estimates
from tests.migration.worlds import along_x, track

SIGMA_UM = 0.01


def cells_of(*tracks: pd.DataFrame, sigma_um: float = SIGMA_UM) -> pd.DataFrame:
    return migration_of(pd.concat(tracks), drift="none", sigma_um=sigma_um).cells


def test_distance_has_the_steps_beside_a_saltation_and_follows_its_turns() -> None:
    """10 min frames. 1 µm of the step before, 10 right, 10 down, and 2 of the step after, which go down: 23 µm."""
    yx = [[0, 0]] * 6 + [[0, 1], [0, 11], [10, 11], [12, 11]] + [[12, 11]] * 6
    row = cells_of(track(yx, interval_h=1 / 6)).iloc[0]
    assert row.distance_um == pytest.approx(23, abs=0.01)
    assert row.complete_distance_um == row.distance_um
    assert row.net_um == pytest.approx(np.hypot(12, 11))


def test_a_rest_step_between_two_saltations_counts_once() -> None:
    """10 µm, a step of 1 µm at rest, 10 µm on the same line: 21 µm, not 22."""
    x = [0] * 6 + [10, 11, 21] + [21] * 6
    assert cells_of(along_x(x, interval_h=1 / 6)).iloc[0].distance_um == pytest.approx(21, abs=0.01)


def test_cut_off_saltations_are_distance_but_not_complete() -> None:
    """In motion at the end of the track: 20 µm of distance, no complete one."""
    row = cells_of(along_x([0] * 12 + [10, 20], interval_h=1 / 6)).iloc[0]
    assert (row.distance_um, row.complete_distance_um) == pytest.approx((20, 0), abs=0.01)


def test_straightness_leaves_out_what_a_cell_does_while_frames_are_missing() -> None:
    """Two jumps of 20 µm along x, of which the second's middle frame is missing: 20 + 0 µm seen, on a straight line."""
    x = [0] * 6 + [10, 20] + [20] * 6 + [30, 40] + [40] * 6
    frames = [frame for frame in range(len(x)) if frame != 14]
    row = cells_of(along_x([x[frame] for frame in frames], interval_h=1 / 6, frames=frames)).iloc[0]
    assert row.net_um == pytest.approx(40, abs=0.01)
    assert row.observed_net_um == pytest.approx(20, abs=0.01)
    assert row.distance_um == pytest.approx(20, abs=0.01)


def test_distance_is_free_of_noise() -> None:
    """400 cells that go 30 µm in four steps, beside 2 × 2 µm of partial ones: 34 µm within 1 %, uncorrected 85 µm."""
    rng = np.random.default_rng(1)
    x = np.concatenate([np.zeros(20), [2, 9.5, 17, 24.5, 32], np.full(20, 34.0)])
    noisy = [
        track(np.stack([np.zeros(x.size), x], axis=1) + rng.normal(0, 0.7, (x.size, 2)), interval_h=1 / 6, track_id=i)
        for i in range(1, 401)
    ]
    table = migration_of(pd.concat(noisy), drift="none", sigma_um=0.7).cells
    assert table["distance_um"].mean() == pytest.approx(34, rel=0.01)
    assert table["path_um"].mean() > 60


def moving(profile: np.ndarray, *, frames_per_jump: int, offsets: int, interval_h: float = 0.1) -> pd.DataFrame:
    """Cells that each make one jump of 40 µm with the speed profile, at every phase of the frames."""
    path = np.concatenate([[0.0], np.cumsum(profile)]) / profile.sum() * 40
    done = np.linspace(0, 1, path.size)
    return pd.concat(
        [
            along_x(
                np.interp((np.arange(40) - 15 - i / offsets) / frames_per_jump, done, path),
                interval_h=interval_h,
                track_id=i + 1,
            )
            for i in range(offsets)
        ]
    )


def speeds(tracks: pd.DataFrame) -> tuple[float, float]:
    table = cells_of(tracks)
    one = np.ones((1, len(table)))
    by_runs, by_squares = speed_estimates(table, one, true_jumps(table, one))
    return float(by_runs[0]), float(by_squares[0])


def test_both_speeds_of_an_even_jump_are_length_over_duration() -> None:
    """40 µm in 5 frames of 0.1 h, at 20 phases: 80 µm/h. Squared displacements give it exactly, as Q falls linearly."""
    by_runs, by_squares = speeds(moving(np.ones(100), frames_per_jump=5, offsets=20))
    assert by_squares == pytest.approx(80, rel=1e-3)
    assert by_runs == pytest.approx(80, rel=0.05)


def test_the_speed_of_an_accelerating_jump_is_weighted_by_distance() -> None:
    """v ∝ t, from 0 to 160 µm/h: length over duration 80, ∫v²/∫v = 2/3 of the top speed, 106.7 µm/h."""
    by_runs, by_squares = speeds(moving(np.arange(1, 101, dtype=float), frames_per_jump=5, offsets=20))
    assert by_squares == pytest.approx(106.7, rel=0.05)
    # The threshold of 10 µm/h leaves out a sixteenth of the duration, and half of a step at the abrupt end.
    assert 80 < by_runs < 106.7


@pytest.mark.parametrize("interval_min", [5.0, 7.0, 12.0, 20.0, 60.0])
def test_displacement_in_an_hour_is_free_of_noise_and_of_the_frame_interval(interval_min: float) -> None:
    """30 µm/h straight on, with noise of 2 µm: √(900 + 16) without correction, 30 with it.

    7 min frames have no hour between them: the squares of lags of 56 and 63 min, in the ratio 3 : 4, are
    30²·(0.9333²·3/7 + 1.05²·4/7), 0.2 % more than an hour's.
    """
    rng = np.random.default_rng(2)
    times = np.arange(round(12 * 60 / interval_min) + 1) * interval_min / 60
    tracks = [
        track(
            np.stack([np.zeros(times.size), 30 * times], axis=1) + rng.normal(0, 2.0, (times.size, 2)),
            interval_h=interval_min / 60,
            track_id=i,
        )
        for i in range(1, 201)
    ]
    table = migration_of(pd.concat(tracks), drift="none", sigma_um=2.0).cells
    hourly = np.sqrt(table["square_1h_um2"].sum() / table["n_1h"].sum())
    assert hourly == pytest.approx(30, rel=0.01)


def test_pauses_of_short_movies_do_not_lack_silent_cells() -> None:
    """Exponential pauses of 2 h between jumps of 0.2 h, seen for 4 h: cells that jump would give 25 % too little.

    Positions are drawn here, by an exponential clock of its own; 10 min frames, 600 cells: within 7 %.
    """
    rng = np.random.default_rng(6)
    times = np.arange(25) / 6
    tracks = []
    for i in range(1, 601):
        start, x, clock = [], np.zeros(times.size), -20.0
        while clock < 4:
            clock += rng.exponential(2.0)
            start.append(clock)
            x += 20 * np.clip((times - clock) / 0.2, 0, 1)
            clock += 0.2
        tracks.append(along_x(x - x[0], interval_h=1 / 6, track_id=i))
    cells = cells_of(*tracks)
    numbers = summarize(cells, resamples=50).numbers
    assert numbers["mean_pause_corrected_h"].value == pytest.approx(2.0, rel=0.07)
    # Of all cells: 0.2 h of motion in 2.2 h.
    assert numbers["pause_fraction_corrected"].value == pytest.approx(2 / 2.2, rel=0.02)
    assert numbers["average_speed_corrected_um_per_h"].value == pytest.approx(20 / 2.2, rel=0.05)
    straight = pooled_numbers(cells, np.ones((1, len(cells))))["straightness_corrected"]
    assert straight[0] == pytest.approx(1, abs=0.01)  # just above 1, so the summary has a reason in its place
    assert numbers["straightness_corrected"].problem


def test_why_no_two_positions_are_an_hour_apart() -> None:
    """Cells at 60 µm/h, so that noise is no reason: their times are. An hour of 10 min has six frames.

    Six steps of 10, 10, 15, 10, 20 min in turn last 75 to 80 min, of which more than half a step is a pause.
    """
    minutes = {
        "without a frame missing or far longer": np.tile([10, 10, 15, 10, 20], 6),
        "frames are more than an hour apart": np.full(12, 70),
        "no cell is seen for an hour": np.full(12, 2),
        "": np.full(30, 10),
    }
    for words, steps in minutes.items():
        hours = np.concatenate([[0.0], np.cumsum(steps) / 60])
        found = cells_of(along_x(60 * hours).assign(t_h=hours))
        assert words in hourly_problem(found)
        assert bool(hourly_problem(found)) == bool(words)
