"""Scores of tracks: perfect, known errors with derived numbers, undefined ones, and the challenge's own folders."""

import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.core.errors import SomaNetError
from somanet.evaluation.tracks import METRICS, match_masks, match_points, score_ctc_folders, track_scores
from somanet.tracking.ctc import write_ctc
from tests.tracking.worlds import draw

pytest.importorskip("ctc_metrics")

# T = 4, Y = 3, X = 8: two cells of 2x2 that stand still; 2 is missed in frame 2.
GROUND_TRUTH = draw("""
11....22  11....22  11......  11....22
11....22  11....22  11......  11....22
........  ........  ........  ........
""")


def masks(pred: np.ndarray) -> dict[str, float]:
    return track_scores(match_masks(GROUND_TRUTH, pred))


def points(*rows: tuple[int, int, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["track_id", "frame", "y_um", "x_um"])


def line(track: int, y: float, frames: range, x: float = 0.0) -> pd.DataFrame:
    return points(*((track, t, y, x) for t in frames))


def test_perfect_even_with_gaps_and_other_ids() -> None:
    scores = masks(np.choose(GROUND_TRUTH, [0, 70, 5]))
    assert {name: scores[name] for name in METRICS} == dict.fromkeys(METRICS, 1.0)
    assert (scores["precision"], scores["recall"], scores["followed"]) == (1, 1, 1)
    assert scores["identity_switches"] == 0
    assert scores["n_reference_tracks"] == scores["n_predicted_tracks"] == 2


def test_a_switch() -> None:
    """The ids are swapped from frame 2 on: each of the 2 cells goes on under another id; none is followed. Of 7
    detections 2 + 2 keep the better identity pair (1 in frames 0, 1 and 2 in frames 0, 1; or 1 in 2, 3 and 2 in 3):
    IDF1 = 4/7."""
    pred = GROUND_TRUTH.copy()
    pred[2:] = np.choose(GROUND_TRUTH[2:], [0, 2, 1])
    scores = masks(pred)
    assert scores["DET"] == 1
    assert scores["SEG"] == 1
    assert scores["identity_switches"] == 2
    assert scores["IDF1"] == pytest.approx(4 / 7)
    assert scores["followed"] == 0
    assert scores["LNK"] < 1
    assert scores["TRA"] < 1
    assert scores["HOTA"] < 1


def test_missed_and_false() -> None:
    """Cell 2 is never detected (3 of 7 points), and 3 is false in all 4 frames: precision 4/8, recall 4/7."""
    pred = np.where(GROUND_TRUTH == 1, 1, 0)
    pred[:, 2, 4] = 3
    scores = masks(pred)
    assert (scores["precision"], scores["recall"]) == (pytest.approx(4 / 8), pytest.approx(4 / 7))
    assert scores["f1"] == pytest.approx(2 * 4 / (8 + 7))
    assert scores["followed"] == 0.5
    assert scores["IDF1"] == pytest.approx(2 * 4 / (7 + 8))


def test_a_mask_half_as_large_is_not_found() -> None:
    """The rule is more than half of the true mask: 2 of 4 pixels are too few, 3 are enough, with an IoU of 3/4."""
    half, most = GROUND_TRUTH.copy(), GROUND_TRUTH.copy()
    half[:, 1] = 0
    most[:, 1, [0, 7]] = 0
    assert masks(half)["recall"] == 0
    scores = masks(most)
    assert scores["recall"] == 1
    assert scores["SEG"] == pytest.approx(0.75)


def test_nothing_found_is_0_and_nothing_to_find_is_undefined() -> None:
    empty = np.zeros_like(GROUND_TRUTH)
    nothing = masks(empty)
    assert {nothing[name] for name in (*METRICS, "recall", "followed")} == {0}
    assert math.isnan(nothing["precision"])
    no_ground_truth = track_scores(match_masks(empty, GROUND_TRUTH))
    assert all(math.isnan(no_ground_truth[name]) for name in (*METRICS, "recall", "followed", "identity_switches"))


def test_frames_without_cells_and_a_single_frame() -> None:
    """A reference that begins late, and one without any link to score."""
    empty = np.zeros_like(GROUND_TRUTH[:2])
    late = np.concatenate([empty, GROUND_TRUTH])
    assert {name: track_scores(match_masks(late, late))[name] for name in METRICS} == dict.fromkeys(METRICS, 1.0)
    false = np.concatenate([empty, GROUND_TRUTH])
    false[0] = GROUND_TRUTH[0]
    assert track_scores(match_masks(late, false))["precision"] == pytest.approx(7 / 9)
    single = track_scores(match_masks(GROUND_TRUTH[:1], GROUND_TRUTH[:1]))
    assert math.isnan(single.pop("LNK"))
    assert {single[name] for name in METRICS if name != "LNK"} == {1.0}


def test_movies_that_differ() -> None:
    with pytest.raises(SomaNetError, match="prediction ends after 3"):
        masks(GROUND_TRUTH[:3])
    with pytest.raises(SomaNetError, match="truth ends after 4"):
        masks(np.concatenate([GROUND_TRUTH, GROUND_TRUTH[:1]]))
    with pytest.raises(SomaNetError, match="shape"):
        masks(GROUND_TRUTH[:, :2])


# Points


def test_matching_distance_is_in_micrometres_and_inclusive() -> None:
    """3 µm right and 4 down is 5 µm."""
    ground_truth, pred = line(1, 0, range(12)), line(4, 4, range(12), x=3)
    for limit, recall in ((5.0, 1.0), (4.99, 0.0)):
        assert track_scores(match_points(ground_truth, pred, max_distance_um=limit))["recall"] == recall


def test_short_reference_tracks_are_ignored() -> None:
    """Track 2 has 9 frames: detections there are neither true nor false; detections elsewhere are false."""
    ground_truth = pd.concat([line(1, 0, range(12)), line(2, 50, range(9))])
    pred = pd.concat([line(1, 1, range(12)), line(2, 51, range(9)), line(3, 90, range(4))])
    scores = track_scores(match_points(ground_truth, pred))
    assert (scores["precision"], scores["recall"]) == (pytest.approx(12 / 16), 1)
    assert scores["n_reference_tracks"] == 1
    strict = track_scores(match_points(ground_truth, pred, min_reference_frames=9))
    assert strict["precision"] == pytest.approx(21 / 25)
    assert math.isnan(strict["SEG"])


def test_one_detection_serves_one_cell_and_as_many_as_possible_are_matched() -> None:
    """Cells at 0 and 6, detections at 5 and 13: nearest first would leave 0 alone, its 5 taken by 6."""
    ground_truth = pd.concat([line(1, 0, range(10)), line(2, 6, range(10))])
    pred = pd.concat([line(1, 5, range(10)), line(2, 13, range(10))])
    assert match_points(ground_truth, pred).pairs == [[(1, 1), (2, 2)]] * 10
    single = track_scores(match_points(ground_truth, line(1, 5, range(10))))
    assert (single["precision"], single["recall"]) == (1, 0.5)


@pytest.mark.parametrize(
    ("frames", "followed"),
    [
        ([range(10)], 1),
        ([[0, 1, 2, 4, 5, 6, 8, 9]], 1),  # 8 of 10
        ([[0, 1, 2, 4, 5, 8, 9]], 0),  # 7 of 10
        ([range(9)], 0),  # lost before the end
        ([range(1, 10)], 0),  # found late
        ([range(5), range(5, 10)], 0),  # under two ids
    ],
)
def test_followed_end_to_end(frames: list[range], followed: int) -> None:
    pred = pd.concat([line(i, 0, ts) for i, ts in enumerate(frames, start=1)])
    assert track_scores(match_points(line(1, 0, range(10)), pred))["followed"] == followed


def test_bad_points() -> None:
    good = line(1, 0, range(12))
    with pytest.raises(SomaNetError, match=r"predicted tracks lack \['x_um'\]"):
        match_points(good, good.drop(columns="x_um"))
    with pytest.raises(SomaNetError, match="max_distance_um"):
        match_points(good, good, max_distance_um=0)
    assert math.isnan(track_scores(match_points(good[:0], good[:0]))["recall"])


# Folders


def folders(tmp_path: Path, pred: np.ndarray) -> tuple[Path, Path]:
    for name, labels in (("RES", pred), ("TRA", GROUND_TRUTH), ("SEG", GROUND_TRUTH)):
        rows = [(int(i), t, 0, 0) for t, f in enumerate(labels) for i in np.unique(f[f > 0])]
        tracks = points(*rows).assign(t_h=lambda table: 0.2 * table["frame"], y_px=0.0, x_px=0.0)
        folder = tmp_path / ("RES" if name == "RES" else f"GT/{name}")
        write_ctc(folder, labels, tracks)
        if name != "RES":
            for path in folder.glob("mask*"):
                path.rename(folder / path.name.replace("mask", {"TRA": "man_track", "SEG": "man_seg"}[name]))
            (folder / "res_track.txt").rename(folder / "man_track.txt")
    return tmp_path / "RES", tmp_path / "GT"


@pytest.mark.parametrize("kind", ["perfect", "switch", "missed"])
def test_folders_and_arrays_score_alike(kind: str, tmp_path: Path) -> None:
    """Our matching of arrays is held against the library's own matching of files."""
    pred = GROUND_TRUTH.copy()
    if kind == "switch":
        pred[2:] = np.choose(GROUND_TRUTH[2:], [0, 2, 1])
    if kind == "missed":
        pred[1:3, :, 4:] = 0
        pred[0, 2, 4] = 3
    scores = masks(pred)
    assert score_ctc_folders(*folders(tmp_path, pred)) == pytest.approx({name: scores[name] for name in METRICS})


def test_bad_folders(tmp_path: Path) -> None:
    result, reference = folders(tmp_path, GROUND_TRUTH)
    with pytest.raises(SomaNetError, match=r"\['CHOTA'\]"):
        score_ctc_folders(result, reference, ["CHOTA"])
    with pytest.raises(SomaNetError, match="man_track"):
        score_ctc_folders(result, result)
    (result / "mask003.tif").unlink()
    with pytest.raises(SomaNetError, match="cannot be scored"):
        score_ctc_folders(result, reference)


def test_the_library_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctc_metrics", None)
    with pytest.raises(SomaNetError, match=r"somanet\[tracking-metrics\]"):
        masks(GROUND_TRUTH)
