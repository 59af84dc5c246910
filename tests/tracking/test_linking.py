"""Linking: toy worlds with obvious results, laws of identity, and a simulated movie."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.schema import TRACKS
from somanet.evaluation.tracks import match_masks, track_scores
from somanet.simulation import NeuronSettings, simulate_movie
from somanet.tracking.detections import detect_cells
from somanet.tracking.displacements import mutual_displacements_px, typical_max_gap_frames, typical_max_step_um
from somanet.tracking.linking import link_cells
from somanet.tracking.relabel import relabel_movie
from tests.tracking.worlds import discs, draw

SCALE = Calibration(pixel_size_um=2.0, frame_interval_min=12.0)


def linked(labels: NDArray[np.int32], **options: float) -> list[list[tuple[int, int]]]:
    """The (frame, label) pairs of each track."""
    tracks = link_cells(detect_cells(labels), SCALE, **options)  # type: ignore[arg-type]
    return [list(zip(rows["frame"], rows["label"], strict=True)) for _, rows in tracks.groupby("track_id")]


def forget(labels: NDArray[np.int32], seed: int = 0) -> list[NDArray[np.int32]]:
    """The same objects with random ids in every frame."""
    rng = np.random.default_rng(seed)
    frames = []
    for frame in labels:
        ids = np.unique(frame[frame > 0])
        names = np.zeros(int(frame.max()) + 1, np.int32)
        names[ids] = rng.permutation(len(ids)) + 1
        frames.append(names[frame])
    return frames


# T = 3, Y = 4, X = 9; two cells pass above each other, ids mixed up on purpose.
CROSSING = draw("""
11.......  ...22....  ......11.
.........  .........  .........
.........  .........  .........
......22.  ...11....  22.......
""")


def test_two_cells_pass() -> None:
    """The upper goes right by 3 px = 6 µm a frame, the lower left; straight across would be 3 rows = 6 µm too, and
    then 3 columns more or less: 1 in frame 0 and 2 in frame 1 are 3 apart, 1 and 1 are 4.2 apart."""
    assert linked(CROSSING, max_step_um=8) == [[(0, 1), (1, 2), (2, 1)], [(0, 2), (1, 1), (2, 2)]]


def test_too_short_a_step_breaks_the_tracks() -> None:
    assert len(linked(CROSSING, max_step_um=5, max_gap_frames=0)) == 6


def test_units_and_order_of_the_columns() -> None:
    """Cell 1 starts in row 0, column 0.5; at 2 µm per pixel and 12 min per frame the last frame is at 0.4 h."""
    tracks = link_cells(detect_cells(CROSSING), SCALE, max_step_um=8)
    assert tuple(tracks.columns[:7]) == TRACKS.names
    first, last = tracks.iloc[0], tracks.iloc[2]
    assert (first["track_id"], first["y_px"], first["x_px"], first["x_um"]) == (1, 0, 0.5, 1.0)
    assert (last["x_px"], last["x_um"], last["t_h"]) == (6.5, 13.0, pytest.approx(0.4))
    assert (tracks["area_um2"] == 2 * 4).all()
    assert not {"area_px", "major_axis_px"} & set(tracks)


GAP = draw("""
11.....  .......  .......  ...11..
11.....  .......  .......  ...11..
.......  .......  .......  .......
""")


@pytest.mark.parametrize(("max_gap_frames", "n_tracks"), [(0, 2), (1, 2), (2, 1), (3, 1)])
def test_a_gap_of_two_frames(max_gap_frames: int, n_tracks: int) -> None:
    """6 µm in 3 frames: within 5 µm times the square root of 3, if two missed frames are allowed."""
    tracks = linked(GAP, max_step_um=5, max_gap_frames=max_gap_frames)
    assert len(tracks) == n_tracks


def test_a_gap_does_not_stretch_the_reach_for_ever() -> None:
    """6 µm is more than 3 µm times the square root of 3."""
    assert len(linked(GAP, max_step_um=3, max_gap_frames=3)) == 2


def test_cells_enter_and_leave() -> None:
    """1 stays; 2 leaves after frame 0; 3 enters far away in frame 2."""
    labels = draw("""
    11......22  11........  11........  11........
    11......22  11........  11......33  11......33
    ..........  ..........  ........33  ........33
    """)
    tracks = linked(labels, max_step_um=6, max_gap_frames=0)
    assert tracks == [[(t, 1) for t in range(4)], [(0, 2)], [(2, 3), (3, 3)]]


def test_one_missed_cell_does_not_shift_its_neighbours() -> None:
    """A row of three 6 px apart; the first is missed in frame 1. Linking as many as possible would shift the others."""
    shape = (9, 31)
    frames = np.array(
        [
            discs(shape, (4, 5, 2), (4, 13, 2), (4, 21, 2)),
            discs(shape, (4, 13, 2), (4, 21, 2)),
            discs(shape, (4, 5, 2), (4, 13, 2), (4, 21, 2)),
        ]
    )
    tracks = linked(frames, max_step_um=17, max_gap_frames=2)
    assert tracks == [[(0, 1), (2, 1)], [(0, 2), (1, 1), (2, 2)], [(0, 3), (1, 2), (2, 3)]]


@pytest.mark.parametrize(("weight", "partner"), [(0.0, 1), (3.0, 2)])
def test_shape_decides_between_near_ones(weight: float, partner: int) -> None:
    """A large cell; next a small one 1 px away and an equally large one 2 px away. Only shape prefers the latter."""
    before = discs((20, 41), (10, 20, 5))
    after = discs((20, 41), (10, 19, 2), (10, 28, 5))
    tracks = linked(np.array([before, after]), max_step_um=30, shape_weight=weight, overlap_weight=0)
    assert [(0, 1), (1, partner)] in tracks


@pytest.mark.parametrize(("weight", "partner"), [(0.0, 1), (3.0, 2)])
def test_intensity_decides_between_near_ones(weight: float, partner: int) -> None:
    before = discs((20, 41), (10, 20, 3))
    after = discs((20, 41), (10, 18, 3), (10, 26, 3))
    intensity = np.where(after == 2, 800.0, 100.0)
    detections = detect_cells([before, after], [np.full(before.shape, 800.0), intensity])
    tracks = link_cells(detections, SCALE, max_step_um=30, intensity_weight=weight, overlap_weight=0)
    pair = tracks[tracks["track_id"] == 1]["label"].tolist()
    assert pair == [1, partner]


@pytest.mark.parametrize(("weight", "partner"), [(0.0, 1), (3.0, 2)])
def test_overlap_decides_between_near_ones(weight: float, partner: int) -> None:
    """Centres 5 px away and beside, or 6 px away along a long cell, with half of the boxes shared."""
    before = draw("\n".join(["." * 24] * 2 + ["......" + "1" * 12 + "......"] * 3 + ["." * 24] * 6))[0]
    after = np.zeros_like(before)
    after[7:10, 6:18] = 1
    after[2:5, 12:24] = 2
    tracks = linked(np.array([before, after]), max_step_um=30, overlap_weight=weight, shape_weight=0)
    assert [(0, 1), (1, partner)] in tracks


def test_short_tracks_are_left_out_and_the_rest_numbered_without_holes() -> None:
    labels = draw("""
    1....22  .....22  3....22
    .......  .......  .......
    """)
    tracks = link_cells(detect_cells(labels), SCALE, max_step_um=3, max_gap_frames=0, min_frames=2)
    assert tracks["track_id"].tolist() == [1, 1, 1]
    assert tracks["label"].tolist() == [2, 2, 2]


@pytest.mark.parametrize("frames", [(), (5,), (3, 9)])
def test_few_detections(frames: tuple[int, ...]) -> None:
    """None, one, and two that are frames apart; nothing in frame 0."""
    labels = np.zeros((10, 4, 7), np.int32)
    labels[list(frames), 1, 1] = 1
    tracks = link_cells(detect_cells(labels), SCALE, max_gap_frames=0)
    assert tuple(tracks.columns[:7]) == TRACKS.names
    assert tracks["frame"].tolist() == list(frames)
    assert tracks["track_id"].tolist() == list(range(1, len(frames) + 1))
    assert tracks["track_id"].dtype == "int64"


def test_the_order_of_the_rows_does_not_matter() -> None:
    detections = detect_cells(CROSSING)
    shuffled = detections.sample(frac=1, random_state=3)
    before = shuffled.copy()
    pd.testing.assert_frame_equal(link_cells(shuffled, SCALE), link_cells(detections, SCALE))
    pd.testing.assert_frame_equal(shuffled, before)


def test_default_step_is_physical() -> None:
    """The same cells in pixels half as wide, twice as many: the same step in µm; a longer interval: a longer step."""
    coarse = np.array([discs((40, 60), (20, 10 + 2 * t, 4)) for t in range(4)])
    fine = np.array([discs((80, 120), (40.5, 20.5 + 4 * t, 8)) for t in range(4)])
    step = typical_max_step_um(detect_cells(coarse), SCALE)
    assert typical_max_step_um(detect_cells(fine), Calibration(1.0, 12.0)) == pytest.approx(step, rel=0.02)
    assert typical_max_step_um(detect_cells(coarse), Calibration(2.0, 60.0)) > 2 * step


def test_steps_are_taken_between_mutual_neighbours_only() -> None:
    """1 moves by 2 px. 2 is gone in frame 1: its nearest is 1, but it is not the nearest of 1."""
    labels = draw("""
    1....2  ..1...
    ......  ......
    """)
    assert mutual_displacements_px(detect_cells(labels), SCALE).tolist() == [2]


@pytest.mark.parametrize(("minutes", "frames"), [(1, 5), (12, 3), (20, 2), (60, 1)])
def test_default_gap_is_a_time(minutes: float, frames: int) -> None:
    assert typical_max_gap_frames(Calibration(1.0, minutes)) == frames


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_step_um": 0}, "max_step_um"),
        ({"max_step_um": float("nan")}, "max_step_um"),
        ({"max_gap_frames": -1}, "max_gap_frames"),
        ({"min_frames": 0}, "min_frames"),
        ({"shape_weight": -1}, "weights"),
    ],
)
def test_values_out_of_range(options: dict[str, float], words: str) -> None:
    with pytest.raises(SomaNetError, match=words):
        link_cells(detect_cells(CROSSING), SCALE, **options)  # type: ignore[arg-type]


def test_bad_tables() -> None:
    detections = detect_cells(CROSSING)
    with pytest.raises(SomaNetError, match=r"lack \['area_px'\]"):
        link_cells(detections.drop(columns="area_px"), SCALE)
    with pytest.raises(SomaNetError, match="twice"):
        link_cells(pd.concat([detections, detections.iloc[:1]]), SCALE)


# A simulated movie


@pytest.mark.parametrize("missed", [0.0, 0.05])
def test_true_masks_of_a_simulated_movie_give_true_tracks(missed: float) -> None:
    """IDF1 of at least 0.95 with the ids forgotten; less the missed masks themselves where 5 % are wiped out."""
    scale = Calibration(1.28, 10.0)
    movie = simulate_movie(
        seed=5, n_frames=20, shape_YX=(150, 210), calibration=scale, settings=NeuronSettings(somas_per_mm2=120)
    )
    rng = np.random.default_rng(1)
    frames = forget(movie.labels_TYX)
    for frame in frames:
        gone = [i for i in np.unique(frame[frame > 0]) if rng.random() < missed]
        frame[np.isin(frame, gone)] = 0
    tracks = link_cells(detect_cells(frames, movie.frames_TYX), scale)
    scores = track_scores(match_masks(movie.labels_TYX, relabel_movie(frames, tracks)))
    assert scores["IDF1"] >= 0.95 - missed
    assert scores["followed"] >= 0.85
    broken = track_scores(match_masks(movie.labels_TYX, frames))
    assert broken["IDF1"] < 0.6
