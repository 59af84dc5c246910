"""Rows per cell, pooled numbers with intervals, and every warning once."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from somanet.core.errors import SomaNetError
from somanet.migration.cells import migration_of
from somanet.migration.intervals import reach_of
from somanet.migration.pooling import UNITS, long_enough
from somanet.migration.summary import summarize
from somanet.migration.tables import MIGRATION
from tests.migration.worlds import along_x, simulated, track

ROWS = {column.name: 0 if column.dtype == "int64" else math.nan for column in MIGRATION.columns}


def cells(frequencies, *, hours=10.0, **columns) -> pd.DataFrame:
    """Cells of given saltations per hour; each lasts 0.25 h and is 20 µm long, 5 of each cell are complete."""
    rows = [
        ROWS
        | {"track_id": i, "frame_interval_h": 0.1, "long_enough": 1, "observed_h": hours, "n_saltations": f * hours}
        | {
            "n_complete": 5,
            "complete_um": 100.0,
            "complete_reach_um": 100.0,
            "exposed_h": hours,
            "complete_weight": 5.0,
            "weighted_reach_um": 100.0,
            "mobile_step_um": 1.0,
            "rest_step_um": 1.0,
            "noise_um": 0.1,
            "n_rest_steps": 20,
            "n_rest_ends": 1,
            "turn_cosine": 0.0,
            "complete_h": 1.25,
            "even_frames": 1,
            "saltations_supported": 1,
            "identities_kept": 1,
            "start_h": 0.0,
            "end_h": hours,
            "movie_h": hours,
            "complete_distance_um": 100.0,
            "speed_moment_um2_per_h": 8000.0,
            "distance_um": 20.0 * f * hours,
            "mobile_h": 0.25 * f * hours,
        }
        for i, f in enumerate(frequencies)
    ]
    return pd.DataFrame(rows).assign(**columns)


def jumper(track_id=1):
    """Half hours: rests 3, jumps 20 + 20, rests 4, jumps 30 down, rests 2."""
    x = [0, 0, 0, 0, 20, 40, 40, 40, 40, 40, 40, 40, 40]
    y = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 30, 30, 30]
    return track(np.stack([y, x], axis=1), interval_h=0.5, track_id=track_id)


def test_numbers_of_a_drawn_cell() -> None:
    """12 steps of 0.5 h: 6 h. Two complete saltations, 40 µm in 1 h and 30 µm in 0.5 h; one complete pause of 2 h.

    Paused 4.5 h with two pause ends: mean pause (6 - 1.5)/2 = 2.25 h with censoring.
    Of the pauses after a saltation, 4 and 2 steps long, 3 first and second steps are followed, none by a jump: no
    pause seems to hide, and the frequency lacks the first half hour only, in which no start would be seen: 2/5.5.
    The saltations could lie at 4.5 and 5 of 6 h: weights 6/4.5 and 6/5. Threshold 5 µm a step, 1.5 steps and 35 µm
    each: v = (35 - 10)/0.5 = 50 µm a step; the noise of 0.1 µm takes 2·0.01/50 µm off the reach.
    Path 70, net 50 at atan2(30, 40) = 36.9°.
    """
    result = migration_of(jumper(), sigma_um=0.1)
    row = result.cells.iloc[0]
    expected = {
        "n_frames": 13, "observed_h": 6, "path_um": 70, "net_um": 50, "average_speed_um_per_h": 70 / 6,
        "velocity_x_um_per_h": 40 / 6, "velocity_y_um_per_h": 5, "straightness": 5 / 7, "direction_deg": 36.87,
        "n_saltations": 2, "frequency_per_h": 1 / 3, "frequency_corrected_per_h": 2 / 5.5,
        "exposed_h": 5.5, "complete_weight": 6 / 4.5 + 1.2, "n_rest_steps": 3, "n_rest_ends": 0, "n_turns": 1,
        "n_complete": 2, "mean_length_um": 35, "mean_duration_h": 0.75, "mobile_speed_um_per_h": 70 / 1.5,
        "n_pauses": 1, "mean_pause_h": 2, "pause_fraction": 0.75, "mobile_h": 1.5, "long_enough": 1,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=0.005)
    assert result.cells.dtypes.astype(str).to_dict() == {c.name: c.dtype for c in MIGRATION.columns}
    assert result.threshold_um_per_h == 10
    numbers = summarize(result.cells).numbers
    assert numbers["mean_pause_h"].value == pytest.approx(2.25)
    length = (40 * 6 / 4.5 + 30 * 1.2) / (6 / 4.5 + 1.2)
    assert numbers["mean_length_corrected_um"].value == pytest.approx(length + 2 * 0.01 / 50)
    # Squares over a step and over two: 2·(2·20² + 30²)/0.5 - (20² + 40² + 20² + 2·30²)/(2·1) = 4700 µm²/h for 70 µm.
    # Jumps of 35 µm at 100 µm/h last 0.7 frames: the estimate from runs has its greatest weight, 0.9.
    speed = 100**0.9 * (4700 / 70) ** 0.1
    assert numbers["mobile_speed_corrected_um_per_h"].value == pytest.approx(speed, rel=2e-3)


def test_a_cell_cut_while_jumping_counts_its_start_only() -> None:
    """In motion at first and at last: one start seen, none complete; all of its time is observed."""
    x = [0, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 40]
    row = migration_of(along_x(x, interval_h=0.5), sigma_um=0.1).cells.iloc[0]
    assert (row.n_saltations, row.n_complete, row.n_pauses) == (1, 0, 1)
    assert row.mobile_h == 1.0
    assert row.observed_h == 6.0
    assert np.isnan(row.mean_length_um)


def test_gaps_are_not_observed_time() -> None:
    """13 frames less one: an hour is unseen, and with it that the pause went on."""
    tracks = jumper()
    row = migration_of(tracks[tracks.frame != 7], sigma_um=0.1).cells.iloc[0]
    assert row.observed_h == 5
    assert row.frequency_per_h == pytest.approx(2 / 5)
    assert row.n_pauses == 0


def test_a_resting_and_a_single_position_cell_have_rows_and_no_direction() -> None:
    tracks = pd.concat([along_x(np.zeros(13), track_id=5, interval_h=0.5), along_x([3], track_id=9)])
    table = migration_of(tracks, sigma_um=0.1).cells.set_index("track_id")
    assert table.loc[5, "frequency_per_h"] == 0
    assert table.loc[5, "frequency_corrected_per_h"] == 0
    assert table.loc[5, "pause_fraction"] == 1
    assert np.isnan(table.loc[[5, 9], "direction_deg"]).all()
    assert np.isnan(table.loc[9, "frequency_per_h"])
    assert table["long_enough"].tolist() == [1, 0]


def test_empty_tracks_give_empty_tables_and_a_summary_without_numbers() -> None:
    result = migration_of(jumper()[:0])
    assert result.cells.empty
    assert list(result.cells.columns) == list(MIGRATION.names)
    summary = summarize(result.cells)
    assert "No cell" in summary.warnings[0]
    assert all(math.isnan(e.value) for e in summary.numbers.values())
    assert json.loads(json.dumps(summary.as_dict(), allow_nan=False))["n_cells"] == 0


def test_four_hours_or_twelve_frames_are_long_enough() -> None:
    """5 frames of an hour are 4 h; 12 frames of 0.1 h are 12 frames; 11 of them are neither."""
    kept = [
        len(long_enough(migration_of(along_x(np.zeros(n), interval_h=h), sigma_um=0.1).cells))
        for n, h in [(5, 1.0), (12, 0.1), (11, 0.1)]
    ]
    assert kept == [1, 1, 0]


def test_model_and_bad_choices() -> None:
    tracks, _ = simulated(seed=1, n_cells=12)
    rule, model = migration_of(tracks), migration_of(tracks, detector="model")
    assert model.cells.n_saltations.sum() == pytest.approx(rule.cells.n_saltations.sum(), rel=0.15)
    with pytest.raises(SomaNetError, match="'rule' or 'model'"):
        migration_of(tracks, detector="rules")  # type: ignore[arg-type]
    with pytest.raises(SomaNetError, match="positive number of µm"):
        migration_of(tracks, sigma_um=-1)
    with pytest.raises(SomaNetError, match="lacks"):
        summarize(rule.cells.drop(columns="observed_h"))


def test_intervals_are_those_of_t_over_the_highest_level() -> None:
    """Six donors of equal size: the interval is about that of a t test of the donors' logarithms, however many cells.

    The number is the mean of the donors, not of their logarithms, so that the ends agree to 5 %.
    """
    means = np.array([0.3, 0.5, 0.4, 0.6, 0.45, 0.35])
    table = cells(np.repeat(means, 8), donor=np.repeat(list("abcdef"), 8), movie=np.repeat(list("uvwxyz"), 8))
    summary = summarize(table, resamples=20_000)
    found = summary.numbers["frequency_per_h"]
    reach = stats.t.ppf(0.975, 5) * means.std(ddof=1) / means.mean() / math.sqrt(6)
    assert summary.level == "donor"
    assert found.value == pytest.approx(means.mean())
    ends = means.mean() * np.exp([-reach, reach])
    assert (found.low, found.high) == pytest.approx(tuple(ends), rel=0.02)
    # Taken for independent, the 48 cells would claim much more.
    alone = summarize(table.drop(columns=["donor", "movie"]), resamples=2000)
    assert alone.level == "cell"
    assert alone.numbers["frequency_per_h"].high < found.high


def test_summary_is_repeatable_and_covers_every_number() -> None:
    table = migration_of(simulated(seed=2, n_cells=15)[0]).cells
    assert summarize(table, seed=3) == summarize(table, seed=3)
    assert tuple(summarize(table).numbers) == tuple(UNITS)
    for estimate in summarize(table).numbers.values():
        assert estimate.problem or estimate.low <= estimate.value <= estimate.high
    assert sum(not estimate.problem for estimate in summarize(table).numbers.values()) > 18


def test_movies_of_two_frame_intervals_are_corrected_each_by_its_own() -> None:
    """The corrected events of both movies add up."""
    fast, slow = cells([0.5] * 3), cells([0.5] * 3).assign(frame_interval_h=0.4)
    both = summarize(pd.concat([fast, slow])).numbers["frequency_corrected_per_h"].value
    apart = [summarize(t).numbers["frequency_corrected_per_h"].value for t in (fast, slow)]
    assert both == pytest.approx(sum(apart) / 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frame_interval_h": 0.25}, "15 min apart"),
        ({"n_complete": 1}, "complete saltations"),
        ({"n_complete": 3, "n_saltations": 9}, "seen to their end"),
        ({"n_rest_ends": 20}, "cannot be corrected"),
        ({"movie": "a"}, "One movie only"),
        ({"donor": "d", "movie": list("aaaabbbbcc")}, "not for other donors"),
        ({"movie": list("aaaaabbbbb")}, "Two movies only"),
        ({"donor": list("aaaaabbbbb")}, "Two donors only"),
        ({"long_enough": [0] * 4 + [1] * 6}, "4 of 10 cells"),
    ],
)
def test_each_warning_once(change: dict[str, object], words: str) -> None:
    fine = cells([0.5] * 10, donor=list("abcdefghij"))
    assert summarize(fine).warnings == ()
    table = cells([0.5] * 10).assign(**change)
    assert any(words in warning for warning in summarize(table).warnings), summarize(table).warnings


def test_unclear_nesting_is_refused() -> None:
    with pytest.raises(SomaNetError, match="more than one donor"):
        summarize(cells([1.0, 1.0], donor=["a", "b"], movie=["m", "m"]))
    with pytest.raises(SomaNetError, match="have no movie"):
        summarize(cells([1.0, 1.0], movie=["a", None]))


def test_tracks_of_one_cell_count_as_one_cell_for_intervals() -> None:
    """Six cells, each seen in two tracks that are alike, know no more than six: twice the tracks, √2 the errors.

    The degrees of freedom are those of tracks, so that the widths are as Student's t for twelve and for six.
    """
    frequencies = [0.3, 0.4, 0.55, 0.6, 0.8, 0.9]
    whole = summarize(cells(frequencies)).numbers["frequency_per_h"]
    halves = pd.concat([cells(frequencies, hours=5.0)] * 2, ignore_index=True).assign(movie_h=10.0)
    broken = summarize(halves.assign(track_id=range(12))).numbers["frequency_per_h"]
    assert broken.value == pytest.approx(whole.value)
    widths = [math.log(one.high / one.low) for one in (broken, whole)]
    assert widths[0] / widths[1] == pytest.approx(reach_of(12) / reach_of(6), rel=0.05)
    alone = summarize(halves.assign(track_id=range(12), movie_h=5.0)).numbers["frequency_per_h"]
    assert math.log(alone.high / alone.low) == pytest.approx(widths[0] / math.sqrt(2), rel=1e-6)
