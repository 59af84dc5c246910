"""Linking over a pause of the movie, and tables of tracks with times of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.simulation import NeuronSettings, simulate_movie
from somanet.tracking.detections import detect_cells
from somanet.tracking.displacements import typical_max_step_um
from somanet.tracking.exchange import scale_of_tracks, write_csv
from somanet.tracking.formats import read_tracks
from somanet.tracking.linking import link_cells
from somanet.tracking.movie import track_masks
from somanet.tracking.real_times import times_in_table

PAUSED_H = (0.0, 0.2, 0.4, 0.6, 2.6, 2.8, 3.0)
EVEN, PAUSED = Calibration(2.0, 12.0), Calibration(2.0, 12.0, PAUSED_H)


def labels_of(columns: list[int]) -> list[np.ndarray]:
    """One cell of 8 × 8 px in a row of a field of 40 × 140 px, its left edge at these columns."""
    frames = np.zeros((len(columns), 40, 140), np.int32)
    for t, x in enumerate(columns):
        frames[t, 16:24, x : x + 8] = 1
    return list(frames)


def test_the_longest_step_grows_with_the_real_time() -> None:
    """20 px = 40 µm in a step of 2 h. A limit of 20 µm per 12 min is √10 × 20 = 63 µm in 2 h, and 20 as even frames."""
    detections = detect_cells(labels_of([5, 6, 7, 8, 28, 29, 30]))
    assert link_cells(detections, PAUSED, max_step_um=20.0)["track_id"].nunique() == 1
    assert link_cells(detections, EVEN, max_step_um=20.0)["track_id"].nunique() == 2
    far = detect_cells(labels_of([5, 6, 7, 8, 60, 61, 62]))
    assert link_cells(far, PAUSED, max_step_um=20.0)["track_id"].nunique() == 2


def test_tracks_have_the_real_times() -> None:
    tracks = link_cells(detect_cells(labels_of([5, 6, 7, 8, 12, 13, 14])), PAUSED, max_step_um=20.0)
    assert tracks["t_h"].tolist() == list(PAUSED_H)


def test_the_step_over_a_pause_says_nothing_of_usual_steps() -> None:
    """The 95 % quantile of six steps is nearly the longest."""
    usual, jump = labels_of([5, 15, 25, 35, 45, 55, 65]), labels_of([5, 6, 7, 8, 58, 59, 60])
    assert typical_max_step_um(detect_cells(jump), PAUSED) < typical_max_step_um(detect_cells(jump), EVEN)
    assert typical_max_step_um(detect_cells(usual), PAUSED) == typical_max_step_um(detect_cells(usual), EVEN)


@pytest.fixture(scope="module")
def movie():
    """Neurons that are filmed for 2.4 h, 2 h of pause, and again."""
    times = np.arange(26) * 0.2 + np.where(np.arange(26) > 12, 1.8, 0.0)
    settings = NeuronSettings(somas_per_mm2=130)
    scale = Calibration(1.28, 12.0, tuple(times.tolist()))
    return simulate_movie(seed=4, n_frames=26, shape_YX=(200, 260), calibration=scale, settings=settings)


def test_simulated_cells_move_on_during_a_pause(movie) -> None:
    tracks = movie.tracks
    assert sorted(tracks["t_h"].unique()) == pytest.approx(movie.calibration.times_h)
    moved = tracks.sort_values(["track_id", "frame"]).groupby("track_id")[["y_um", "x_um"]].diff()
    length = np.hypot(moved["y_um"], moved["x_um"])[tracks.groupby("track_id")["frame"].diff() == 1]
    after = tracks.loc[length.index, "frame"]
    assert length[after == 13].mean() > 2 * length[after != 13].mean()


def test_simulated_cells_are_followed_over_a_pause(movie) -> None:
    """Masks as drawn; a link is right if it joins the same cell's masks. Real times lose no more than even ones."""

    def right_over_the_pause(scale: Calibration) -> float:
        found = track_masks(movie.labels_TYX, movie.frames_TYX, scale).tracks
        pairs = found[found["frame"].isin([12, 13])].merge(movie.tracks, on="frame", suffixes=("", "_true"))
        pairs["far"] = np.hypot(pairs["y_px"] - pairs["y_px_true"], pairs["x_px"] - pairs["x_px_true"])
        nearest = pairs.sort_values("far").drop_duplicates(["track_id", "frame"])
        nearest = nearest[nearest["far"] < 3].pivot(index="track_id", columns="frame", values="track_id_true")
        there = nearest.dropna()
        return float((there[12] == there[13]).sum())

    both = movie.tracks[movie.tracks["frame"].isin([12, 13])].groupby("track_id").size().eq(2).sum()
    assert both >= 6
    paused = right_over_the_pause(movie.calibration)
    assert paused >= right_over_the_pause(Calibration(1.28, 12.0))
    assert paused >= 0.7 * both


def drawn_tracks(times_h: tuple[float, ...]) -> pd.DataFrame:
    frame = np.tile(np.arange(len(times_h)), 2)
    return pd.DataFrame(
        {
            "track_id": np.repeat([1, 2], len(times_h)),
            "frame": frame,
            "t_h": np.array(times_h)[frame],
            "y_px": np.repeat([10.0, 30.0], len(times_h)),
            "x_px": 5.0 + frame,
        }
    ).assign(y_um=lambda table: 2 * table["y_px"], x_um=lambda table: 2 * table["x_px"])


def test_a_table_with_real_times_is_read(tmp_path: Path) -> None:
    """By itself, with a movie that knows the interval only, and with one that knows the times."""
    path = tmp_path / "tracks.csv"
    write_csv(path, drawn_tracks(PAUSED_H))
    for scale in (None, EVEN, PAUSED):
        assert read_tracks(path, scale)["t_h"].tolist() == pytest.approx([*PAUSED_H, *PAUSED_H])
    own = scale_of_tracks(read_tracks(path, None))
    assert own.frame_interval_min == pytest.approx(12)
    assert own.times_h == pytest.approx(PAUSED_H)


def test_times_of_another_movie_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tracks.csv"
    write_csv(path, drawn_tracks(PAUSED_H))
    with pytest.raises(SomaNetError, match="scale that of another movie"):
        read_tracks(path, Calibration(2.0, 10.0))
    other = Calibration(2.0, 12.0, (*PAUSED_H[:4], 3.6, 3.8, 4.0))
    with pytest.raises(SomaNetError, match=r"t_h = 2\.6 in frame 4, which was taken at 3\.6 h"):
        read_tracks(path, other)


def test_one_wrong_time_is_not_taken_for_a_pause(tmp_path: Path) -> None:
    """Two cells at two times in one frame: one row was edited."""
    table = drawn_tracks(tuple(0.2 * t for t in range(7)))
    table.loc[4, "t_h"] = 0.9
    write_csv(tmp_path / "tracks.csv", table)
    with pytest.raises(SomaNetError, match="only one of the two columns corrected"):
        read_tracks(tmp_path / "tracks.csv", EVEN)


def test_only_uneven_times_are_times_of_their_own() -> None:
    assert times_in_table(drawn_tracks(tuple(0.2 * t for t in range(7)))) is None
    assert times_in_table(drawn_tracks(PAUSED_H)) == pytest.approx(PAUSED_H)
    without = drawn_tracks(PAUSED_H)
    without = without[without["frame"] != 2]  # half way between its neighbours
    assert times_in_table(without) == pytest.approx(PAUSED_H)
    late = drawn_tracks(PAUSED_H)
    late = late[late["frame"] >= 2]
    assert times_in_table(late) == pytest.approx(PAUSED_H)
