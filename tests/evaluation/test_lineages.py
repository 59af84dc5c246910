"""Scores of lineages by traccuracy: perfect, known errors with derived numbers, and undefined ones."""

import math
import sys
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somanet.core.errors import SomaNetError
from somanet.evaluation.lineages import LINEAGE_METRICS, lineage_scores
from somanet.evaluation.tracks import Matches, match_masks, match_points, track_scores
from tests.tracking.worlds import draw

# T = 6, Y = 3, X = 8: cell 1 divides after frame 1 into 2 and 3.
GROUND_TRUTH = draw("""
1.......  1.......  22......  22......  22......  22......
11......  11......  ........  ........  ........  ........
1.......  1.......  ......33  ......33  ......33  ......33
""")
MOTHERS = {2: 1, 3: 1}


def test_the_library_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "traccuracy", None)
    with pytest.raises(SomaNetError, match=r"somanet\[traccuracy\]"):
        lineage_scores(match_masks(GROUND_TRUTH, GROUND_TRUTH))


class TestTraccuracy:
    """What the library itself computes."""

    @pytest.fixture(autouse=True)
    def library(self) -> None:
        pytest.importorskip("traccuracy")
        pytest.importorskip("ctc_metrics")

    def test_perfect_under_other_ids(self, capfd: pytest.CaptureFixture[str]) -> None:
        pred = np.choose(GROUND_TRUTH, [0, 9, 4, 6])
        scores = lineage_scores(match_masks(GROUND_TRUTH, pred), mothers_true=MOTHERS, mothers_pred={4: 9, 6: 9})
        assert scores == dict.fromkeys(LINEAGE_METRICS, 1.0)
        assert tuple(capfd.readouterr()) == ("", "")

    def test_a_missed_division(self) -> None:
        """The mother's points (2 of 10) are in a true lineage of 10, of which her own predicted track has 2; each
        daughter's (4 and 4) in one of 6, of which hers has 4: CHOTA = √((2 · 2/10 + 8 · 4/6) / 10). The 2 steps of
        division are missed of 8: 1 within the mother, 3 within each daughter, so recall 7/9."""
        scores = lineage_scores(match_masks(GROUND_TRUTH, GROUND_TRUTH), mothers_true=MOTHERS)
        assert scores["CHOTA"] == pytest.approx(math.sqrt((2 * 2 / 10 + 8 * 4 / 6) / 10))
        assert (scores["link_precision"], scores["link_recall"]) == (1, pytest.approx(7 / 9))
        assert scores["division_recall"] == 0
        assert math.isnan(scores["division_precision"])
        assert (scores["n_reference_divisions"], scores["n_predicted_divisions"]) == (1, 0)

    def test_a_division_a_frame_late(self) -> None:
        """In frame 2 the mother still stands where 2 is, and 3 is missed there."""
        late = GROUND_TRUTH.copy()
        late[2] = np.where(GROUND_TRUTH[2] == 2, 1, 0)
        scores = lineage_scores(match_masks(GROUND_TRUTH, late), mothers_true=MOTHERS, mothers_pred=MOTHERS)
        assert scores["division_recall"] == scores["division_precision"] == 0
        assert scores["n_predicted_divisions"] == 1

    def test_a_division_that_is_none(self) -> None:
        """Cells that stand still, one of which is declared the other's child."""
        ground_truth = draw("""
        1....2  1....2  1....2
        1....2  1....2  1....2
        """)
        pred = draw("""
        1.....  1....2  3....2
        1.....  1....2  3....2
        """)
        pred[1][pred[1] == 2] = 0
        scores = lineage_scores(match_masks(ground_truth, pred), mothers_pred={2: 1, 3: 1})
        assert scores["division_precision"] == 0
        assert (scores["n_reference_divisions"], scores["n_predicted_divisions"]) == (0, 1)
        assert math.isnan(scores["division_recall"])

    def test_a_swap(self) -> None:
        """Two cells of 6 frames change names after 3: of each 5 steps, 2 and 2 are right under either name."""
        ground_truth = np.repeat(draw("1..2\n1..2"), 6, axis=0)
        pred = ground_truth.copy()
        pred[3:] = np.choose(ground_truth[3:], [0, 2, 1])
        scores = lineage_scores(match_masks(ground_truth, pred))
        assert scores["link_precision"] == scores["link_recall"] == pytest.approx(4 / 5)
        assert scores["track_purity"] == scores["target_effectiveness"] == pytest.approx(2 / 5)
        assert scores["complete_tracks"] == 0
        assert scores["CHOTA"] == pytest.approx(math.sqrt(3 / 9))

    def test_a_gap_is_no_error_of_links(self) -> None:
        """One of 6 points is missed and bridged: the path is the same, the point is not."""
        ground_truth = points(*((1, t, 0.0) for t in range(6)))
        pred = ground_truth[ground_truth["frame"] != 3]
        scores = lineage_scores(match_points(ground_truth, pred, min_reference_frames=1))
        assert scores["link_precision"] == scores["link_recall"] == scores["complete_tracks"] == 1
        assert scores["CHOTA"] == pytest.approx(math.sqrt(5 / 6 * 5 / 6))

    def test_a_mask_over_two_cells(self) -> None:
        """It covers 1 and 2 wholly; for all but CHOTA it is taken for 1, the larger."""
        ground_truth = draw("""
        1122..  1122..
        11....  11....
        """)
        pred = np.where(ground_truth > 0, 1, 0)
        scores = lineage_scores(match_masks(ground_truth, pred))
        assert (scores["link_precision"], scores["link_recall"]) == (1, 0.5)
        assert scores["complete_tracks"] == 0.5

    def test_nothing_found_and_nothing_to_find(self) -> None:
        empty = np.zeros_like(GROUND_TRUTH)
        nothing = lineage_scores(match_masks(GROUND_TRUTH, empty))
        assert (nothing["CHOTA"], nothing["link_recall"], nothing["complete_tracks"]) == (0, 0, 0)
        assert all(map(math.isnan, lineage_scores(match_masks(empty, GROUND_TRUTH)).values()))

    @settings(max_examples=60)
    @given(
        st.lists(
            st.lists(
                st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=3, unique_by=(lambda p: p[0], lambda p: p[1])
            ),
            min_size=1,
            max_size=7,
        )
    )
    def test_without_divisions_chota_is_hota(self, frames: list[list[tuple[int, int]]]) -> None:
        """Two libraries, one number. Id 0 stands for no partner."""
        matches = Matches([], [], [], [])
        for pairs in frames:
            matches.reference.append(sorted(i for i, _ in pairs if i))
            matches.predicted.append(sorted(j for _, j in pairs if j))
            matches.pairs.append(sorted(pair for pair in pairs if all(pair)))
            matches.iou.append([math.nan] * len(matches.pairs[-1]))
        expected = track_scores(matches)["HOTA"]
        assert lineage_scores(matches)["CHOTA"] == pytest.approx(expected, nan_ok=True)

    @pytest.mark.parametrize("seed", range(8))
    def test_the_length_of_a_long_gap_changes_no_score(self, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Random matches with mothers, and 3 to 9 empty frames somewhere: the same with and without shortening."""
        random = np.random.default_rng(seed)
        matches = Matches([], [], [], [])
        for frame in range(9):
            true, pred = (sorted(random.choice(6, 3, replace=False).tolist()) for _ in range(2))
            pairs = [pair for pair in zip(true, pred, strict=True) if random.random() < 0.8]
            gap = int(random.integers(3, 10)) if frame == 4 or random.random() < 0.4 else 0
            for values, found in zip(vars(matches).values(), (true, pred, pairs, [math.nan] * len(pairs)), strict=True):
                values += [found, *([] for _ in range(gap))]
        mothers: dict[str, dict[int, int]] = {"mothers_true": {}, "mothers_pred": {}}
        short = track_scores(matches), lineage_scores(matches, **mothers)
        assert len(matches.without_long_gaps().pairs) < len(matches.pairs)
        monkeypatch.setattr("somanet.evaluation.tracks._LONGEST_GAP", 100)
        whole = track_scores(matches), lineage_scores(matches, **mothers)
        for a, b in zip(short, whole, strict=True):
            assert a == pytest.approx(b, nan_ok=True)

    def test_divisions_at_a_long_gap_are_apart_as_before(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Cell 1 divides after frame 0 into 2 and 3, which appear at frame 5, in the prediction at frame 6."""
        matches = Matches([[1], *[[]] * 4, [2, 3], [2, 3], [2, 3]], [[1], *[[]] * 5, [2, 3], [2, 3]], [], [])
        matches.pairs.extend([[(1, 1)], *[[]] * 5, [(2, 2), (3, 3)], [(2, 2), (3, 3)]])
        matches.iou.extend([[math.nan] * len(pairs) for pairs in matches.pairs])
        mothers = {2: 1, 3: 1}
        short = lineage_scores(matches, mothers_true=mothers, mothers_pred=mothers)
        monkeypatch.setattr("somanet.evaluation.tracks._LONGEST_GAP", 100)
        whole = lineage_scores(matches, mothers_true=mothers, mothers_pred=mothers)
        assert short == pytest.approx(whole, nan_ok=True)

    def test_the_cost_does_not_follow_the_last_frame(self) -> None:
        """24 points of 2 tracks, and one at the last frame that is allowed: seconds, once minutes."""
        table = points(*((1 + i % 2, i // 2, 40.0 * (i % 2)) for i in range(24)), (1, 99_999, 0.0))
        began = time.process_time()
        matches = match_points(table, table)
        scores = track_scores(matches) | lineage_scores(matches)
        assert time.process_time() - began < 5
        assert (scores["CHOTA"], scores["HOTA"], scores["link_f1"], scores["followed"]) == (1, 1, 1, 1)


def points(*rows: tuple[int, int, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["track_id", "frame", "y_um"])
    return table.assign(x_um=0.0)
