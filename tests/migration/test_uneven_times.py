"""Movies whose frames are uneven in time: a pause in the middle, a second frame interval, times as they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from somanet.migration.cells import migration_of
from somanet.migration.kinematics import steps_of
from somanet.migration.measures import measure_movie
from somanet.migration.msd import msd_of
from somanet.migration.noise import localisation_of
from tests.migration.worlds import along_x, simulated

CORRECTED = (
    "frequency_corrected_per_h",
    "mean_length_corrected_um",
    "average_speed_corrected_um_per_h",
    "mobile_speed_corrected_um_per_h",
    "mean_pause_corrected_h",
    "rms_speed_1h_um_per_h",
    "straightness_corrected",
)


def seen_at(tracks: pd.DataFrame, keep: np.ndarray) -> pd.DataFrame:
    """The same cells as a microscope sees them that takes some of the frames, and numbers them without the others."""
    some = tracks[keep]
    return some.assign(frame=some["frame"].rank(method="dense").astype("int64") - 1).reset_index(drop=True)


def worlds(seed: int) -> dict[str, pd.DataFrame]:
    """14 h at 10 min; the same with a pause from 6 to 8 h; and with every second frame from 7 h on."""
    full, _ = simulated(seed=seed, hours=14, n_cells=30)
    hours, frame = full["t_h"].to_numpy(), full["frame"].to_numpy()
    paused = seen_at(full, (hours < 6 + 1e-6) | (hours > 8 - 1e-6))
    return {
        "full": full,
        "paused": paused,
        "believed even": paused.assign(t_h=paused["frame"] / 6),
        "two intervals": seen_at(full, (frame < 42) | (frame % 2 == 0)),
    }


@pytest.fixture(scope="module")
def numbers() -> dict[str, pd.DataFrame]:
    """Corrected numbers of each world, one row per seed."""
    found: dict[str, list[dict[str, float]]] = {}
    for seed in (1, 2):
        for name, tracks in worlds(seed).items():
            summary = measure_movie(tracks).summary
            found.setdefault(name, []).append({key: summary.numbers[key].value for key in CORRECTED})
    return {name: pd.DataFrame(rows) for name, rows in found.items()}


def test_a_pause_changes_no_number(numbers: dict[str, pd.DataFrame]) -> None:
    """The same cells, a seventh of the time not seen: within 6 %. As even frames the pause is one fast step."""
    off = (numbers["paused"].mean() / numbers["full"].mean() - 1).abs()
    assert (off < 0.06).all(), off
    wrong = (numbers["believed even"].mean() / numbers["full"].mean() - 1).abs()
    assert wrong["mobile_speed_corrected_um_per_h"] > 0.2  # the check can fail


def test_a_saltation_that_a_pause_hides_is_no_lost_cell() -> None:
    """All cells are seen in every frame, so none is lost; one that leaves while it jumps is."""
    tracks = worlds(3)["paused"]
    found = migration_of(tracks, drift="none")
    into_pause = found.saltations.events["censored"].isin(["end", "both"])
    assert into_pause.sum() > 0
    assert found.cells["n_cut"].sum() == 0
    one = found.saltations.events[found.saltations.events["censored"] == ""].iloc[0]
    left = tracks[(tracks["track_id"] != one["track_id"]) | (tracks["t_h"] < one["end_h"] - 0.01)]
    assert migration_of(left, drift="none").cells["n_cut"].sum() == 1


def test_two_intervals_are_not_corrected_and_it_is_said() -> None:
    measures = measure_movie(worlds(1)["two intervals"])
    for name in ("frequency_corrected_per_h", "mean_length_corrected_um", "rms_speed_1h_um_per_h"):
        estimate = measures.summary.numbers[name]
        assert np.isnan(estimate.value)
        assert "unequal times" in (estimate.problem or "")
    assert any("steps are longer or shorter than the frame interval of 10 min" in note for note in measures.warnings)


def test_speeds_are_lengths_over_real_times() -> None:
    """Against sums that know nothing of steps, gaps and segments: the median step is 10 min, the pause lasts 130."""
    tracks = worlds(3)["paused"]
    cells = migration_of(tracks, drift="none").cells.set_index("track_id")
    for cell, rows in tracks.groupby("track_id"):
        place, time = rows[["y_um", "x_um"]].to_numpy(), rows["t_h"].to_numpy()
        length, duration = np.hypot(*np.diff(place, axis=0).T), np.diff(time)
        seen = duration < 0.2
        assert seen.sum() == len(duration) - 1
        row = cells.loc[cell]
        assert row["average_speed_um_per_h"] == pytest.approx(length[seen].sum() / duration[seen].sum())
        assert row["observed_h"] == pytest.approx(12)
        assert row["end_h"] - row["start_h"] == pytest.approx(14)
        observed = np.diff(place, axis=0)[seen].sum(axis=0)
        assert row["observed_net_um"] == pytest.approx(np.hypot(*observed))


def test_no_saltation_and_no_pause_of_a_cell_spans_a_pause_of_the_movie() -> None:
    tracks = worlds(4)["paused"]
    found = migration_of(tracks, drift="none").saltations
    for table in (found.events, found.pauses):
        assert not ((table["start_h"] < 6.5) & (table["end_h"] > 7.5)).any()
        cut = table[np.isclose(table["end_h"], 6) | np.isclose(table["start_h"], 8)]
        assert len(cut) > 5
        assert (cut["censored"] != "").all()


def test_a_track_is_not_long_by_a_pause() -> None:
    """Six frames in 50 min, 4 h of pause, five in 40 min: 1.5 h seen, 11 frames, and too brief for either rule."""
    minutes = np.array([0, 10, 20, 30, 40, 50, 290, 300, 310, 320, 330])
    tracks = along_x(np.arange(11.0)).assign(t_h=minutes / 60)
    assert migration_of(tracks, drift="none").cells["long_enough"].tolist() == [0]
    whole = along_x(np.arange(11.0)).assign(t_h=np.arange(11) / 2.2)
    assert migration_of(whole, drift="none").cells["long_enough"].tolist() == [1]


def test_a_pause_leaves_the_other_steps_even() -> None:
    """One long step of eleven is a pause of the movie; five of eleven are a second interval."""
    one = steps_of(along_x(range(12)).assign(t_h=[*range(6), *range(17, 23)]))
    assert one.even
    assert one.gap.tolist() == one.pause.tolist() == [t == 5 for t in range(11)]
    assert one.usual is one
    five = steps_of(along_x(range(12)).assign(t_h=[*range(7), 8, 10, 12, 14, 16]))
    assert not five.even
    missing = steps_of(along_x(range(4), frames=[0, 1, 3, 4]))
    assert missing.gap.tolist() == [False, True, False]
    assert not missing.pause.any()


def test_steps_of_another_interval_are_gaps_for_what_takes_them_for_equally_long() -> None:
    short = steps_of(along_x(range(12)).assign(t_h=np.cumsum([0, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1])))
    assert not short.even
    assert short.usual.gap.tolist() == [False] * 7 + [True] * 4
    assert not short.gap.any()


def test_the_localisation_error_is_that_of_the_steps_of_the_usual_interval() -> None:
    full, _ = simulated(seed=6, n_cells=40, hours=14, sigma_um=0.5)
    frame = full["frame"].to_numpy()
    found = localisation_of(steps_of(seen_at(full, (frame < 42) | (frame % 2 == 0))), resamples=20)
    assert found.sigma_um == pytest.approx(0.5, rel=0.08)


def test_a_pause_is_a_long_lag_of_the_mean_squared_displacement() -> None:
    """10 µm/h for 3 h, a pause of 4 h, again 3 h; lag k h has (10k)², however many frames it takes."""
    hours = np.array([0, 1, 2, 3, 7, 8, 9, 10])
    found = msd_of(along_x(10.0 * hours).assign(t_h=hours), max_lag=5)
    np.testing.assert_allclose(found.lag_h, [1, 2, 3, 4, 5])
    np.testing.assert_allclose(found.msd_um2, [100, 400, 900, 1600, 2500])
    assert found.n_pairs.tolist() == [6, 4, 2, 1, 2]
