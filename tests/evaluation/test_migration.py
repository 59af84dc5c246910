"""Saltations against the truth, on drawn events."""

import math

import pandas as pd
import pytest

from somanet.evaluation.migration import match_events, relative_bias, score_saltations


def events(rows, **columns) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["track_id", "start_h", "end_h", "length_um"]).assign(**columns)


OBSERVED = pd.DataFrame({"track_id": [1, 2], "start_h": [0.0, 0.0], "end_h": [10.0, 8.0]})


def test_recall_precision_and_biases_of_drawn_events() -> None:
    """Track 1: [-1, 1] cut by the start, [2, 3], [3.2, 4], [6, 7]; track 2: [5, 6]; [12, 13] is after the movie.

    Found: the cut one (not asked for), one event over both [2, 3] and [3.2, 4], and a false one in track 2. Of
    4 whole true ones 1 has a match; of 2 found ones that count 1 is right. Starts seen: 2 of 4.
    Lengths: mean 35 of the complete found ones against 20.
    """
    true = events([(1, -1, 1, 9), (1, 2, 3, 20), (1, 3.2, 4, 20), (1, 6, 7, 20), (2, 5, 6, 20), (2, 12, 13, 20)])
    found = events([(1, 0, 1, 9), (1, 2, 4, 40), (2, 1, 2, 30)], censored=["start", "", ""])
    scores = score_saltations(true, found, OBSERVED)
    assert (scores.n_true, scores.n_found, scores.n_matched) == (4, 2, 1)
    assert scores.recall == 0.25
    assert scores.precision == 0.5
    assert scores.frequency_bias == pytest.approx(2 / 4 - 1)
    assert scores.length_bias == pytest.approx(35 / 20 - 1)


def test_the_truth_scores_perfectly_against_itself() -> None:
    true = events([(1, 2, 3, 20), (1, 5, 6, 22), (2, 1, 2, 7)])
    scores = score_saltations(true, true.assign(censored=""), OBSERVED)
    assert (scores.recall, scores.precision, scores.frequency_bias, scores.length_bias) == (1, 1, 0, 0)


def test_nothing_found_and_nothing_true_are_undefined_not_zero() -> None:
    none, some = events([], censored="").astype(float), events([(1, 2, 3, 20)], censored="")
    assert score_saltations(some, none, OBSERVED).recall == 0
    assert math.isnan(score_saltations(some, none, OBSERVED).precision)
    assert math.isnan(score_saltations(none, some, OBSERVED).recall)
    assert math.isnan(relative_bias(1, 0))


def test_pairs_have_the_longest_overlap() -> None:
    """[0, 4] overlaps [3, 5] by 1 and [0, 2] by 2; [4, 6] overlaps [3, 5] by 1: pairs 0-1 and 1-0."""
    rows, columns = match_events(events([(1, 0, 4, 1), (1, 4, 6, 1)]), events([(1, 3, 5, 1), (1, 0, 2, 1)]))
    assert dict(zip(rows.tolist(), columns.tolist(), strict=True)) == {0: 1, 1: 0}
